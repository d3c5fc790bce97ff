"""What the benchmarks share: result files, the machine, photographs, rendered sets, medians."""

import json
import os
import platform
import tempfile
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np

from common.files import write_text

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PICTURES = ROOT / "docs" / "pictures"


def read_json(path):
    """What a result file holds; an empty dictionary where there is none yet."""
    path = Path(path)
    return json.loads(path.read_text()) if path.exists() else {}


def write_json(result, path):
    """Write results, whole or not at all; the folder is made."""
    write_text(json.dumps(result, indent=1) + "\n", path)


def merge_json(results, path):
    """Put results into a file, key by key; its other keys stay as they are at this moment."""
    write_json(read_json(path) | results, path)


def machine():
    """What seconds depend on: processor, threads, load before, Python."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if os.name == "posix" else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "threads": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
    }


def cpu_seconds():
    """Seconds of all cores that the processes have used which this one has started and seen end."""
    import resource  # here, for not every system has it

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def photographs():
    """Two photographs in the public domain: {name: uint8 (H, W, 3)}."""
    from matplotlib import cbook
    from skimage import data

    from common.images import read_image

    hopper = read_image(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    return {"astronaut": data.astronaut(), "grace_hopper": hopper}


@contextmanager
def rendered(n, people, size, seed):
    """A folder of rendered faces, all in the photo style, which is removed at the end."""
    from data.faces import make_faces

    with tempfile.TemporaryDirectory() as folder:
        yield make_faces(Path(folder) / "faces", n, people, size, seed, drawn=0)


def photos(pictures, n, people, seed):
    """A context with a folder of photo-style faces of 256 px: `pictures` if given, else fresh ones
    that are removed at the end."""
    return nullcontext(pictures) if pictures else rendered(n, people, 256, seed)


def common_size(presets):
    """The side of the pictures of models that are compared, pixels.

    Raises:
        ValueError: they have several.
    """
    size = presets[0].size
    if any(preset.size != size for preset in presets):
        raise ValueError("models of several sizes were named; measure each by itself.")
    return size


def spread(pictures, n):
    """n pictures spread over a set, whose neighbours may show one person.

    Args:
        pictures: (N, ...).
        n: at most N are taken.

    Returns:
        int (min(n, N),): their indices.
    """
    return np.linspace(0, len(pictures) - 1, min(n, len(pictures))).astype(int)


def ratios(steps, baseline, rounds, calls=3):
    """Time functions in turn, so that whatever else the machine does falls on all.

    Args:
        steps: {name: function without arguments}; each is called twice beforehand.
        baseline: the name of the one that all are divided by.
        rounds: of all functions in turn.
        calls: of each function in a round.

    Returns:
        {name: {"seconds": median, "ratio": median over rounds, "quartiles": [25%, 75%]}}.
    """
    for step in steps.values():
        step(), step()
    seconds = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            began = time.perf_counter()
            for _ in range(calls):
                step()
            seconds[name].append((time.perf_counter() - began) / calls)
    found = {name: np.array(s) / np.array(seconds[baseline]) for name, s in seconds.items()}
    return {
        name: {
            "seconds": float(np.median(seconds[name])),
            "ratio": float(np.median(ratio)),
            "quartiles": [float(q) for q in np.percentile(ratio, (25, 75))],
        }
        for name, ratio in found.items()
    }
