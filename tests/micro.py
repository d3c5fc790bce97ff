"""Presets of the tests: `micro` and `micro_conditional`, `tiny` and `tiny_conditional` with one
level of blocks, which compile in half the time; `micro_vae`, a small autoencoder, and
`micro_latent`, a model of its latents.

    python tests/micro.py SCRIPT WORDS...    runs a script of the repository with them
"""

import runpy
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ddpm.presets import LATENTS, PRESETS, VAES  # noqa: E402  (the path comes first)

ONE_LEVEL = {"widths": (32,), "blocks": (1,), "attention": (), "middle_attention": False}


def add_presets():
    """Put the presets behind those that the project comes with."""
    for name, layers in (("tiny", (0,)), ("tiny_conditional", (1,))):
        small = PRESETS[name].with_(network={**ONE_LEVEL, "cross_attention_layers": layers})
        micro = name.replace("tiny", "micro")
        PRESETS[micro] = replace(small, name=micro)
    latent = PRESETS["micro_conditional"].with_(
        network={"image_size": 4, "channels": 4, "patch": 1}, data={"windows": 3}
    )
    PRESETS["micro_latent"] = replace(latent, name="micro_latent", codec=LATENTS)
    vae = VAES["vae4"].with_(
        network={
            "image_size": 32,
            "encoder_widths": (8, 16),
            "encoder_blocks": (1, 1),
            "decoder_widths": (16, 8, 8),
            "decoder_blocks": (1, 0, 0),
        },
        run={"warmup_steps": 10, "batch_size": 8},
    )
    VAES["micro_vae"] = replace(vae, name="micro_vae")


add_presets()

if __name__ == "__main__":
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
