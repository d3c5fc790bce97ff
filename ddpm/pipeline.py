"""The front door: ask a trained model for pictures.

    from ddpm.pipeline import Pipeline, Request

    pipeline = Pipeline.load()                                    # the shipped weights
    images = pipeline.draw(Request(n=4, prompts=("a smiling woman",), guidance=4.0))

`sample.py`, the portrait studio, training's sample grids and the benchmarks all draw through it. A
request becomes a condition (`ddpm.conditions`), wrappers round the denoiser (`core/wrappers.py`;
the stack is `Pipeline._denoiser`), a start and a sampler (`core/samplers.py`).
"""

from dataclasses import dataclass, field, replace

import numpy as np

from ddpm.adapters import load_addon, mean_face
from ddpm.bundle import (
    default_control,
    default_guide,
    default_weights,
    load_control,
    load_guide,
    load_model,
)
from ddpm.conditions import CONDITIONS
from ddpm.conditions.hints import control_windows, drop_inactive_hints
from ddpm.conditions.identity import check_face
from ddpm.conditions.inpaint import METHODS, blended, composite, mask_of_cells
from ddpm.conditions.size_crop import requested
from ddpm.conditions.text import prompts_of, tokenizer_of, word_of
from ddpm.core.samplers import SAMPLERS, PictureNoise, sample_repaint, sdedit_start
from ddpm.core.schedule import SPACINGS
from ddpm.core.wrappers import autoguided, clipped, conditioned, guided, projected, scheduled
from ddpm.tokens import with_words


@dataclass(frozen=True, eq=False)
class Request:
    """Everything that pictures can be asked for. What is left at its default is not asked for.

    Picture i depends on the seed and i alone, not on n or the batch size.

    Args:
        n: pictures of each prompt; copy i of every prompt begins from the same noise.
        prompts: what to draw, of a model with words: one row of pictures each; "" says nothing; ()
            does not ask: a picture of which nothing else is asked then gets a caption of the
            training set (`conditions.text.prompts_of`).
        negative: what to move away from.
        strict: refuse unknown words instead of replacing or leaving them out.
        guidance: scale of classifier-free guidance by the words; 1 is none.
        guidance_interval: (from, to), where it applies, in shares of the progress from noise, 0, to
            the picture, 1.
        guidance_rescale: 0 to 1, against burnt colours; see `wrappers.guided`.
        autoguidance: weight of guidance by a weaker version of the model; 1 is none.
        autoguidance_interval: (from, to), where that applies, as `guidance_interval`.
        original_size, crop, target_size: (height, width), (top, left), (height, width) in pixels,
            of a model with size and crop; None for whole, sharp pictures.
        face: float (D,) or (M, D), of a model with identities: who is to be seen, a unit vector of
            the encoder that it was trained with (`conditions.identity`); picture i shows row i mod
            M.
        controls: sequence of `hints.ControlImage`, at most one of a kind.
        image: uint8 (H, W, 3) of any size, whose middle square is used, or (M, H, W, 3): picture i
            begins with image i mod M.
        mask: float32 in [0, 1] or uint8, (H, W) or (M, H, W) as the image: 1 (255) where something
            is to be painted; what is 0 keeps every bit.
        strength: in [0, 1], how far back to noise the image is taken; None: 1 with a mask, else
            0.6.
        inpaint: a word of `inpaint.METHODS`, how the mask is kept to; None: "network" where the
            model was trained to, else "project".
        sampler: a word of `SAMPLERS`.
        spacing: a word of `SPACINGS`, which noise levels are visited.
        steps: number of levels.
        eta: share of fresh noise of "ddim".
        sampler_options: further options of the sampler, such as RePaint's `resamplings`.
        seed: of the noise, and of the choice of captions.
        batch_size: pictures computed at once.
        arrays: {name: array}: a condition's arrays given directly (`ddpm.conditions`), picture i
            gets row i mod the number of rows.
    """

    n: int = 1
    prompts: tuple = ()
    negative: str = ""
    strict: bool = False
    guidance: float = 3.0
    guidance_interval: tuple = (0.0, 1.0)
    guidance_rescale: float = 0.0
    autoguidance: float = 1.0
    autoguidance_interval: tuple = (0.0, 1.0)
    original_size: tuple | None = None
    crop: tuple | None = None
    target_size: tuple | None = None
    face: np.ndarray | None = None
    controls: tuple = ()
    image: np.ndarray | None = None
    mask: np.ndarray | None = None
    strength: float | None = None
    inpaint: str | None = None
    sampler: str = "dpmpp_2m"
    spacing: str = "karras"
    steps: int = 10
    eta: float = 0.0
    sampler_options: dict = field(default_factory=dict)
    seed: int = 0
    batch_size: int = 8
    arrays: dict = field(default_factory=dict)

    def __post_init__(self):
        _check_numbers(self)
        _check_pictures(self)

    @property
    def total(self):
        """Number of pictures."""
        return self.n * max(1, len(self.prompts))

    @property
    def has_words(self):
        """Whether prompts, the negative prompt or tokens given directly say anything."""
        return any(self.prompts) or bool(self.negative) or "tokens" in self.arrays

    @property
    def asks(self):
        """Whether anything is asked of what the pictures show, be it in words or by pictures."""
        asked = bool(self.prompts or self.negative or self.controls)
        return asked or self.image is not None or self.face is not None

    @property
    def has_size_crop(self):
        """Whether sizes or a crop are asked for."""
        return any(v is not None for v in (self.original_size, self.crop, self.target_size))

    def effective(self):
        """The request without what has no effect: controls of strength 0, an image of which the
        noise leaves nothing. So they change no bit, nor what the rest of the request means."""
        controls = tuple(control for control in self.controls if control.strength)
        default = 0.6 if self.mask is None else 1.0
        strength = default if self.strength is None else self.strength
        unseen = strength == 1 and self.mask is None
        image = None if unseen else self.image
        return replace(self, controls=controls, image=image, strength=strength)


def _check_numbers(request):
    """Refuse numbers of a request that mean nothing."""
    if isinstance(request.prompts, str):
        raise ValueError(f"prompts is a sequence of strings; write prompts=({request.prompts!r},).")
    # How many steps there can be depends on the schedule: `schedule.SPACINGS` checks it.
    for name, least in (("n", 1), ("steps", 0), ("batch_size", 1), ("seed", 0)):
        value = getattr(request, name)
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} must be a whole number from {least}. Received: {value!r}.")
    bounds = {"strength": (0, 1), "guidance": (0, 100), "guidance_rescale": (0, 1), "eta": (0, 1)}
    bounds["autoguidance"] = 1, 100  # below 1 it would move towards the weaker version
    for name, (least, most) in bounds.items():
        value = getattr(request, name)
        if value is not None and not least <= value <= most:  # written so that NaN fails too
            raise ValueError(
                f"{name} must be a number from {least} to {most}. Received: {value!r}."
            )


def _check_pictures(request):
    """Refuse arrays of a request that are no pictures."""
    image, mask, face = request.image, request.mask, request.face
    if face is not None and (np.ndim(face) not in (1, 2) or not _are_units(face)):
        raise ValueError(
            "face must be vectors of length 1, (D,) or (M, D). Received: shape "
            f"{np.shape(face)}, lengths {np.linalg.norm(face, axis=-1)}."
        )
    if image is not None and (
        image.dtype != np.uint8 or image.ndim not in (3, 4) or image.shape[-1] != 3
    ):
        raise ValueError(
            "image must be uint8 (H, W, 3) or (M, H, W, 3), RGB from 0 to 255. Received: "
            f"{image.dtype} {image.shape}."
        )
    if mask is not None and mask.ndim not in (2, 3) and mask.shape[3:] != (1,):
        raise ValueError(f"mask must be (H, W) or (M, H, W). Received: shape {mask.shape}.")


def _are_units(vectors):
    return bool(np.all(np.abs(np.linalg.norm(vectors, axis=-1) - 1) < 1e-3))


def check_request(request, preset, name):
    """Refuse what a model cannot do, before it is loaded.

    Args:
        request: a `Request`.
        preset: the model's `Preset`.
        name: of the model, for the sentences.

    Raises:
        ValueError: one sentence that says why and what to do.
    """
    for what, word, table in (
        ("sampler", request.sampler, SAMPLERS),
        ("spacing", request.spacing, SPACINGS),
    ):
        if word not in table:
            raise ValueError(f"unknown {what} {word!r}; choose one of {', '.join(table)}.")
    if request.eta and request.sampler != "ddim":
        raise ValueError(
            f"--eta belongs to the ddim sampler. Received: --sampler {request.sampler}."
        )
    conditions = preset.network.conditions
    if request.has_words and "text" not in conditions:
        raise ValueError(
            f"{name} was trained without words; leave --prompt and --negative away, or train with "
            "--preset portraits64."
        )
    if request.has_size_crop and "size_crop" not in conditions:
        raise ValueError(
            f"{name} was trained without framing; leave --crop, --original-size and --target-size "
            "away, or train with --preset portraits64."
        )
    if request.face is not None:
        check_face(request.face, conditions, name)
    requested(request, preset.size)
    if "text" in conditions:
        tokenizer = tokenizer_of(conditions["text"])
        for prompt in (*request.prompts, request.negative):
            tokenizer.encode(prompt, request.strict)
    if request.inpaint not in (None, *METHODS):
        raise ValueError(f"unknown method {request.inpaint!r}; choose one of {', '.join(METHODS)}.")
    if request.inpaint == "network" and "inpaint" not in conditions:
        raise ValueError(
            f"{name} was not trained to inpaint; choose --inpaint project or repaint, or train it "
            f"with: python train.py inpaint --weights {name}"
        )
    SPACINGS[request.spacing](preset.objective.make_schedule(), request.steps)


class Pipeline:
    """A trained model with its add-ons, ready to draw.

    Args:
        model: a `bundle.Model`.
        addons: what is put on the network, in this order, such as a `bundle.ControlAddOn`: each has
            `conditions`, {name: settings}, `words`, {token: vectors}, `recipe`, a dict,
            `note(model) -> sentence or None` and `apply(network) -> network`.
        micro_batches: compute batches as so many independent parts, see `denoiser.x0_denoiser`;
            must divide every request's batch size.
        guide: a weaker version of the model, a `bundle.Model`, for autoguidance.
    """

    def __init__(self, model, addons=(), micro_batches=1, guide=None):
        # Here, so that a request can be read and refused before a backend starts.
        from common.devices import use_xla

        self.addons = tuple(addons)
        model, guide = with_words(model, addons), guide and with_words(guide, addons)
        self.model, self.guide = model, guide
        self.conditions = dict(model.config.conditions)
        for addon in self.addons:
            self.conditions |= addon.conditions
        self.schedule = model.preset.objective.make_schedule()
        self._xla = use_xla()
        self._micro_batches = 1 if self._xla else micro_batches
        self._strong, self._weak = self._make_denoiser(model), guide and self._make_denoiser(guide)
        self.nfe = 0  # network evaluations a picture of the last `draw`
        self._last_fit = (None, None)  # the last request, and how it counts here

    def _make_denoiser(self, model):
        """(x_t, t, condition) -> x0_hat of a model with the add-ons, counting evaluations."""
        from ddpm.core.denoiser import x0_denoiser

        network = model.network
        for addon in self.addons:
            network = addon.apply(network)
        objective = model.preset.objective
        denoise = x0_denoiser(
            network,
            objective.make_schedule(),
            objective.prediction,
            xla=self._xla,
            micro_batches=self._micro_batches,
        )
        denoise = drop_inactive_hints(denoise)

        def counted(x_t, t, condition=None):
            self.nfe += len(x_t)
            return denoise(x_t, t, condition)

        return counted

    @classmethod
    def load(
        cls,
        weights=None,
        control=None,
        precision="auto",
        micro_batches=1,
        guide=None,
        adapters=(),
        addons=(),
    ):
        """Load a model, and what is to be put on it.

        Args:
            weights: file or run folder; None for the shipped model.
            control: file or run folder; "default" for the branch that was trained over the model;
                None for no branch.
            precision: "auto", "float32" or "bfloat16".
            micro_batches: see the class.
            guide: file or run folder of a weaker version, for autoguidance; "default" for the one
                that was written for the model; None for none.
            adapters: pairs (file, strength), of adapters and of learned words.
            addons: further ones that are loaded already.

        Returns:
            A `Pipeline`.

        Raises:
            ValueError: if they cannot be read or do not belong together.
        """
        from common.devices import PRECISIONS, choose_precision, start_backend

        start_backend()
        dtype = PRECISIONS[choose_precision(precision)]
        model = load_model(weights or default_weights(), dtype)
        if guide is not None:
            path = default_guide(model.path) if guide == "default" else guide
            guide = load_guide(path, model, dtype)
        branch = ()
        if control is not None:
            path = default_control(model.path) if control == "default" else control
            branch = (load_control(path, model.preset),)
        loaded = (load_addon(path, strength) for path, strength in adapters)
        return cls(model, (*branch, *loaded, *addons), micro_batches, guide)

    @property
    def size(self):
        """Height and width of its pictures, pixels."""
        return self.model.preset.size

    def draw(self, request, observe=None):
        """Draw the pictures of a request.

        Every batch has the full size (spare places are computed and thrown away), because a
        network's last bits depend on the batch size.

        Args:
            request: a `Request`.
            observe: optional (indices, i, pictures) -> None: the batch's pictures by number, the
                step, and x0_hat there as uint8 (len(indices), H, W, 3).

        Returns:
            uint8 (total, H, W, 3), prompt by prompt.

        Raises:
            ValueError: if the model cannot do that; the sentence says why.
        """
        request, self.nfe = self._fit(request), 0
        size = request.batch_size
        if size % self._micro_batches:
            raise ValueError(
                f"batch_size must be a multiple of the pipeline's {self._micro_batches} "
                f"micro-batches. Received: batch_size={size}."
            )
        batches = [
            self._draw_batch(request, range(first, first + size), observe)
            for first in range(0, request.total, size)
        ]
        images = np.concatenate(batches)[: request.total]
        self.nfe /= len(batches) * size
        if request.mask is None:
            return images
        rows = np.arange(len(images))
        picture, mask = (array[rows % len(array)] for array in (request.image, request.mask))
        if self.model.codec.stride > 1:
            images = blended(picture, images, mask)
        return composite(picture, images, mask)

    def denoiser(self, request, indices=range(1)):
        """What samplers see of the model: with the conditions of a request, guidance and clipping.

        Args:
            request: a `Request`.
            indices: range of the pictures that it is to denoise.

        Returns:
            (x_t, t) -> x0_hat: float32 (len(indices), H, W, C) of what is diffused and int32
            (len(indices),) -> float32 likewise.

        Raises:
            ValueError: as `draw`.
        """
        return self._denoiser(self._fit(request), indices)

    def condition(self, request, indices=range(1)):
        """What the network is told of a request's pictures: a dict of arrays (`ddpm.conditions`), a
        row a picture; args and errors as `denoiser`."""
        return self._condition(self._fit(request), indices)

    def visited(self, request):
        """The number of steps that a request takes; fewer than its `steps` where it begins at an
        image. RePaint's resamplings are not counted."""
        return len(self._start(self._fit(request), range(1), np.float32(0))[0])

    def prompts(self, request, indices=None):
        """The text of each picture of a request, a list of str."""
        indices = range(request.total) if indices is None else indices
        return prompts_of(request.effective(), self.model.captions, indices)

    def notes(self, request):
        """Sentences worth telling about a request: words replaced or left out, control pictures
        that look like something else, a branch that was trained over another model."""
        found = []
        if "text" in self.model.config.conditions:
            tokenizer = tokenizer_of(self.model.config.conditions["text"])
            texts = dict.fromkeys((*request.prompts, request.negative))
            found += [tokenizer.describe(text, request.strict) for text in texts if text]
        found += [control.warning() for control in request.controls]
        found += [addon.note(self.model) for addon in self.addons]
        found += [self._unsaid(request, addon) for addon in self.addons]
        return [sentence for sentence in found if sentence]

    def _unsaid(self, request, addon):
        """A sentence where an add-on has words of which no prompt says any, else None."""
        if not addon.words or "tokens" in request.arrays:
            return None
        tokenizer = tokenizer_of(self.model.config.conditions["text"])
        said = {word for text in request.prompts for word in tokenizer.read(text, request.strict)}
        if said.intersection(map(word_of, addon.words)):
            return None
        return f"no prompt says {' or '.join(addon.words)}, which {addon.file.path} teaches."

    def recipe(self, request):
        """How the pictures of a request are made, as JSON can hold it: what a PNG file carries."""
        model, request = self.model, self._fit(request)
        repaint = request.mask is not None and request.inpaint == "repaint"
        recipe = {
            "sampler": "repaint" if repaint else request.sampler,
            "spacing": request.spacing,
            "steps": request.steps,
            "eta": request.eta,
            "seed": request.seed,
            "prompts": list(request.prompts) or [""],
            "n": request.n,
            "batch_size": request.batch_size,
            "preset": model.preset.name,
            "weights": model.path.name if model.path else None,
            "weights_sha256": model.digest,
        }
        if model.captions and not request.asks:
            recipe["prompts_from"] = "the captions in the weights file, by seed"
        if "size_crop" in self.conditions:
            names = ("original_size", "crop", "target_size")
            pairs = requested(request, self.size).astype(int).reshape(3, 2)
            recipe |= dict(zip(names, pairs.tolist(), strict=True))
        recipe |= _recipe_of_what_is_asked(request)
        if request.autoguidance != 1:
            recipe |= {
                "autoguidance": request.autoguidance,
                "autoguidance_interval": request.autoguidance_interval,
                "guide": self.guide.path.name if self.guide.path else None,
                "guide_sha256": self.guide.digest,
            }
        for addon in self.addons:
            for key, value in addon.recipe.items():
                recipe[key] = recipe.get(key, []) + value if isinstance(value, list) else value
        return recipe

    # --- from a request to a batch

    def _fit(self, request):
        """The request as it counts for this model: image and mask at its size, method settled."""
        if self._last_fit[0] is not request:  # one request is asked about several times
            self._last_fit = (request, self._fit_anew(request))
        return self._last_fit[1]

    def _fit_anew(self, request):
        if request.face is None and "identity" in self.conditions:
            request = replace(request, face=self._face_of_addons())
        check_request(request, self.model.preset, self.model.path or self.model.preset.name)
        request = request.effective()
        method = request.inpaint
        if method is None:
            method = "network" if "inpaint" in self.model.config.conditions else "project"
        image, mask = request.image, request.mask
        if image is not None:
            image = _fit_images(image, self.size, 4)
        if mask is not None:
            mask = _fit_mask(mask, request.image, self.size)
        if request.controls and "hints" not in self.conditions:
            raise ValueError("control pictures need a control branch; load one with the model.")
        if request.autoguidance != 1 and self.guide is None:
            raise ValueError("autoguidance needs a weaker version of the model; load a guide too.")
        return replace(request, image=image, mask=mask, inpaint=method)

    def _face_of_addons(self):
        """The face that the adapters draw, float32 (D,), of several ones their mean; or None."""
        faces = [getattr(addon, "face", None) for addon in self.addons]
        return mean_face(faces, [1.0] * len(faces))

    def _draw_batch(self, request, indices, observe):
        config, codec = self.model.config, self.model.codec
        shape = (config.image_size, config.image_size, config.channels)
        noise = PictureNoise(request.seed, [i % request.n for i in indices], shape)
        timesteps, x = self._start(request, indices, noise())
        shown = min(indices.stop, request.total) - indices.start

        def tell(i, x0_hat):
            pictures = codec.decode(x0_hat[:shown])
            observe(range(indices.start, indices.start + shown), i, pictures)

        sample, options = self._sampler(request, indices)
        x0 = sample(
            self._denoiser(request, indices),
            self.schedule,
            timesteps,
            x,
            noise,
            observe=None if observe is None else tell,
            **options,
        )
        return codec.decode(x0)

    def _denoiser(self, request, indices):
        """The stack of wrappers: control windows, guidance by the weaker version and by conditions,
        clipping, inpainting."""
        T = self.schedule.T
        condition = self._condition(request, indices)
        denoise, weak = self._strong, self._weak
        if request.controls:
            windows = control_windows(request.controls, self.conditions["hints"].kinds)
            denoise, weak = scheduled(denoise, windows, T), weak and scheduled(weak, windows, T)
        if request.autoguidance != 1:
            weight, interval = request.autoguidance, request.autoguidance_interval
            denoise = autoguided(denoise, weak, weight, interval, T)
        negative = self._negative(request, condition, len(indices))
        if negative is None:
            denoise = conditioned(denoise, condition)
        else:
            denoise = guided(
                denoise,
                condition,
                negative,
                request.guidance,
                request.guidance_interval,
                request.guidance_rescale,
                T,
            )
        denoise = clipped(denoise, self.model.codec.bounds)
        if request.mask is not None and request.inpaint != "repaint":
            denoise = projected(denoise, *self._known(request, indices))
        return denoise

    def _condition(self, request, indices):
        """The condition of a batch: a dict of arrays, a row a picture."""
        rows = np.array(indices)
        given = {name: np.asarray(a)[rows % len(a)] for name, a in request.arrays.items()}
        condition = {}
        for name, settings in self.conditions.items():
            record = CONDITIONS[name]
            if set(record.arrays) <= set(given):
                continue
            arrays = None
            if record.from_request is not None:
                arrays = record.from_request(request, settings, self.model, indices)
            if arrays is None and record.default is not None:
                arrays = record.default(settings, self.size, len(indices))
            condition |= record.null(settings, len(indices)) if arrays is None else arrays
        return condition | given

    def _negative(self, request, condition, n):
        """The negative side of guidance, or None where there is no guidance."""
        if request.guidance == 1:
            return None
        negative = {}
        for name, settings in self.conditions.items():
            record = CONDITIONS[name]
            arrays = record.negative(request, settings, n) if record.negative else None
            negative |= arrays or {}
        return {**condition, **negative} if negative else None

    def _known(self, request, indices):
        """What is known of a batch's pictures: (x0, mask), a row a picture."""
        rows = np.array(indices)
        image, mask = (array[rows % len(array)] for array in (request.image, request.mask))
        codec = self.model.codec
        return codec.encode(image), mask if codec.stride == 1 else mask_of_cells(mask, codec.stride)

    def _start(self, request, indices, eps):
        """Where a batch begins: (timesteps, x)."""
        timesteps = SPACINGS[request.spacing](self.schedule, request.steps)
        if request.image is None:
            return timesteps, eps
        image = request.image[np.array(indices) % len(request.image)]
        x0 = self.model.codec.encode(image)
        return sdedit_start(self.schedule, timesteps, x0, eps, request.strength)

    def _sampler(self, request, indices):
        """The sampler and its options: RePaint has one of its own."""
        options = dict(request.sampler_options)
        if request.mask is not None and request.inpaint == "repaint":
            x0, mask = self._known(request, indices)
            return sample_repaint, {"x0_known": x0, "mask": mask, **options}
        if request.sampler == "ddim":
            options["eta"] = request.eta
        return SAMPLERS[request.sampler], options


def _recipe_of_what_is_asked(request):
    """The part of a recipe that says what a request asks of the pictures."""
    recipe = {}
    if request.has_words or request.face is not None:
        recipe |= {
            "negative": request.negative,
            "guidance": request.guidance,
            "guidance_interval": request.guidance_interval,
            "guidance_rescale": request.guidance_rescale,
        }
    if request.image is not None:
        recipe["strength"] = request.strength
    if request.mask is not None:
        recipe["inpaint"] = request.inpaint
    if request.controls:
        recipe["controls"] = [
            {
                "kind": control.kind,
                "file": control.name,
                "sha256": control.sha256,
                "strength": control.strength,
                "window": control.window,
            }
            for control in request.controls
        ]
    return recipe


def _fit_images(images, size, ndim):
    """The middle squares of pictures at a size: (H, W, ...) or (M, H, W, ...) -> (M, S, S, ...)."""
    from common.images import center_crop, resize

    images = images if images.ndim == ndim else images[None]
    return np.stack([resize(center_crop(image, (size, size)), size) for image in images])


def _fit_mask(mask, image, size):
    """A mask at a size, float32 (M, S, S, 1) in [0, 1].

    Raises:
        ValueError: if it does not fit the picture, or nothing is to be painted.
    """
    if image is None:
        raise ValueError("a mask needs a picture to paint into: give an image.")
    if mask.shape[-2:] != image.shape[-3:-1]:
        raise ValueError(
            f"the mask is {mask.shape[-1]} x {mask.shape[-2]} pixels and the picture "
            f"{image.shape[-2]} x {image.shape[-3]}; make them the same."
        )
    fitted = _fit_images(mask, size, 3).astype(np.float32)[..., None]
    if mask.dtype == np.uint8:
        fitted = fitted / 255
    if not fitted.any():
        where = "outside the picture's middle square" if mask.any() else "nowhere"
        raise ValueError(f"the mask is white {where}: nothing is painted.")
    return fitted
