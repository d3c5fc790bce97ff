"""The diffusion process as functions of arrays; no network, no files.

schedule.py     x_t = alpha_t x0 + sigma_t eps: the values of alpha and sigma
prediction.py   what a network may predict (eps, x0, v) and how its error is weighted
denoiser.py     a trained network as a function (x_t, t, condition) -> x0_hat
wrappers.py     guidance, control windows, clipping, inpainting: wrappers round a denoiser
samplers.py     from noise to pictures, given a denoiser and a schedule
averages.py     averages of weights by a power of the time, and any of them from a few
metrics.py      distances between two sets of pictures
"""
