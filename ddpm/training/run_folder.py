"""A run folder: `config.json`, weights file, `checkpoint/`, `log.csv`, `events/`, `samples/`."""

import json
from pathlib import Path

from common.files import write_text

CONFIG = "config.json"
FORMAT = 2
_KEYS = {"format", "task", "preset", "precision", "backend", "deterministic", "options", "data"}


def write_config(folder, config):
    """Write `config.json`, whole or not at all.

    Args:
        folder: the run folder; made if missing.
        config: what JSON can hold, but for its format.
    """
    text = json.dumps({"format": FORMAT, **config}, indent=2)
    write_text(text + "\n", Path(folder) / CONFIG)


def read_config(folder):
    """Read `config.json`.

    Returns:
        The dict, or None where there is no such file.

    Raises:
        ValueError: if it is damaged, or another version's.
    """
    path = Path(folder) / CONFIG
    if not path.exists():
        return None
    try:
        config = json.loads(path.read_text())
        if not isinstance(config, dict):
            raise ValueError("no JSON object")
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}); restore it or start another run."
        ) from error
    if config.get("format") != FORMAT:
        raise ValueError(f"{path} was written by another version; start another run with --out.")
    if not set(config) >= _KEYS:
        raise ValueError(f"{path} is damaged; restore it or start another run with --out.")
    return config
