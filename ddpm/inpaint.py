"""Painting into a picture that is there: inside a mask, from a noise level on, or both.

    timesteps, x = begin(schedule, timesteps, picture, eps, strength=0.6)      # image-to-image
    x0 = sample_heun(projected(denoise, picture, mask), schedule, timesteps, x, noise)
    result = composite(picture_uint8, to_uint8(x0), mask)

Three ways to keep what is known, by what they ask of the network:

    project    nothing: the known region of each x0_hat is the picture's
    repaint    nothing, but about ten times the steps: the same, and going back and forth until
               what is painted agrees with what is known (`sample_repaint`)
    network    that it was trained to see mask and masked picture (`train.py inpaint`)

A mask is float32 in [0, 1]: 1 is painted, 0 is known, between is mixed: painted like the rest, and
blended with the picture once, in x0.
"""

import math

import numpy as np

METHODS = ("project", "repaint", "network")
JUMP_LENGTH, RESAMPLINGS = 10, 10


def projected(denoise, picture, mask):
    """Keep a denoiser to what is known: outside the mask x0_hat is the picture.

    Samplers compute their noise from x_t and x0_hat, so the known region follows the path from its
    own noise to the picture in every one of them.

    Args:
        denoise: (x_t, t) -> x0_hat.
        picture: float32 (B or 1, H, W, C) in [-1, 1].
        mask: float32 (B or 1, H, W, 1), 1 where is to be painted.

    Returns:
        (x_t, t) -> x0_hat.

    Reference:
        Song et al. 2021 (arXiv:2011.13456), appendix I.2, which replaces x_t; here x0_hat is.
    """
    return lambda x_t, t: mask * denoise(x_t, t) + (1 - mask) * picture


def seen(picture, mask):
    """What a network that inpaints is told (`UNet.enter`): the picture, and no shade of grey in the
    mask, as it has met none in training.

    Args:
        picture: float32 (B, H, W, C) in [-1, 1].
        mask: float32 (B, H, W, 1) in [0, 1].

    Returns:
        dict of "mask" and "known".
    """
    return {"mask": np.float32(mask > 0), "known": picture}


def begin(schedule, timesteps, picture, eps, strength=1.0):
    """Where image-to-image begins: the picture at a noise level, and the levels that are left.

    Args:
        schedule: a `Schedule`.
        timesteps: int (n,), strictly falling.
        picture: float32 (B, H, W, C) in [-1, 1].
        eps: float32 (B, H, W, C), standard normal.
        strength: in (0, 1]: the share of the timesteps 0..T-1 that are gone through; 1 begins with
            noise alone, and the picture is not seen.

    Returns:
        (timesteps, x): the level at strength T and those of the timesteps below it, and x_t at the
        first: however few the timesteps, the strength is kept to.

    Reference:
        Meng et al. 2022, SDEdit (arXiv:2108.01073), algorithm 1.
    """
    if strength == 1:
        return timesteps, eps
    first = round(strength * (schedule.T - 1))
    left = np.append(first, timesteps[timesteps < first]).astype(timesteps.dtype)
    alpha, sigma = schedule.alpha[first].item(), schedule.sigma[first].item()
    return left, np.float32(alpha) * picture + np.float32(sigma) * eps


def sample_repaint(
    denoise,
    schedule,
    timesteps,
    x,
    noise,
    observe=None,
    picture=None,
    mask=None,
    jump_length=JUMP_LENGTH,
    resamplings=RESAMPLINGS,
):
    """RePaint: ancestral steps that put the known region in at each level, and go back up
    `jump_length` levels `resamplings` - 1 times before they go on.

    Args:
        denoise, schedule, timesteps, x, noise, observe: as all samplers (`samplers.py`).
        picture: float32 (B or 1, H, W, C) in [-1, 1].
        mask: float32 (B or 1, H, W, 1), 1 where is to be painted.
        jump_length: levels of a jump.
        resamplings: how often each stretch of that length is walked.

    Returns:
        float32 (B, H, W, C).

    Reference:
        Lugmayr et al. 2022 (arXiv:2201.09865), algorithm 1 and appendix (jumps). Their mask is 1
        where the picture is known.
    """
    alpha = [*schedule.alpha[timesteps].tolist(), 1.0]
    sigma = [*schedule.sigma[timesteps].tolist(), 0.0]
    hole = mask > 0  # a mixture of two noises would have less noise than either
    first_look = set()
    for i, j in repaint_walk(len(timesteps), jump_length, resamplings):
        if j < i:  # back up, by the forward process
            ratio = alpha[j] / alpha[i]
            x = ratio * x + math.sqrt(1 - ratio**2) * noise()
            continue
        x0_hat = denoise(x, np.full(len(x), timesteps[i], np.int32))
        if observe is not None and i not in first_look:
            observe(i, x0_hat)
        first_look.add(i)
        ratio = alpha[i] / alpha[j]
        beta = 1 - ratio**2
        mean_x0 = alpha[j] * beta / sigma[i] ** 2
        mean_xt = ratio * sigma[j] ** 2 / sigma[i] ** 2
        painted, known = mean_x0 * x0_hat + mean_xt * x, picture
        if sigma[j]:
            painted = painted + math.sqrt(beta) * sigma[j] / sigma[i] * noise()
            known = alpha[j] * picture + sigma[j] * noise()
        x = np.where(hole, painted, known)
    return mask * x + (1 - mask) * picture


def repaint_walk(n, jump_length=JUMP_LENGTH, resamplings=RESAMPLINGS):
    """The steps of `sample_repaint` as pairs (from, to) of levels 0..n, n being the clean one.

    A stretch of `jump_length` levels is walked down, back up and down again until it was walked
    `resamplings` times.

    Args:
        n: levels that are visited, without the clean one.
        jump_length, resamplings: see `sample_repaint`.

    Yields:
        (i, i + 1) for a step towards the picture, (i, i - 1) for one back to noise.
    """
    for first in range(0, n, jump_length):
        last = min(first + jump_length, n)
        # The clean level cannot be left: a last stretch goes back from the one before it.
        turn = last if last < n else n - 1
        for again in range(resamplings):
            yield from ((i, i + 1) for i in range(first, turn))
            if again < resamplings - 1:
                yield from ((i, i - 1) for i in range(turn, first, -1))
        if turn < last:
            yield turn, last


def composite(picture, painted, mask):
    """What was painted, but where the mask is 0 the picture, bit for bit. Nothing is blended here:
    all methods have blended x0 by the mask.

    Args:
        picture, painted: uint8 (..., H, W, 3).
        mask: float32 (..., H, W, 1) in [0, 1].

    Returns:
        uint8 (..., H, W, 3).
    """
    return np.where(mask > 0, painted, picture)


def random_mask(size, rng):
    """A mask to train on: strokes, a box or a half.

    Args:
        size: H = W.
        rng: numpy Generator.

    Returns:
        float32 (size, size, 1), 0 or 1.
    """
    mask = np.zeros((size, size), np.float32)
    kind = rng.integers(3)
    if kind == 0:
        _strokes(mask, rng)
    elif kind == 1:
        height, width = rng.integers(size // 6, size * 3 // 4, 2)
        top, left = rng.integers(0, size - height), rng.integers(0, size - width)
        mask[top : top + height, left : left + width] = 1
    else:
        cut = rng.integers(size // 4, size * 3 // 4)
        mask[: int(cut)] = 1
        mask = np.rot90(mask, rng.integers(4))
    return np.ascontiguousarray(mask)[..., None]


def _strokes(mask, rng):
    """One to four thick crooked lines."""
    import cv2

    size = len(mask)
    for _ in range(rng.integers(1, 5)):
        points = np.cumsum(
            np.concatenate([rng.uniform(0, size, (1, 2)), rng.normal(0, size / 4, (4, 2))]), axis=0
        )
        thick = int(rng.integers(max(2, size // 16), max(3, size // 4)))
        cv2.polylines(mask, [np.int32(np.clip(points, 0, size))], False, 1.0, thick)
