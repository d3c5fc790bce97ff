"""Denoising diffusion, from the noise schedule to the picture. Knows arrays, nothing of faces.

The few ideas, each in a file of its own:

    schedule.py     x_t = alpha_t x0 + sigma_t eps: the values of alpha and sigma
    prediction.py   what a network may predict (eps, x0, v) and how its error is weighed
    unet.py         the network: (x_t, t, condition) -> prediction
    diffusion.py    couples schedule and network for `fit`
    condition.py    what a network may be told besides the time
    text.py         words to tokens to vectors
    framing.py      windows of pictures, and the numbers that say how they were cut
    hints.py        control pictures from files
    control.py      the branch that reads them
    denoiser.py     a trained network as a function (x_t, t, condition) -> x0_hat
    guidance.py     wrappers round a denoiser: guidance, windows of control
    inpaint.py      painting into a picture: masks, where to begin, RePaint
    samplers.py     from noise to pictures, given a denoiser and a schedule
    layers.py       the blocks of the network
    pictures.py     from a denoiser to uint8 pictures, grids, PNG and GIF files
    training.py     batches, averaged weights, callbacks
    trainer.py      one run from its first step to its last
    checkpoint.py   everything needed to go on as if never stopped
    run.py          the run folder and its weights file
    presets.py      named settings
    metrics.py      how far two sets of pictures are apart
    commands.py     what train.py and sample.py share
    runtime.py      what this machine can do
"""
