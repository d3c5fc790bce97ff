"""Small learned files: safetensors whose header says which kind it is and what its keys mean."""

import json
from pathlib import Path

from common.files import write_bytes

ENDING = ".safetensors"
MAX_BYTES = 500_000_000  # of a file that is read
_HEADER = "portraits_from_scratch"
_FORMAT = 1
OTHER = (
    "{} does not hold the matrices that it names; it was written by another version or by other "
    "means. Train it again."
)


def write_tensors(arrays, header, path):
    """Write arrays and a header, whole or not at all.

    Args:
        arrays: {key: array}.
        header: what JSON can hold, with its "kind".
        path: ends in ".safetensors".

    Raises:
        ValueError: for another ending.
        OSError: if the disk is full; an earlier file stays.
    """
    from safetensors.numpy import save

    if Path(path).suffix.lower() != ENDING:
        raise ValueError(f"{path} should be a file that ends in {ENDING}.")
    write_bytes(save(arrays, {_HEADER: json.dumps({"format": _FORMAT, **header})}), path)


def read_tensors(path):
    """Read arrays and their header.

    Args:
        path: a file written by `write_tensors`.

    Returns:
        (header, arrays): dicts. What else than the version the header says is not checked.

    Raises:
        ValueError: one sentence, if there is no such file, or it is damaged or another's.
    """
    from safetensors import safe_open

    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}.")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} is too large for an adapter.")
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get(_HEADER, "null"))
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except Exception as error:  # damaged bytes surface as almost any type
        raise ValueError(
            f"{path} is not a readable adapter (damaged or not safetensors)."
        ) from error
    if not isinstance(header, dict):
        raise ValueError(
            f"{path} is not an adapter of this project: it does not say which kernels it means."
        )
    if header.get("format") != _FORMAT:
        raise ValueError(OTHER.format(path))
    return header, arrays
