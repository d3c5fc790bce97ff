"""What the commands share."""

import math
import os


def check_finite(**numbers):
    """Refuse options that are no numbers: "nan" and "inf" pass for floats.

    Args:
        numbers: an option's value by its name, with underscores; None where it was not given.

    Raises:
        ValueError: naming the option.
    """
    for name, number in numbers.items():
        if number is not None and not math.isfinite(number):
            raise ValueError(f"--{name.replace('_', '-')} must be a number. Received: {number}.")


def one_core_a_part(batch_size):
    """Give each core its own part of a batch: on processors that is faster than all cores at each
    operation (benchmarks/README.md). TensorFlow reads this once, when it is imported.

    Args:
        batch_size: pictures a batch.

    Returns:
        int: the number of parts, a divisor of the batch size.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = math.gcd(batch_size, cores)
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(cores // parts))
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", str(parts))
    return parts
