"""Named settings: everything that defines a model and its training, frozen."""

from dataclasses import asdict, dataclass, replace

from ddpm.conditions import NoSettings
from ddpm.conditions.identity import IdentitySettings
from ddpm.conditions.text import TextSettings
from ddpm.core.schedule import SCHEDULES
from ddpm.nets.config import VAE_STRIDE, MPUNetConfig, UNetConfig, VAEConfig, from_fields


@dataclass(frozen=True)
class ObjectiveConfig:
    """What a network is trained to do; see `training.objectives.DenoisingObjective`.

    Args:
        schedule: a word of `schedule.SCHEDULES`.
        timesteps: T.
        prediction: "eps", "x0" or "v".
        weighting: a word of `prediction.WEIGHTINGS`.
        offset_noise: deviation of the noise that is constant over a channel.
        timestep_bias: 1 draws all timesteps alike; above, the noisier ones more often.
        log_normal: (mean, deviation) of ln sigma_ve that timesteps are drawn by instead; () is
            none.
        balance: let all noise levels count alike, whatever their losses.
        part_weight: of the cross-entropy of part maps read from the middle features
            (`training.objectives.PartsObjective`); 0 asks for none.
        cells_by_part: how much the error of a cell counts by the part that is read there, where
            parts are read at all; () is alike.
        p_uncond: probability that each condition of a picture is dropped, and that all are.
        p_full_mask: probability that an inpainting mask covers everything.
    """

    schedule: str = "linear"
    timesteps: int = 1000
    prediction: str = "eps"
    weighting: str = "plain"
    offset_noise: float = 0.0
    timestep_bias: float = 1.0
    log_normal: tuple = ()
    balance: bool = False
    part_weight: float = 0.0
    cells_by_part: tuple = ()
    p_uncond: float = 0.1
    p_full_mask: float = 0.6

    def __post_init__(self):
        for name in ("log_normal", "cells_by_part"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def make_schedule(self):
        """The `Schedule`."""
        return SCHEDULES[self.schedule](self.timesteps)

    def make(self, network, seed=0, micro_batches=1, cls=None):
        """The objective for a network, not compiled.

        Args:
            network, seed, micro_batches: of the objective.
            cls: makes it with the arguments of `DenoisingObjective`, where it is another kind.
        """
        from ddpm.training.objectives import DenoisingObjective, PartsObjective

        cls, besides = cls or DenoisingObjective, {}
        if self.part_weight:
            cls = PartsObjective
            besides = {"part_weight": self.part_weight, "cells_by_part": self.cells_by_part}
        return cls(
            network,
            self.make_schedule(),
            self.prediction,
            self.weighting,
            offset_noise=self.offset_noise,
            timestep_bias=self.timestep_bias,
            log_normal=self.log_normal,
            balance=self.balance,
            seed=seed,
            micro_batches=micro_batches,
            **besides,
        )


@dataclass(frozen=True)
class AutoencodingConfig:
    """What an autoencoder is trained to do: weights of the terms of
    `training.autoencoding.AutoencodingObjective`.

    Args:
        gradients: of the error of differences between neighbours.
        coarse: of the error of the picture at a half and at a quarter of its side.
        equivariance: of the error of halved latents against the halved picture.
        magnitude: of latents' mean square.
        sharpen: train the decoder alone, against a critic of patches
            (`training.sharpening.SharpeningObjective`).
    """

    gradients: float = 1.0
    coarse: float = 0.5
    equivariance: float = 0.5
    magnitude: float = 5e-4
    sharpen: bool = False

    def make(self, network, seed=0, micro_batches=1):
        """The objective for a network, not compiled."""
        if self.sharpen:
            from ddpm.training.sharpening import SharpeningObjective as Objective
        else:
            from ddpm.training.autoencoding import AutoencodingObjective as Objective
        return Objective(network, self, seed, micro_batches)


@dataclass(frozen=True)
class CodecConfig:
    """What is diffused; `bundle.Model.codec` is the `Codec` itself.

    Args:
        kind: "pixels", or "vae" for the latents of an autoencoder.
        stride: pixels a side to one cell of what is diffused.
        digest: the first 12 hexadecimal digits of the SHA-256 of the autoencoder's file; "" in a
            preset that a training has not settled yet.

    Raises:
        ValueError: for another kind, or pixels with a stride.
    """

    kind: str = "pixels"
    stride: int = 1
    digest: str = ""

    def __post_init__(self):
        if self.kind not in ("pixels", "vae") or (self.kind == "pixels" and self.stride != 1):
            raise ValueError(
                "a codec is pixels of stride 1, or vae. Received: "
                f"kind={self.kind!r}, stride={self.stride}."
            )


LATENTS = CodecConfig("vae", VAE_STRIDE)


@dataclass(frozen=True)
class DataConfig:
    """How training windows are cut out of pictures.

    Args:
        flip: mirror half of the pictures.
        p_crop: probability of a random place and scale; else the whole shorter side, in the middle.
        p_downscale: probability that a picture is made smaller first, and said to be.
        windows: of a picture whose latents are computed once (`training.latents`): the whole
            picture, and random ones where there are any.
    """

    flip: bool = True
    p_crop: float = 0.0
    p_downscale: float = 0.0
    windows: int = 4


@dataclass(frozen=True)
class RunConfig:
    """How long and how fast a training goes.

    Args:
        batch_size: pictures a step.
        epochs: passes over the pictures.
        optimizer: a word of `training.optimizer.OPTIMIZERS`.
        learning_rate: after warm-up.
        warmup_steps: steps in which the rate rises from 0.
        decay_steps: where the rate starts to fall as 1 / sqrt(step); 0 keeps it.
        plain_rate: share of the rate for weights that are no kernels of unit length.
        clip_norm: bound on the gradient's norm; 0 is none.
        ema_decay: decay of the averaged weights.
        sample_epochs: a sample grid every so many epochs; 0 is never.
        snapshot_epochs: a snapshot of power-function averages every so many epochs, from which an
            average of any length can be put together afterwards (`ddpm.average`); 0 is never.
    """

    batch_size: int = 64
    epochs: int = 800
    optimizer: str = "adam"
    learning_rate: float = 2e-4
    warmup_steps: int = 100
    decay_steps: int = 0
    plain_rate: float = 1.0
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    sample_epochs: int = 10
    snapshot_epochs: int = 0


@dataclass(frozen=True)
class Preset:
    """A model and the recipe that trains it.

    Args:
        name: what `--preset` calls it.
        network: `UNetConfig`, `MPUNetConfig` or `VAEConfig`.
        objective: `ObjectiveConfig`, or `AutoencodingConfig` for an autoencoder.
        data, run, codec: see there. The network's `image_size` and `channels` are those of what is
            diffused.
    """

    name: str
    network: UNetConfig | MPUNetConfig | VAEConfig = UNetConfig()
    objective: ObjectiveConfig | AutoencodingConfig = ObjectiveConfig()
    data: DataConfig = DataConfig()
    run: RunConfig = RunConfig()
    codec: CodecConfig = CodecConfig()

    def make_network(self, dtype=None):
        """The preset's network, built.

        Args:
            dtype: a Keras dtype policy, e.g. "mixed_bfloat16"; None is the global one.

        Returns:
            A built `UNet`, `MPUNet` or `Autoencoder`.
        """
        # Here, so that reading presets does not start a backend.
        if self.kind == "vae":
            from ddpm.nets.vae import Autoencoder as Network
        elif self.kind == "mp_unet":
            from ddpm.nets.mp_unet import MPUNet as Network
        else:
            from ddpm.nets.unet import UNet as Network
        return Network(self.network, dtype=dtype)

    @property
    def kind(self):
        """Which network it is of: a word of `KINDS`."""
        return next(word for word, kinds in KINDS.items() if isinstance(self.network, kinds[0]))

    @property
    def size(self):
        """Height and width of its pictures, pixels."""
        return self.network.image_size * self.codec.stride

    def with_(self, **changes):
        """The preset with other values of some fields, by part:
        `preset.with_(run={"epochs": 3}, objective={"p_uncond": 0.3})`."""
        parts = {part: replace(getattr(self, part), **fields) for part, fields in changes.items()}
        return replace(self, **parts)

    def with_conditions(self, **settings):
        """The preset with some conditions of the network added or with other settings."""
        return self.with_(network={"conditions": {**self.network.conditions, **settings}})

    def to_dict(self):
        """The settings as JSON can hold them; a U-Net's do not name their kind, nor pixels
        their codec."""
        values = asdict(self)
        if self.codec == CodecConfig():
            del values["codec"]
        return values if self.kind == "unet" else {"kind": self.kind, **values}

    @classmethod
    def from_dict(cls, values):
        """The inverse of `to_dict`.

        Raises:
            ValueError: for a setting that this version does not know, or one that is missing.
        """
        values = dict(values)
        kind = values.pop("kind", "unet")
        if kind not in KINDS:
            raise ValueError(f"unknown kind of network {kind!r}; known are {', '.join(KINDS)}.")
        network, objective = KINDS[kind]
        values = from_fields(cls, values)
        kinds = {"objective": objective, "data": DataConfig, "run": RunConfig}
        missing = {"name", "network", *kinds} - set(values)
        kinds["codec"], values = CodecConfig, {"codec": {}, **values}
        if missing:
            raise ValueError(f"not the settings of a preset: {', '.join(sorted(missing))} missing.")
        parts = {part: kind(**from_fields(kind, values[part])) for part, kind in kinds.items()}
        return cls(name=values["name"], network=network.from_dict(values["network"]), **parts)


# The configurations of each kind of network: (the network's, its objective's).
KINDS = {
    "unet": (UNetConfig, ObjectiveConfig),
    "mp_unet": (MPUNetConfig, ObjectiveConfig),
    "vae": (VAEConfig, AutoencodingConfig),
}


# Learns in seconds; for tests and for trying the commands.
TINY = Preset(
    name="tiny",
    network=UNetConfig(
        image_size=32, widths=(32, 64), blocks=(1, 1), attention=(8,), patch=2, head_width=32
    ),
    objective=ObjectiveConfig(
        schedule="cosine", timesteps=200, prediction="x0", weighting="min_snr"
    ),
    run=RunConfig(
        batch_size=16,
        epochs=80,
        learning_rate=2e-3,
        warmup_steps=20,
        ema_decay=0.99,
        sample_epochs=20,
    ),
)
# The recipe of Ho et al. 2020 in a size for 64 px: 800 epochs of 15 steps over 972 faces.
CLASSIC64 = Preset(name="classic64")
# The default: quality per minute. docs/design.md says how each choice was measured.
FACES64 = Preset(
    name="faces64",
    network=UNetConfig(
        widths=(64, 128, 192), blocks=(1, 2, 2), patch=2, head_width=32, scale_shift=True
    ),
    objective=ObjectiveConfig(schedule="cosine", prediction="x0", weighting="min_snr"),
    run=RunConfig(
        batch_size=16, learning_rate=4e-4, warmup_steps=200, decay_steps=4000, sample_epochs=4
    ),
)


def _conditional(preset, name, cross_attention_layers, **text):
    """A preset conditioned on words, and on size and crop."""
    preset = replace(preset, name=name).with_(
        network={"cross_attention_layers": cross_attention_layers},
        objective={"weighting": "clamped_snr", "timestep_bias": 1.5},
        data={"p_crop": 0.3, "p_downscale": 0.2},
    )
    return preset.with_conditions(text=TextSettings(**text), size_crop=NoSettings())


# Autoencoders for 256 px, by the numbers of a cell: for `python train.py vae`. Kernels are of unit
# length, so the rate is that of EDM2, and there is nothing for clipping to do.
VAES = {
    f"vae{channels}": Preset(
        name=f"vae{channels}",
        network=VAEConfig(latent_channels=channels),
        objective=AutoencodingConfig(),
        run=RunConfig(
            batch_size=16,
            epochs=100,
            learning_rate=0.01,
            warmup_steps=200,
            decay_steps=3000,
            clip_norm=0.0,
            sample_epochs=2,
        ),
    )
    for channels in (8, 4, 16)
}

# Of networks over latents whose kernels are of unit length: those take EDM2's rate, other weights
# a twentieth of it.
UNIT_RATES = {"learning_rate": 0.01, "plain_rate": 0.05, "clip_norm": 0.0}
# How much a cell counts by what is read there (the numbers of `data`'s part maps): brows, eyes,
# nose, mouth and glasses most, then skin and facial hair.
FACE_FIRST = (1.0, 3.0, 8.0, 8.0, 8.0, 8.0, 8.0, 1.0, 1.0, 2.0, 1.0, 1.0, 8.0, 1.0)
# Portraits of 256 px, over latents of 8 x 8 pixels a cell. Data of deviation 1 and v: EDM's
# preconditioning (`nets.mp_unet`).
PORTRAITS256 = Preset(
    name="portraits256",
    network=MPUNetConfig(
        widths=(64, 128, 192),
        blocks=(2, 2, 2),
        attention=(16, 8),
        head_width=32,
        cross_attention_layers=(0, 1, 1),
        conditions={
            "text": TextSettings(),
            "size_crop": NoSettings(),
            "identity": IdentitySettings(p_drop=0.7, p_alone=0.5),
            "inpaint": NoSettings(),
        },
    ),
    # Most pictures are to be painted whole and of nobody in particular: what remains known makes
    # the task easy, and the network would learn little else from it.
    objective=ObjectiveConfig(
        schedule="cosine",
        prediction="v",
        weighting="plain",
        part_weight=0.1,
        cells_by_part=FACE_FIRST,
        p_full_mask=0.85,
    ),
    data=DataConfig(p_crop=0.1, p_downscale=0.1, windows=2),
    run=RunConfig(
        batch_size=16,
        warmup_steps=200,
        decay_steps=6000,
        ema_decay=0.9995,
        sample_epochs=10,
        snapshot_epochs=5,
        **UNIT_RATES,
    ),
    codec=LATENTS,
)

PRESETS = {
    preset.name: preset
    for preset in (
        TINY,
        _conditional(TINY, "tiny_conditional", (0, 1), width=64, layers=1),
        CLASSIC64,
        FACES64,
        _conditional(FACES64, "portraits64", (0, 1, 2)),
        PORTRAITS256,
    )
}
