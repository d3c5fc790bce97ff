"""From noise to pictures: one function a sampler, all with the same opening.

    x = sample_NAME(denoise, schedule, timesteps, x, noise, ...)

    denoise    (x_t, t) -> x0_hat: float32 (B, H, W, C) and int32 (B,) -> float32 (B, H, W, C)
    schedule   a `Schedule`
    timesteps  int (n,), strictly falling: the levels to visit, from `schedule.SPACINGS`
    x          float32 (B, H, W, C): the start, at level timesteps[0]; standard normal for pure
               noise
    noise      () -> float32 (B, H, W, C): fresh standard normal noise; never called where a
               sampler is deterministic
    observe    optional (i, x0_hat) -> None, called after step i's first network evaluation

Each returns float32 (B, H, W, C): the clean pictures. After the last of `timesteps` comes the clean
level alpha = 1, sigma = 0, so n levels are n steps. The functions use operators alone and keep no
state: NumPy arrays and the tensors of any backend both work.
"""

import math

import numpy as np

from ddpm.core.prediction import to_eps

MAX_HEUN_RATIO = 20.0  # of two noise levels between which Heun's correction is made
JUMP_LENGTH, RESAMPLINGS = 10, 10  # of RePaint


class PictureNoise:
    """Standard normal noise, one stream a picture: picture i is the same in every batch.

    Args:
        seed: int, at least 0.
        pictures: iterable of int: which pictures the batch holds.
        shape: (H, W, C) of one picture.

    Calling it returns float32 (B, H, W, C), the next draw of each stream.
    """

    def __init__(self, seed, pictures, shape):
        self._shape = shape
        self._streams = [np.random.default_rng((seed, i)) for i in pictures]

    def __call__(self):
        draws = [stream.standard_normal(self._shape, np.float32) for stream in self._streams]
        return np.stack(draws)


def sample_ddpm(denoise, schedule, timesteps, x, noise, observe=None):
    """Ancestral sampling: draw from the posterior q(x_s | x_t, x0_hat), level by level.

    With fewer levels than T, the skipped ones are taken as one larger step.

    Reference:
        Ho et al. 2020 (arXiv:2006.11239), algorithm 2 and equations 6 and 7.
    """
    alpha, sigma = _levels(schedule, timesteps)
    for i, t in enumerate(timesteps):
        x0_hat = denoise(x, _batch(t, x))
        _tell(observe, i, x0_hat)
        ratio = alpha[i] / alpha[i + 1]
        beta = 1 - ratio**2  # the variance that the step from s to t adds
        mean_x0 = alpha[i + 1] * beta / sigma[i] ** 2
        mean_xt = ratio * sigma[i + 1] ** 2 / sigma[i] ** 2
        x = mean_x0 * x0_hat + mean_xt * x
        if sigma[i + 1]:
            x = x + math.sqrt(beta) * sigma[i + 1] / sigma[i] * noise()
    return x


def sample_ddim(denoise, schedule, timesteps, x, noise, observe=None, eta=0.0):
    """DDIM: go to the next level along the predicted noise, with a share of fresh noise.

    Args:
        eta: 0 is deterministic; 1 has the posterior of `sample_ddpm`.

    Reference:
        Song et al. 2021 (arXiv:2010.02502), equations 12 and 16. Their alpha is our alpha_bar.
    """
    alpha, sigma = _levels(schedule, timesteps)
    for i, t in enumerate(timesteps):
        x0_hat = denoise(x, _batch(t, x))
        _tell(observe, i, x0_hat)
        eps_hat = to_eps(x, x0_hat, alpha[i], sigma[i])
        beta = 1 - (alpha[i] / alpha[i + 1]) ** 2
        fresh = eta * sigma[i + 1] / sigma[i] * math.sqrt(beta)
        x = alpha[i + 1] * x0_hat + math.sqrt(max(sigma[i + 1] ** 2 - fresh**2, 0.0)) * eps_hat
        if fresh:
            x = x + fresh * noise()
    return x


def sample_euler(
    denoise,
    schedule,
    timesteps,
    x,
    noise,
    observe=None,
    s_churn=0.0,
    s_min=0.0,
    s_max=math.inf,
    s_noise=1.0,
):
    """Euler steps of the probability-flow ODE in EDM's variables, x / alpha against sigma_ve.

    Without churn this is DDIM at eta 0 in other words.

    Args:
        s_churn, s_min, s_max, s_noise: as `sample_heun`.

    Reference:
        Karras et al. 2022 (arXiv:2206.00364), algorithm 2 without its correction, lines 9 to 11.
    """
    levels = _levels_ve(schedule, timesteps)
    x = x / schedule.alpha[timesteps[0]].item()
    for i in range(len(timesteps)):
        t_hat, x = _churn(schedule, timesteps, i, x, noise, s_churn, s_min, s_max, s_noise)
        sigma_hat = schedule.sigma_ve[t_hat].item()
        x0_hat = _denoise_ve(denoise, schedule, x, t_hat)
        _tell(observe, i, x0_hat)
        d = (x - x0_hat) / sigma_hat
        x = x + (levels[i + 1] - sigma_hat) * d
    return x


def sample_heun(
    denoise,
    schedule,
    timesteps,
    x,
    noise,
    observe=None,
    s_churn=0.0,
    s_min=0.0,
    s_max=math.inf,
    s_noise=1.0,
):
    """Heun's second-order steps of the same ODE: at most 2 n - 1 network evaluations for n levels.

    A step across more than a factor of `MAX_HEUN_RATIO` in sigma_ve stays Euler's: the slope at its
    far end, (x - x0) / sigma with a small sigma, says nothing about its beginning, and times a step
    of that length it throws the picture away. A cosine schedule's first step is of that kind.

    Args:
        s_churn: how much noise to add back before each step; 0 is deterministic.
        s_min, s_max: the range of sigma_ve in which it is added.
        s_noise: its deviation.

    Reference:
        Karras et al. 2022 (arXiv:2206.00364), algorithm 2. Levels exist at integer timesteps alone,
        so the churned level is the schedule's nearest one.
    """
    levels = _levels_ve(schedule, timesteps)
    x = x / schedule.alpha[timesteps[0]].item()
    for i in range(len(timesteps)):
        t_hat, x = _churn(schedule, timesteps, i, x, noise, s_churn, s_min, s_max, s_noise)
        sigma_hat = schedule.sigma_ve[t_hat].item()
        x0_hat = _denoise_ve(denoise, schedule, x, t_hat)
        _tell(observe, i, x0_hat)
        d = (x - x0_hat) / sigma_hat
        x_next = x + (levels[i + 1] - sigma_hat) * d
        if sigma_hat <= MAX_HEUN_RATIO * levels[i + 1]:  # never for the clean level, 0
            x0_next = _denoise_ve(denoise, schedule, x_next, timesteps[i + 1])
            d_next = (x_next - x0_next) / levels[i + 1]
            x_next = x + (levels[i + 1] - sigma_hat) * (d + d_next) / 2
        x = x_next
    return x


def sample_dpmpp_2m(denoise, schedule, timesteps, x, noise, observe=None):
    """DPM-Solver++(2M): a second-order multistep solver, one network evaluation a level.

    Reference:
        Lu et al. 2022 (arXiv:2211.01095), algorithm 2. The first and the last step are of first
        order.
    """
    alpha, sigma = _levels(schedule, timesteps)
    lambda_ = [math.log(a / s) if s else math.inf for a, s in zip(alpha, sigma, strict=True)]
    previous = h_previous = None
    for i, t in enumerate(timesteps):
        x0_hat = denoise(x, _batch(t, x))
        _tell(observe, i, x0_hat)
        h = lambda_[i + 1] - lambda_[i]
        D = x0_hat
        if previous is not None and sigma[i + 1]:
            r0 = h_previous / h
            D = (1 + 1 / (2 * r0)) * x0_hat - 1 / (2 * r0) * previous
        x = sigma[i + 1] / sigma[i] * x - alpha[i + 1] * math.expm1(-h) * D
        previous, h_previous = x0_hat, h
    return x


def sample_repaint(
    denoise,
    schedule,
    timesteps,
    x,
    noise,
    observe=None,
    x0_known=None,
    mask=None,
    jump_length=JUMP_LENGTH,
    resamplings=RESAMPLINGS,
):
    """RePaint: ancestral steps that insert the known region at each level, and go back up
    `jump_length` levels `resamplings` - 1 times before they go on.

    Args:
        denoise, schedule, timesteps, x, noise, observe: as all samplers.
        x0_known: float32 (B or 1, H, W, C).
        mask: float32 (B or 1, H, W, 1) in [0, 1], 1 where something is to be painted.
        jump_length: levels of a jump.
        resamplings: how often each stretch of that length is sampled.

    Returns:
        float32 (B, H, W, C).

    Reference:
        Lugmayr et al. 2022 (arXiv:2201.09865), algorithm 1 and appendix (jumps). Their mask is 1
        where the picture is known.
    """
    alpha, sigma = _levels(schedule, timesteps)
    hole = mask > 0  # a mixture of two noises would have less noise than either
    observed = set()
    for i, j in repaint_path(len(timesteps), jump_length, resamplings):
        if j < i:  # back up, by the forward process
            ratio = alpha[j] / alpha[i]
            x = ratio * x + math.sqrt(1 - ratio**2) * noise()
            continue
        x0_hat = denoise(x, _batch(timesteps[i], x))
        if observe is not None and i not in observed:
            observe(i, x0_hat)
        observed.add(i)
        ratio = alpha[i] / alpha[j]
        beta = 1 - ratio**2
        mean_x0 = alpha[j] * beta / sigma[i] ** 2
        mean_xt = ratio * sigma[j] ** 2 / sigma[i] ** 2
        painted, known = mean_x0 * x0_hat + mean_xt * x, x0_known
        if sigma[j]:
            painted = painted + math.sqrt(beta) * sigma[j] / sigma[i] * noise()
            known = alpha[j] * x0_known + sigma[j] * noise()
        x = np.where(hole, painted, known)
    return mask * x + (1 - mask) * x0_known


def repaint_path(n, jump_length=JUMP_LENGTH, resamplings=RESAMPLINGS):
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


SAMPLERS = {
    "ddpm": sample_ddpm,
    "ddim": sample_ddim,
    "euler": sample_euler,
    "heun": sample_heun,
    "dpmpp_2m": sample_dpmpp_2m,
}


def sdedit_start(schedule, timesteps, x0, eps, strength=1.0):
    """Where image-to-image begins: a picture at a noise level, and the levels that are left.

    Args:
        schedule: a `Schedule`.
        timesteps: int (n,), strictly falling.
        x0: float32 (B, H, W, C), the picture.
        eps: float32 (B, H, W, C), standard normal.
        strength: in (0, 1]: the share of the timesteps 0..T-1 that are gone through; 1 begins with
            noise alone, and nothing of the picture is left.

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
    return left, np.float32(alpha) * x0 + np.float32(sigma) * eps


def _levels(schedule, timesteps):
    """alpha and sigma at each level and at the clean one behind the last, as lists of float."""
    return [*schedule.alpha[timesteps].tolist(), 1.0], [*schedule.sigma[timesteps].tolist(), 0.0]


def _levels_ve(schedule, timesteps):
    return [*schedule.sigma_ve[timesteps].tolist(), 0.0]


def _batch(t, x):
    return np.full(len(x), t, np.int32)


def _denoise_ve(denoise, schedule, x, t):
    return denoise(x * schedule.alpha[t].item(), _batch(t, x))


def _churn(schedule, timesteps, i, x, noise, s_churn, s_min, s_max, s_noise):
    """Add noise to x / alpha: from level i to the level (1 + gamma) times as noisy."""
    t = timesteps[i]
    sigma = schedule.sigma_ve[t].item()
    if not s_churn or not s_min <= sigma <= s_max:
        return t, x
    gamma = min(s_churn / len(timesteps), math.sqrt(2) - 1)
    t_hat = max(t, schedule.nearest_t(sigma * (1 + gamma)).item())
    added = math.sqrt(schedule.sigma_ve[t_hat].item() ** 2 - sigma**2)
    return t_hat, x + added * s_noise * noise()


def _tell(observe, i, x0_hat):
    if observe is not None:
        observe(i, x0_hat)
