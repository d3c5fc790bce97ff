"""Files: written whole or not at all, found writable before the work, named by checksum, locked."""

import errno
import hashlib
import os
import re
import tempfile
from pathlib import Path

LOCK = ".lock"  # the file of a locked folder
_PARTIAL = re.compile(r"\.partial-(\d+)-(.+)")


class atomic_write:
    """`with atomic_write(path) as partial:` write to `partial`; at the end it is renamed to `path`.

    Whatever goes wrong before, `path` stays as it was and `partial` is removed. What a killed
    process left of an earlier attempt at the same file is removed too.

    Args:
        path: the final name; its folder is made. The partial file keeps the name's ending, for
            writers that choose a format by it.
        sync: flush the file to disk before the renaming.

    Raises:
        OSError: the disk refuses; its `filename` is `path`.
    """

    def __init__(self, path, sync=False):
        self.path, self.sync = Path(path), sync
        self.partial = self.path.with_name(f".partial-{os.getpid()}-{self.path.name}")

    def __enter__(self):
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for path, pid in _partials(self.path.parent):
                if path.name.endswith(f"-{self.path.name}") and not _is_running(pid):
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None
        return self.partial

    def __exit__(self, kind, error, _):
        try:
            if error is None:
                if self.sync:
                    _sync(self.partial)
                os.replace(self.partial, self.path)
        except OSError as failure:
            raise OSError(failure.errno, failure.strerror, str(self.path)) from None
        finally:
            self.partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            # Of the user's file, not of the one beside it or the one that was copied from.
            raise OSError(error.errno, error.strerror, str(self.path)) from None


def write_bytes(content, path):
    """Write bytes to a file, whole or not at all; its folder is made.

    Raises:
        OSError: the disk refuses; its `filename` is `path`.
    """
    with atomic_write(path) as partial:
        partial.write_bytes(content)


def write_text(text, path):
    """Write text as UTF-8, whole or not at all; characters that UTF-8 lacks (from file names that
    are not UTF-8) become "?". Raises as `write_bytes`."""
    write_bytes(text.encode("utf-8", "replace"), path)


def copy_file(source, path):
    """Copy a file, whole or not at all. Raises as `write_bytes`, for the copy or its source."""
    content = Path(source).read_bytes()
    write_bytes(content, path)


def is_disk_full(error):
    """Whether an exception says that the disk, or the user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def remove_partials(folder):
    """Remove what killed writers have left in a folder that nobody else writes to."""
    for path, _ in _partials(Path(folder)):
        path.unlink()


def _partials(folder):
    """(path, process number) of each partial file in a folder."""
    for path in folder.glob(".partial-*"):
        match = _PARTIAL.fullmatch(path.name)
        if match:
            yield path, int(match[1])


def _is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it runs and belongs to somebody else
        return True
    return True


def _sync(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def check_writable(path):
    """Find out whether a file can be written, before the work that it is for.

    Args:
        path: of the file; its folder is made.

    Raises:
        OSError: it, or its folder, cannot.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path.parent)) from None


def check_place(path):
    """Find out whether a file could be written at a path, without making its folder.

    Raises:
        ValueError: one sentence: there is a file where a folder is needed, or no permission.
    """
    folder = Path(path).absolute().parent
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise ValueError(f"{there} is a file; a folder is needed there.")
    if not os.access(there, os.W_OK):
        raise ValueError(f"nothing can be written into {there}; name another place.")


def sha256(path, digits=12):
    """The first hexadecimal digits of a file's SHA-256: str."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:digits]


class folder_lock:
    """`with folder_lock(folder):` hold a folder for one process; the system lets go of it when the
    process ends, however it ends. Systems without `fcntl` (Windows) are not locked.

    Args:
        folder: made if missing; the lock is its file `LOCK`.

    Raises:
        ValueError: another process holds it.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            import fcntl
        except ImportError:
            self._file = None
            return self
        self._file = open(self.folder / LOCK, "a")  # noqa: SIM115 (held until __exit__)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise ValueError(
                f"{self.folder} is in use by another process; wait until it ends, or name another "
                "folder with --out."
            ) from None
        return self

    def __exit__(self, *_):
        if self._file is not None:
            self._file.close()
