"""How fast rendered faces are made, in how much memory, and whether `kill -9` leaves a trace.

Each run is the command `python -m data` in a process group of its own, watched from outside through
/proc (Linux).
"""

import hashlib
import itertools
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.faces import CHUNK

ROOT = Path(__file__).resolve().parent.parent
FILES = ("images.npy", "labels.npy", "faces.jsonl", "dataset.json")
TICK = os.sysconf("SC_CLK_TCK")
WORKERS = 2
SETTLED = 500  # pictures after which a process has loaded and kept what it needs


@dataclass(frozen=True)
class Moment:
    """One look at a run.

    Attributes:
        clock: seconds since it was started.
        pictures: finished and recorded.
        processor: seconds that its processes have used.
        resident: MB (10^6 bytes) of memory of each worker.
    """

    clock: float
    pictures: int
    processor: float
    resident: tuple[float, ...]


def start(out, n, size, seed):
    """Starts `python -m data` with two workers in a process group of its own."""
    people = max(1, n // 4)
    numbers = {"n": n, "identities": people, "size": size, "seed": seed, "workers": WORKERS}
    words = [word for name, value in numbers.items() for word in (f"--{name}", str(value))]
    return subprocess.Popen(
        [sys.executable, "-m", "data", *words, "--out", str(out), "--quiet"],
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )


def watch(process, out, every):
    """Looks at a run every so many seconds until it ends.

    Yields:
        `Moment`s.

    Raises:
        RuntimeError: if it fails.
    """
    began = time.monotonic()
    while process.poll() is None:
        yield look(process.pid, out, began)
        time.sleep(every)
    if process.returncode:
        raise RuntimeError(f"Rendering failed. Received: exit status {process.returncode}.")


def look(group, out, began):
    """A `Moment` of the process group `group`."""
    records = Path(f"{out}.partial", "records")
    pictures = CHUNK * sum(1 for path in records.glob("*.jsonl")) if records.exists() else 0
    processor, resident = 0.0, []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            # What follows the name, which may itself hold spaces: state, parent, group, ...
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) != group:
                continue
            processor += (int(fields[11]) + int(fields[12])) / TICK
            if b"spawn_main" in (process / "cmdline").read_bytes():
                pages = int((process / "statm").read_text().split()[1])
                resident.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    return Moment(time.monotonic() - began, pictures, processor, tuple(resident))


def pace(moments):
    """How fast a run was between its first and its last finished chunks.

    Args:
        moments: in order.

    Returns:
        (pictures a second, processor seconds a picture).
    """
    first = next(m for m in moments if m.pictures >= WORKERS * CHUNK)
    last = max(moments, key=lambda m: m.pictures)  # the first of those with the most
    made = last.pictures - first.pictures
    return made / (last.clock - first.clock), (last.processor - first.processor) / made


def speed(folder, sizes, rounds, seed):
    """Pictures a second, start-up apart, of sizes in turn.

    Args:
        folder: an empty one, to render into.
        sizes: pixels -> pictures a run.
        rounds: runs of each size.
        seed: of the first round; each has its own.

    Returns:
        dictionary: size -> medians and what each round gave.
    """
    paces = {size: [] for size in sizes}
    for k, (size, n) in itertools.product(range(rounds), sizes.items()):
        out = Path(folder) / f"{size}_{k}"
        paces[size].append(pace(list(watch(start(out, n, size, seed + k), out, 0.05))))
    return {
        str(size): {
            "pictures_per_second": statistics.median(rate for rate, _ in found),
            "processor_seconds_per_picture": statistics.median(cost for _, cost in found),
            "rounds": found,
            "pictures_per_round": sizes[size],
        }
        for size, found in paces.items()
    }


def memory(moments):
    """What a worker's memory does in a long run.

    Args:
        moments: of a run with more than `SETTLED` pictures.

    Returns:
        dictionary: MB of the larger worker at the start (after `SETTLED` pictures), at the end and
        at most, and the slope of a line through all moments between, MB per 1000 pictures.
    """
    settled = [m for m in moments if m.pictures >= SETTLED and m.resident]
    if not settled:
        raise ValueError(f"A run for memory has more than {SETTLED} pictures.")
    pictures = np.array([m.pictures for m in settled])
    largest = np.array([max(m.resident) for m in settled])
    slope = np.polyfit(pictures / 1000, largest, 1)[0] if np.ptp(pictures) else 0.0
    return {
        "pictures": int(pictures[-1]),
        "start": float(largest[0]),
        "end": float(np.median(largest[-5:])),
        "maximum": float(max(max(m.resident) for m in moments if m.resident)),
        "slope_per_1000": float(slope),
    }


def make_with_kills(out, n, size, seed, kills=2):
    """Makes a dataset, killing the whole process group at random moments and starting again.

    Args:
        out: folder to make.
        n, size, seed: as for `data.make_faces`.
        kills: how many.

    Returns:
        list of int: how many pictures were finished at each kill.
    """
    draw = random.Random(seed)
    killed_at = []
    for target in sorted(draw.uniform(0.1, 0.9) * n for _ in range(kills)):
        process = start(out, n, size, seed)
        while look(process.pid, out, 0).pictures < target and process.poll() is None:
            time.sleep(0.05)
        time.sleep(draw.uniform(0, 1))  # anywhere within a chunk
        os.killpg(process.pid, signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            raise ValueError(f"It was finished before it was killed. Received: n={n}.")
        killed_at.append(look(process.pid, out, 0).pictures)
    for _ in watch(start(out, n, size, seed), out, 0.2):
        pass
    return killed_at


def digests(folder):
    """SHA-256 of each file of a dataset: name -> hexadecimal digits."""
    found = {}
    for name in FILES:
        with open(Path(folder) / name, "rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def endure(folder, n, size, seed, kills):
    """A long run, watched, and the same again with kills.

    Args:
        folder: an empty one, to render into.
        n, size, seed: as for `data.make_faces`.
        kills: how many; 0 for the watched run alone.

    Returns:
        dictionary with "memory", and with "kill" if there were any.
    """
    whole, killed = Path(folder) / "whole", Path(folder) / "killed"
    moments = list(watch(start(whole, n, size, seed), whole, 0.5))
    rate, _ = pace(moments)
    found = {
        "memory": memory(moments) | {"size": size, "pictures_per_second": rate},
    }
    if kills:
        killed_at = make_with_kills(killed, n, size, seed, kills)
        expected, got = digests(whole), digests(killed)
        found["kill"] = {
            "pictures": n,
            "size": size,
            "killed_at_picture": killed_at,
            "equal": expected == got,
            "sha256_whole": expected,
            "sha256_killed": got,
        }
    return found
