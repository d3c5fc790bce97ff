"""Files: whole or not at all, whatever happens to the writer; locks that end with their process."""

import errno
import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT

from common.files import (
    atomic_write,
    check_place,
    check_writable,
    copy_file,
    folder_lock,
    is_disk_full,
    remove_partials,
    sha256,
    write_bytes,
    write_text,
)


def python(program, *words, **options):
    """Start a Python program in a process of its own."""
    command = [sys.executable, "-c", program, *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, text=True, **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_with_its_folder(tmp_path):
    path = tmp_path / "new" / "a.png"
    with atomic_write(path, sync=True) as partial:
        assert partial.suffix == ".png" and partial.parent == path.parent
        partial.write_bytes(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half" and names(path.parent) == ["a.png"]


@pytest.mark.parametrize("error", [ValueError("no"), OSError("no number"), KeyboardInterrupt()])
def test_whatever_goes_wrong_the_old_file_stays(tmp_path, error):
    path = tmp_path / "a.txt"
    write_text("before", path)
    with pytest.raises(type(error)) as caught, atomic_write(path) as partial:
        partial.write_text("after")
        raise error
    assert caught.value is error
    assert path.read_text() == "before" and names(tmp_path) == ["a.txt"]


def test_errors_of_the_disk_name_the_users_file(tmp_path):
    """Not the partial one beside it, nor the file that was copied from."""
    path = tmp_path / "a.txt"
    with pytest.raises(OSError) as caught, atomic_write(path):
        raise OSError(errno.EACCES, "refused", "source.txt")
    assert caught.value.filename == str(path) and caught.value.errno == errno.EACCES
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as caught:
        write_bytes(b"x", tmp_path / "file" / "a.txt")
    assert caught.value.filename == str(tmp_path / "file" / "a.txt")
    with pytest.raises(FileNotFoundError) as caught:
        copy_file(tmp_path / "nowhere", path)
    assert caught.value.filename == str(tmp_path / "nowhere")


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path):
    program = (
        "import os, sys; from common.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as partial:\n"
        "    partial.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    path, other = tmp_path / "a.bin", tmp_path / "b.bin"
    for target in (path, other):
        assert python(program, target).wait(60) == -signal.SIGKILL
    assert len(names(tmp_path)) == 2 and not path.exists()
    running = tmp_path / f".partial-{os.getppid()}-a.bin"  # of a process that still runs
    running.write_bytes(b"in use")
    write_bytes(b"whole", path)
    assert path.read_bytes() == b"whole" and running.exists()
    assert len(list(tmp_path.glob(".partial-*-b.bin"))) == 1  # another file's: not in the way
    remove_partials(tmp_path)
    assert names(tmp_path) == ["a.bin"]


def test_a_full_disk(small_disk):
    source, path = small_disk / "source", small_disk / "copy"
    source.write_bytes(bytes(40_000))
    for write in (lambda: write_bytes(bytes(40_000), path), lambda: copy_file(source, path)):
        with pytest.raises(OSError) as caught:
            write()
        assert is_disk_full(caught.value) and caught.value.filename == str(path)
        assert names(small_disk) == ["source"]
    assert not is_disk_full(OSError(errno.EACCES, "refused")) and not is_disk_full(ValueError())


def test_text_of_file_names_that_are_not_utf8_can_be_written(tmp_path):
    write_text("é " + os.fsdecode(b"\xff.png"), tmp_path / "a.html")
    assert (tmp_path / "a.html").read_bytes() == "é ?.png".encode()


def test_places_are_checked_before_the_work(tmp_path):
    check_writable(tmp_path / "new" / "a.txt")
    assert names(tmp_path / "new") == []
    (tmp_path / "file").write_text("")
    with pytest.raises(IsADirectoryError):
        check_writable(tmp_path / "new")
    with pytest.raises(OSError) as caught:
        check_writable(tmp_path / "file" / "a.txt")
    assert caught.value.filename == str(tmp_path / "file")
    check_place(tmp_path / "newer" / "deep" / "a.txt")
    assert not (tmp_path / "newer").exists()
    with pytest.raises(ValueError, match="file is a file; a folder is needed"):
        check_place(tmp_path / "file" / "a.txt")


def test_checksums(tmp_path):
    write_bytes(b"abc", tmp_path / "a")
    assert sha256(tmp_path / "a") == "ba7816bf8f01"
    assert sha256(tmp_path / "a", 64).endswith("15ad")


def test_a_folder_is_held_by_one_process_until_it_ends_however_it_ends(tmp_path):
    program = (
        "import sys; from common.files import folder_lock\n"
        "with folder_lock(sys.argv[1]):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    folder = tmp_path / "run"
    holder = python(program, folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(ValueError, match="run is in use by another process"), folder_lock(folder):
        pass
    holder.kill()
    holder.communicate()
    with folder_lock(folder), folder_lock(tmp_path / "other"):
        pass
    with folder_lock(folder):  # let go of at the end of the block
        pass


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "picture.png"
    path.write_text("old")
    with atomic_write(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and names(tmp_path) == ["picture.png"]


def test_a_name_that_cannot_be_taken_leaves_nothing(tmp_path):
    (tmp_path / "picture.png").mkdir()
    with pytest.raises(OSError), atomic_write(tmp_path / "picture.png") as partial:
        partial.write_text("new")
    assert names(tmp_path) == ["picture.png"]
