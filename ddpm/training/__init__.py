"""Training, from pictures to a weights file.

objectives.py   couples schedule and network for `fit`
autoencoding.py the objective of an autoencoder
batches.py      batches in a fixed order, with their conditions
crops.py        batches of crops, for an autoencoder
latents.py      a set's latents, computed once, and batches of them
reconstruction.py   how an autoencoder's latents are spread, and what comes back of pictures
optimizer.py    Adam with averaged weights, learning-rate schedule
callbacks.py    progress, log, saving, stopping
checkpoint.py   everything needed to go on as if never stopped
run_folder.py   config.json and the other files of a run
trainer.py      one run from its first step to its last
tasks.py        what can be trained, a function each: base, control, inpaint, vae, sharpen, lora,
                dreambooth, invert, hyper
parts.py        what a task trains, makes and writes
part_maps.py    part maps on the grid of a window's cells
triggers.py     captions with the word for a person or a style
sharpening.py   the objective of a decoder against a critic
snapshots.py    averages of two widths, kept for later
options.py      the words of `train.py`
"""
