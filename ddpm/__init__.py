"""Denoising diffusion, from the noise schedule to the picture. Knows arrays, nothing of faces.

The front door is `Pipeline` and `Request` (`pipeline.py`). The few ideas, a folder or a file each:

    core/           the diffusion process: schedule, prediction, samplers, denoiser and its wrappers
    nets/           the networks: functions (x_t, t, condition) -> prediction
    conditions/     what a network can be conditioned on, a file and a record of functions each
    codec.py        pixels to what is diffused, and back
    presets.py      named settings: Preset(network, objective, data, run)
    bundle.py       weights files
    adapters.py     adapter files, merged and taken apart; tokens.py: files of learned words
    tensors.py      safetensors with a header of ours
    hyper.py        a hypernetwork's file, and a person from one picture
    average.py      an average of any length from a training's snapshots
    pipeline.py     a request to pictures: what every caller shares
    cli.py          a command line to a request
    training/       objective, batches, optimizer, checkpoints, tasks
"""
