"""What this machine can do: precision and compiler."""

from pathlib import Path

import keras

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def has_gpu():
    """Whether the Keras backend sees a GPU."""
    return bool(keras.distribution.list_devices("gpu"))


def choose_precision(precision):
    """Resolve "auto": bfloat16 where the hardware multiplies in it, else float32.

    Args:
        precision: "auto", "float32" or "bfloat16".

    Returns:
        "float32" or "bfloat16".

    Raises:
        ValueError: for another word.
    """
    if precision in PRECISIONS:
        return precision
    if precision != "auto":
        raise ValueError(
            f"precision must be auto, {' or '.join(PRECISIONS)}. Received: {precision!r}."
        )
    return "bfloat16" if has_gpu() or _cpu_has_bfloat16() else "float32"


def use_xla():
    """Whether to compile with XLA: always on JAX; on TensorFlow only on a GPU, for on a CPU XLA's
    convolutions are several times slower than oneDNN's."""
    return keras.backend.backend() == "jax" or has_gpu()


def _cpu_has_bfloat16():
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags
