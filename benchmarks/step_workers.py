"""The two sides of `benchmarks.step`: one training step and one sampling step, ours and diffusers'.

    python -m benchmarks.step_workers SIDE MODE SETTINGS_JSON

A worker builds one network in one mode, prints a line of facts as JSON, then answers each line of
its input ("train" or "sample") by running that step once and printing its seconds, by the clock and
by the processors. Both sides get the same numbers: pictures, timesteps, a target; mean squared
error; AdamW with averaged weights.
"""

import contextlib
import json
import os
import sys
import time
from dataclasses import fields

import numpy as np

LEARNING_RATE, EMA_DECAY = 1e-4, 0.999

# What each side may try; the fastest of its own is what is compared.
MODES = {
    "ours": {
        "mixed": {"policy": "mixed_bfloat16"},
        # Each core takes its own half of the batch, and never waits for the other.
        "mixed halves": {"policy": "mixed_bfloat16", "micro_batches": 2},
        "bfloat16": {"policy": "bfloat16"},  # for sampling only: too coarse to train in
        "float32": {"policy": "float32"},
    },
    "diffusers": {
        "autocast": {},
        "autocast contiguous": {"channels_last": False},
        "autocast compiled": {"compiled": True},
        "autocast contiguous compiled": {"compiled": True, "channels_last": False},
        "bfloat16": {"pure": True},
        "bfloat16 compiled": {"pure": True, "compiled": True},
    },
}


def example(settings):
    """x_t, t and the target, the same for both sides."""
    rng = np.random.default_rng(0)
    batch, size = settings["batch"], settings["image_size"]
    channels = settings.get("channels", 3)
    x_t, target = rng.normal(size=(2, batch, size, size, channels)).astype("float32")
    return x_t, np.linspace(0, 999, batch).astype("int32"), target


def ours(settings, policy, micro_batches=1):
    """Our steps in graph mode; XLA is several times slower on processors (see README.md here)."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if micro_batches > 1:
        os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
        os.environ["TF_NUM_INTEROP_THREADS"] = str(micro_batches)
    import keras
    import tensorflow as tf

    from benchmarks.flops import operations, peak
    from ddpm.core.denoiser import in_micro_batches
    from ddpm.nets.config import MPUNetConfig, UNetConfig
    from ddpm.nets.mp_unet import MPUNet
    from ddpm.nets.unet import UNet
    from ddpm.training.optimizer import AveragedAdam

    config, cls = UNetConfig, UNet
    if settings.get("kind") == "mp_unet":
        config, cls = MPUNetConfig, MPUNet
    given = {k: v for k, v in settings.items() if k in {f.name for f in fields(config)}}
    network = cls(config(**given), dtype=policy)
    optimizer = AveragedAdam(LEARNING_RATE, ema_decay=EMA_DECAY, weight_decay=0.01)
    optimizer.build(network.trainable_variables)
    x_t, t, target = map(tf.constant, example(settings))

    def predict(training):
        return in_micro_batches(network, micro_batches, x_t, t, training=training)

    @tf.function(jit_compile=False)
    def train():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((predict(training=True) - target) ** 2)
        optimizer.apply(tape.gradient(loss, network.trainable_variables))
        return loss

    @tf.function(jit_compile=False)
    def sample():
        return predict(training=False)

    facts = {"parameters": network.count_params(), "keras": keras.__version__}
    facts["tensorflow"] = tf.__version__
    steps = {"train": train, "sample": sample}
    facts["operations"] = {
        name: operations(step.get_concrete_function().graph) for name, step in steps.items()
    }
    facts["peak"] = peak(keras.DTypePolicy(policy).compute_dtype, micro_batches)
    return facts, {name: lambda step=step: step().numpy() for name, step in steps.items()}


def diffusers(settings, pure=False, compiled=False, channels_last=True):
    """The same steps of diffusers' UNet2DModel, with PyTorch's fused AdamW and foreach average."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from diffusers import UNet2DModel, __version__

    settings = {**settings, **settings.get("theirs", {})}
    grids = [settings["image_size"] // 2**i for i in range(len(settings["widths"]))]
    kinds = ["Attn" if grid in settings["attention"] else "" for grid in grids]
    model = UNet2DModel(
        sample_size=settings["image_size"],
        in_channels=settings.get("channels", 3),
        out_channels=settings.get("channels", 3),
        layers_per_block=settings["blocks"],
        block_out_channels=settings["widths"],
        down_block_types=[f"{kind}DownBlock2D" for kind in kinds],
        up_block_types=[f"{kind}UpBlock2D" for kind in reversed(kinds)],
        norm_num_groups=settings["groups"],
        attention_head_dim=settings["head_width"],
    )
    layout = torch.channels_last if channels_last else torch.contiguous_format
    dtype = torch.bfloat16 if pure else torch.float32
    model = model.to(dtype).to(memory_format=layout)
    x_t, t, target = map(torch.from_numpy, example(settings))
    x_t, target = (
        v.permute(0, 3, 1, 2).to(dtype).contiguous(memory_format=layout) for v in (x_t, target)
    )
    parameters = list(model.parameters())
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(parameters, LEARNING_RATE, fused=True)
    network = torch.compile(model) if compiled else model

    def cast():
        return contextlib.nullcontext() if pure else torch.autocast("cpu", torch.bfloat16)

    def train():
        model.train()
        with cast():
            prediction = network(x_t, t, return_dict=False)[0]
        loss = ((prediction.float() - target.float()) ** 2).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, parameters, 1 - EMA_DECAY)
        return loss.item()

    def sample():
        model.eval()
        with torch.inference_mode(), cast():
            return network(x_t, t, return_dict=False)[0].float().numpy()

    facts = {"parameters": sum(p.numel() for p in parameters), "torch": torch.__version__}
    facts["diffusers"] = __version__
    return facts, {"train": train, "sample": sample}


def main():
    side, mode, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    # Libraries print too: keep the real output for the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    facts, steps = {"ours": ours, "diffusers": diffusers}[side](settings, **MODES[side][mode])
    print(json.dumps(facts), file=answers, flush=True)
    for line in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        steps[line.strip()]()
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        print(json.dumps([wall, processor]), file=answers, flush=True)


if __name__ == "__main__":
    main()
