"""The diffusion model as one call: a picture, a mask and control pictures in, a picture out."""

import numpy as np

from ddpm.condition import untold
from ddpm.guidance import conditioned, guided
from ddpm.hints import KINDS
from ddpm.inpaint import begin, composite, projected, sample_repaint, seen
from ddpm.pictures import draw, to_float, to_uint8
from ddpm.run import default_control, default_weights, load_control, load_weights
from ddpm.runtime import PRECISIONS, choose_precision, use_xla
from ddpm.samplers import SAMPLERS, PictureNoise
from ddpm.schedule import SPACINGS


class Painter:
    """A trained model with its control branch.

    Args:
        weights, control_weights: files or run folders; None are the shipped ones.
        shipped: folder of shipped weights.

    Raises:
        ValueError: if they cannot be read or do not belong together.
    """

    def __init__(self, weights=None, control_weights=None, shipped="weights"):
        precision = PRECISIONS[choose_precision("auto")]
        base = load_weights(weights or default_weights(shipped, words=True), precision)
        trained = load_control(control_weights or default_control(base, shipped), base)
        self.name, self.digest, self.control_digest = base.path.name, base.digest, trained.digest
        self.preset = base.preset
        self.size = base.preset.image_size
        self.schedule, self.tokenizer = base.preset.make_schedule(), base.preset.make_tokenizer()
        self._denoise = trained.denoiser(clip=False, xla=use_xla())

    def check(self, prompt, negative=""):
        """Refuse words that the model does not know, before any stage runs.

        Raises:
            ValueError: one sentence.
        """
        if self.tokenizer is None and (prompt or negative):
            raise ValueError(f"{self.name} was trained without words; leave --prompt away.")
        for words in (prompt, negative):
            if words:
                self.tokenizer.encode(words)

    def paint(
        self,
        picture,
        mask,
        hints,
        strength,
        steps,
        guidance=1.0,
        prompt="",
        negative="",
        seed=0,
        observe=None,
    ):
        """Paint inside a mask.

        Args:
            picture: uint8 (S, S, 3), S the model's size.
            mask: float32 (S, S) in [0, 1].
            hints: {kind: (uint8 (S, S, 3), strength)}.
            strength: how far back to noise.
            steps: levels of the whole way; the share `strength` of them is visited.
            guidance, prompt, negative: as `sample.py`.
            seed: int.
            observe: optional (step, steps) -> None.

        Returns:
            uint8 (S, S, 3), blended by the mask; `picture` bit for bit where it is 0.
        """
        size, mask = self.size, mask[None, ..., None].astype(np.float32)
        known = to_float(picture[None])
        condition = untold(self.preset, 1)
        if self.preset.inpainting:
            condition |= seen(known, mask)
        arrays = np.zeros((1, size, size, 3 * len(KINDS)), np.float32)
        strengths = np.zeros((1, len(KINDS)), np.float32)
        for kind, (hint, share) in hints.items():
            k = KINDS.index(kind)
            arrays[0, ..., 3 * k : 3 * k + 3], strengths[0, k] = to_float(hint), share
        condition |= {"hints": arrays, "strengths": strengths}

        def wrap(denoise, pictures):
            if prompt or negative:
                said, unsaid = (self.tokenizer.encode(w)[None] for w in (prompt, negative))
                positive, other = {**condition, "tokens": said}, {**condition, "tokens": unsaid}
                told = guided(denoise, positive, other, guidance, T=self.schedule.T)
            else:
                told = _clipped(conditioned(denoise, condition))
            return projected(told, known, mask)

        def start(timesteps, eps):
            levels, x = begin(self.schedule, timesteps, known, eps, strength)
            self._levels = len(levels)
            return levels, x

        def tell(pictures, i, x0_hat):
            observe(i + 1, self._levels)

        painted = draw(
            self._denoise,
            self.schedule,
            1,
            picture.shape,
            "dpmpp_2m",
            steps=steps,
            seed=seed,
            batch_size=1,
            observe=tell if observe else None,
            wrap=wrap,
            start=start,
        )
        return composite(picture, painted[0], mask[0])

    def fill(self, pictures, masks, method, steps, seed=0, **options):
        """Fill holes in many pictures, told nothing else: to compare methods.

        Args:
            pictures: uint8 (N, S, S, 3).
            masks: float32 (N, S, S), 1 in the hole.
            method: a word of `inpaint.METHODS`.
            steps: levels to visit.
            seed: int.
            options: RePaint's `jump_length` and `resamplings`.

        Returns:
            (uint8 (N, S, S, 3), number of times that the network looked at each picture).
        """
        size, n, looks = self.size, len(pictures), []
        known, masks = to_float(pictures), masks[..., None].astype(np.float32)
        condition = untold(self.preset, n)
        if method == "network":
            condition |= seen(known, masks)
        noise = PictureNoise(seed, range(n), (size, size, 3))
        told = _clipped(conditioned(self._denoise, condition))

        def counted(x_t, t):
            looks.append(t)
            return told(x_t, t)

        timesteps = SPACINGS["uniform"](self.schedule, steps)
        where = {"picture": known, "mask": masks}
        if method == "repaint":
            x = sample_repaint(
                counted, self.schedule, timesteps, noise(), noise, **where, **options
            )
        else:
            denoise = projected(counted, **where)
            x = SAMPLERS["dpmpp_2m"](denoise, self.schedule, timesteps, noise(), noise)
        return composite(pictures, to_uint8(x), masks), len(looks)


def _clipped(denoise):
    return lambda x_t, t: np.clip(denoise(x_t, t), -1, 1)
