"""Presets of the tests: `micro` and `micro_conditional`, `tiny` and `tiny_conditional` with one
level of blocks, which compile in half the time.

    python tests/micro.py SCRIPT WORDS...    runs a script of the repository with them
"""

import runpy
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ddpm.presets import PRESETS  # noqa: E402  (the path comes first)

ONE_LEVEL = {"widths": (32,), "blocks": (1,), "attention": (), "middle_attention": False}


def add_presets():
    """Put the presets behind those that the project comes with."""
    for name, layers in (("tiny", (0,)), ("tiny_conditional", (1,))):
        small = PRESETS[name].with_(network={**ONE_LEVEL, "cross_attention_layers": layers})
        micro = name.replace("tiny", "micro")
        PRESETS[micro] = replace(small, name=micro)


add_presets()

if __name__ == "__main__":
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
