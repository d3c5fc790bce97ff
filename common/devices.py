"""What this machine has and can do: cores, memory, precision, compiler; and a quiet start of the
Keras backend. Importing this starts no backend."""

import math
import os
import re
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
# What TensorFlow's wheel says of itself at every start: when it is imported, before its own level
# of logging applies, and where there is no GPU when it looks for one.
_NOISE = re.compile(
    r"absl::InitializeLog|Unable to register cu\w+ factory|computation placer already registered"
    r"|failed call to cuInit"
)


def start_backend():
    """Import Keras with its backend and look for a GPU, without the lines that TensorFlow prints at
    every start. Anything else that it prints stays, and everything does where the import fails;
    later on its errors are shown, its warnings are not."""
    if "keras" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with without_noise(_NOISE):
        import keras

        if keras.backend.backend() == "tensorflow":
            keras.distribution.list_devices()


@contextmanager
def without_noise(noise):
    """Hold back what native code writes to stderr, and let through what is not noise: everything
    where an exception ends the block.

    Args:
        noise: compiled regular expression, searched in each line.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with _held_output() as held:
        os.dup2(held.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            lines = held.read().decode("utf-8", "replace").splitlines(keepends=True)
            if not failed:
                lines = [line for line in lines if not noise.search(line)]
            sys.stderr.write("".join(lines))


def _held_output():
    """A binary file without a name; in memory where the system can, for disks are full at times."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("stderr"), "w+b")
    return tempfile.TemporaryFile()


def core_count():
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory():
    """Bytes of memory that are free for use, or None where the system does not say."""
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.M)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def check_memory(needed, what):
    """Refuse work that the memory cannot hold.

    Args:
        needed: bytes.
        what: what needs them, the sentence's subject in the plural.

    Raises:
        ValueError: one sentence with both sizes.
    """
    free = available_memory()
    if free is not None and needed > free:
        raise ValueError(
            f"{what} need {needed / 2**30:,.1f} GiB of memory and {free / 2**30:,.1f} GiB are "
            "free; ask for fewer or smaller ones."
        )


def one_core_per_micro_batch(batch_size):
    """Give each core a part of every batch: on processors that is faster than all cores at each
    operation (benchmarks/README.md). TensorFlow reads this once, when it is imported.

    Args:
        batch_size: pictures a batch.

    Returns:
        int: the number of micro-batches, a divisor of the batch size.
    """
    cores = core_count()
    parts = math.gcd(batch_size, cores)
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(cores // parts))
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", str(parts))
    return parts


def has_gpu():
    """Whether the Keras backend sees a GPU."""
    import keras

    return bool(keras.distribution.list_devices("gpu"))


def has_bfloat16():
    """Whether this machine multiplies in bfloat16: a GPU, or a processor with the instructions."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags or has_gpu()


def choose_precision(precision="auto"):
    """Resolve "auto": bfloat16 where the hardware multiplies in it, else float32.

    Args:
        precision: "auto", "float32" or "bfloat16".

    Returns:
        "float32" or "bfloat16", keys of `PRECISIONS`.

    Raises:
        ValueError: for another word.
    """
    if precision in PRECISIONS:
        return precision
    if precision != "auto":
        raise ValueError(
            f"precision must be auto, {' or '.join(PRECISIONS)}. Received: {precision!r}."
        )
    return "bfloat16" if has_bfloat16() else "float32"


def use_xla():
    """Whether to compile with XLA: always on JAX; on TensorFlow only on a GPU, for on a CPU XLA's
    convolutions are several times slower than oneDNN's."""
    import keras

    return keras.backend.backend() == "jax" or has_gpu()
