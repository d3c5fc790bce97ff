"""Named settings: everything that defines a model and its training, frozen."""

from dataclasses import asdict, dataclass, fields, replace

from ddpm.schedule import SCHEDULES


@dataclass(frozen=True)
class Preset:
    """A model and the recipe that trains it.

    Args:
        name: what `--preset` calls it.
        image_size: height and width in pixels.
        widths: channels of each level of the U-Net, finest first.
        blocks: residual blocks of each level.
        attention: grid sizes (behind the patch stem) at which levels attend.
        patch: side of the squares that the stem folds into channels; 1 is none.
        groups: of the group normalisation.
        head_width: channels of one attention head.
        scale_shift: how time enters a block: scale and shift (True) or an added vector.
        dropout: inside residual blocks.
        schedule: a word of `schedule.SCHEDULES`.
        timesteps: T.
        prediction: "eps", "x0" or "v".
        weighting: a word of `prediction.WEIGHTINGS`.
        offset_noise, noisy: see `Diffusion`.
        batch_size: pictures a step.
        epochs: passes over the pictures.
        learning_rate: after warm-up.
        warmup_steps: steps in which the rate rises from 0.
        decay_steps: where the rate starts to fall as 1 / sqrt(step); 0 keeps it.
        clip_norm: bound on the gradient's norm.
        average: decay of the averaged weights.
        flip: mirror half of the pictures.
        sample_epochs: a sample grid every so many epochs.
        cross_attention: how often a block of each level looks at the words (see `UNet`); () for a
            model without words.
        vocabulary: the words that it knows, in the order of their tokens; training fills it in.
        text_length, text_width, text_layers: of the `TextEncoder`.
        framing: tell the model size and crop.
        crops, small: how training windows are cut, see `framing.window`.
        forget: chance that each thing that the model is told is forgotten, and that all are.
        inpainting: whether the model sees mask and masked picture (see `UNet`).
        unmasked: chance that nothing of a picture is known to a model that inpaints.
    """

    name: str
    image_size: int = 64
    widths: tuple = (64, 128, 256, 512)
    blocks: tuple = (2, 2, 2, 2)
    attention: tuple = (16, 8)
    patch: int = 1
    groups: int = 8
    head_width: int = 64
    scale_shift: bool = False
    dropout: float = 0.0
    schedule: str = "linear"
    timesteps: int = 1000
    prediction: str = "eps"
    weighting: str = "plain"
    offset_noise: float = 0.0
    noisy: float = 1.0
    batch_size: int = 64
    epochs: int = 800
    learning_rate: float = 2e-4
    warmup_steps: int = 100
    decay_steps: int = 0
    clip_norm: float = 1.0
    average: float = 0.999
    flip: bool = True
    sample_epochs: int = 10
    cross_attention: tuple = ()
    vocabulary: tuple = ()
    text_length: int = 48
    text_width: int = 128
    text_layers: int = 2
    framing: bool = False
    crops: float = 0.0
    small: float = 0.0
    forget: float = 0.1
    inpainting: bool = False
    unmasked: float = 0.6

    @property
    def told(self):
        """Whether the model is told anything but the time."""
        return bool(self.vocabulary or self.framing)

    @property
    def form(self):
        """What decides the shapes of the network's weights: a tuple."""
        names = "image_size widths blocks patch groups scale_shift vocabulary text_length "
        names += "text_width text_layers framing attention cross_attention"
        return tuple(getattr(self, name) for name in names.split())

    def make_tokenizer(self):
        """The preset's `Tokenizer`, or None where it has no words."""
        from ddpm.text import Tokenizer

        return Tokenizer(self.vocabulary, self.text_length) if self.vocabulary else None

    def make_schedule(self):
        """The preset's `Schedule`."""
        return SCHEDULES[self.schedule](self.timesteps)

    def make_network(self, dtype=None):
        """The preset's U-Net, built, in a precision.

        Args:
            dtype: a Keras dtype policy, e.g. "mixed_bfloat16"; None is the global one.

        Returns:
            A built `UNet`.
        """
        # Imported here, so that reading presets does not start a backend.
        from ddpm.unet import UNet

        text = (
            {
                "vocabulary": len(self.make_tokenizer()),
                "length": self.text_length,
                "width": self.text_width,
                "layers": self.text_layers,
            }
            if self.vocabulary
            else None
        )
        return UNet(
            image_size=self.image_size,
            widths=self.widths,
            blocks=self.blocks,
            attention=self.attention,
            groups=self.groups,
            head_width=self.head_width,
            patch=self.patch,
            dropout=self.dropout,
            scale_shift=self.scale_shift,
            text=text,
            cross_attention=self.cross_attention or (0,),
            framing=self.framing,
            inpainting=self.inpainting,
            dtype=dtype,
        )

    def to_dict(self):
        """The settings as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings):
        """The inverse of `to_dict`.

        Args:
            settings: a dict with the fields of this class.

        Returns:
            A `Preset`.

        Raises:
            ValueError: for a setting that this version does not know, or one that is missing.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(settings) - known)
        if unknown or "name" not in settings:
            raise ValueError(f"not the settings of a preset of this version. Unknown: {unknown}.")
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()})


_TOLD = {"weighting": "clamped_snr", "noisy": 1.5, "framing": True, "crops": 0.3, "small": 0.2}

# Learns in seconds; for tests and for trying the commands.
TINY = Preset(
    name="tiny",
    image_size=32,
    widths=(32, 64),
    blocks=(1, 1),
    attention=(8,),
    patch=2,
    head_width=32,
    schedule="cosine",
    timesteps=200,
    prediction="x0",
    weighting="min_snr",
    batch_size=16,
    epochs=80,
    learning_rate=2e-3,
    warmup_steps=20,
    average=0.99,
    sample_epochs=20,
)
# The default: quality per minute. docs/design.md says how each choice was measured.
FACES64 = Preset(
    name="faces64",
    widths=(64, 128, 192),
    blocks=(1, 2, 2),
    attention=(16, 8),
    patch=2,
    head_width=32,
    scale_shift=True,
    schedule="cosine",
    prediction="x0",
    weighting="min_snr",
    batch_size=16,
    learning_rate=4e-4,
    warmup_steps=200,
    decay_steps=4000,
    sample_epochs=4,
)
PRESETS = {
    preset.name: preset
    for preset in (
        TINY,
        # tiny and faces64 again, told words and framing.
        replace(
            TINY, name="tiny_told", cross_attention=(0, 1), text_width=64, text_layers=1, **_TOLD
        ),
        # The recipe of Ho et al. 2020 in a size for 64 px: 800 epochs of 15 steps over 972 faces.
        Preset(name="classic64"),
        FACES64,
        replace(FACES64, name="portraits64", cross_attention=(0, 1, 2), **_TOLD),
    )
}
