"""Everything that decides a network, frozen."""

from dataclasses import asdict, dataclass, field, fields, replace

from ddpm.conditions import CONDITIONS

VAE_STRIDE = 8  # pixels a side to a cell of an autoencoder's latents


@dataclass(frozen=True)
class UNetConfig:
    """The configuration of a `UNet`.

    Level i works on a grid of image_size / patch / 2^i with widths[i] channels.

    Args:
        image_size: height and width of x_t; says where the `attention` grids are.
        channels: channels of x_t and of the prediction.
        widths: channels of each level, finest first.
        blocks: residual blocks of each level; one number for all.
        attention: grid sizes (behind the patch stem) at which blocks have self-attention.
        middle_attention: whether self-attention stands between the two middle blocks.
        cross_attention_layers: cross-attention layers in a block of each level, finest first; none
            at the highest resolution, where they are most expensive. The last number stands
            for all levels below.
        patch: side of the squares that the stem folds into channels and the head unfolds; 1 is
            none.
        groups: groups of every group normalisation.
        head_width: wished channels of an attention head.
        embedding_width: elements of the time embedding; None for 4 widths[0].
        scale_shift: let the time scale and shift the normalisations instead of being added.
        dropout: share dropped inside residual blocks.
        conditions: {name: settings}: what the network is conditioned on besides the time, by words
            of `conditions.CONDITIONS`.

    Raises:
        ValueError: if the arguments contradict each other; the sentence says which.
    """

    image_size: int = 64
    channels: int = 3
    widths: tuple = (64, 128, 256, 512)
    blocks: tuple = (2, 2, 2, 2)
    attention: tuple = (16, 8)
    middle_attention: bool = True
    cross_attention_layers: tuple = (0,)
    patch: int = 1
    groups: int = 8
    head_width: int = 64
    embedding_width: int | None = None
    scale_shift: bool = False
    dropout: float = 0.0
    conditions: dict = field(default_factory=dict)

    def __post_init__(self):
        if isinstance(self.blocks, int):
            object.__setattr__(self, "blocks", (self.blocks,) * len(self.widths))
        for name in ("widths", "blocks", "attention", "cross_attention_layers"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        self._check()
        _ = self.token_width  # raises where conditions contradict each other

    @property
    def levels(self):
        """Number of levels."""
        return len(self.widths)

    @property
    def grids(self):
        """The grid size of each level: a tuple."""
        return tuple(self.image_size // self.patch // 2**level for level in range(self.levels))

    @property
    def stride(self):
        """Pixels to a cell of the coarsest grid."""
        return self.patch * 2 ** (self.levels - 1)

    @property
    def time_width(self):
        """Elements of the time embedding."""
        return self.embedding_width or 4 * self.widths[0]

    def cross_attention_at(self, level):
        """Cross-attention layers in a block of a level: none without tokens to attend to."""
        layers = self.cross_attention_layers
        return layers[min(level, len(layers) - 1)] if self.token_width else 0

    @property
    def token_width(self):
        """Elements of the tokens that blocks attend to; 0 where no condition gives any."""
        widths = {CONDITIONS[name].token_width(s) for name, s in self.conditions.items()} - {0}
        if len(widths) > 1:
            raise ValueError(
                "the tokens of all conditions must have one width, for blocks attend to all of "
                f"them. Received: {sorted(widths)}"
            )
        return max(widths, default=0)

    _shared = (
        "channels widths blocks attention middle_attention patch groups scale_shift head_width"
    )

    @property
    def architecture_key(self):
        """What decides the shapes of the weights that a control branch shares with the network: the
        way down, and the tokens that it attends to. Not the vocabulary: a new word is a new row of
        an embedding that the branch never sees."""
        shared = tuple(getattr(self, name) for name in self._shared.split())
        layers = tuple(self.cross_attention_at(level) for level in range(self.levels))
        return (*shared, self.grids, self.time_width, layers, self.token_width)

    @property
    def skip_widths(self):
        """Channels of the skips: of the stem, then of each step on the way down."""
        widths = [self.widths[0]]
        for level, (width, blocks) in enumerate(zip(self.widths, self.blocks, strict=True)):
            widths += [widths[-1]] * (level > 0) + [width] * blocks
        return widths

    def without_images(self):
        """The configuration without those conditions whose images join x_t."""
        left = {n: s for n, s in self.conditions.items() if not CONDITIONS[n].input_image}
        return replace(self, conditions=left)

    def to_dict(self):
        """The configuration as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values):
        """The inverse of `to_dict`.

        Raises:
            ValueError: for a field or a condition that this version does not know.
        """
        values = from_fields(cls, values)
        return cls(**{**values, "conditions": conditions_from_dict(values.get("conditions", {}))})

    def _check(self):
        widths, blocks, groups = self.widths, self.blocks, self.groups
        if not widths or len(blocks) != len(widths):
            raise ValueError(
                "There must be one number of blocks for each width. "
                f"Received: widths={widths}, blocks={blocks}"
            )
        if self.image_size % self.stride:
            raise ValueError(
                f"image_size must be a multiple of patch * 2^(levels - 1) = {self.stride}. "
                f"Received: image_size={self.image_size}, patch={self.patch}, widths={widths}"
            )
        if any(width % groups for width in widths):
            raise ValueError(
                f"groups must divide every width. Received: groups={groups}, widths={widths}"
            )
        if not set(self.attention) <= set(self.grids):
            raise ValueError(
                f"attention must name grid sizes that the levels have: {list(self.grids)}. "
                f"Received: attention={self.attention}"
            )


@dataclass(frozen=True)
class MPUNetConfig:
    """The configuration of an `MPUNet`.

    Args:
        blocks: blocks of each level on the way down, and as many on the way up.
        Others: as in `UNetConfig`.

    Raises:
        ValueError: if the arguments contradict each other; the sentence says which.
    """

    image_size: int = 32
    channels: int = 8
    widths: tuple = (128, 192, 256)
    blocks: tuple = (2, 2, 2)
    attention: tuple = (16, 8)
    cross_attention_layers: tuple = (0, 1)
    patch: int = 1
    head_width: int = 64
    embedding_width: int | None = None
    dropout: float = 0.0
    conditions: dict = field(default_factory=dict)

    _shared = "channels widths blocks attention patch head_width"
    architecture_key = UNetConfig.architecture_key
    groups = 1  # there are no group normalisations, so nothing has to divide the widths
    levels = UNetConfig.levels
    grids = UNetConfig.grids
    stride = UNetConfig.stride
    time_width = UNetConfig.time_width
    token_width = UNetConfig.token_width
    cross_attention_at = UNetConfig.cross_attention_at
    without_images = UNetConfig.without_images
    to_dict = UNetConfig.to_dict
    __post_init__ = UNetConfig.__post_init__
    _check = UNetConfig._check
    from_dict = classmethod(UNetConfig.from_dict.__func__)

    @property
    def skip_widths(self):
        """Channels of the skips: of each block on the way down."""
        return [width for width, n in zip(self.widths, self.blocks, strict=True) for _ in range(n)]


@dataclass(frozen=True)
class VAEConfig:
    """The configuration of an `Autoencoder`.

    Args:
        image_size: side of the crops that it is trained on, pixels.
        channels: of the pictures.
        latent_channels: numbers of a cell.
        encoder_widths: channels at a quarter and at an eighth of the picture's side.
        encoder_blocks: residual blocks there.
        decoder_widths: channels at an eighth, a quarter and a half of the side.
        decoder_blocks: residual blocks there.
        noise: deviation of the noise that training adds to latents.

    Raises:
        ValueError: if the crops cannot be folded, or widths and blocks differ in number.
    """

    image_size: int = 128
    channels: int = 3
    latent_channels: int = 8
    encoder_widths: tuple = (64, 128)
    encoder_blocks: tuple = (1, 2)
    decoder_widths: tuple = (192, 96, 32)
    decoder_blocks: tuple = (2, 2, 1)
    noise: float = 0.1

    def __post_init__(self):
        for name in ("encoder_widths", "encoder_blocks", "decoder_widths", "decoder_blocks"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.image_size % VAE_STRIDE or self.image_size < VAE_STRIDE:
            raise ValueError(
                f"image_size must be a multiple of {VAE_STRIDE}. Received: {self.image_size}"
            )
        for side, count in (("encoder", 2), ("decoder", 3)):
            widths, blocks = (getattr(self, f"{side}_{what}") for what in ("widths", "blocks"))
            if len(widths) != count or len(blocks) != count:
                raise ValueError(
                    f"the {side} has {count} widths and numbers of blocks. Received: "
                    f"widths={widths}, blocks={blocks}"
                )

    @property
    def conditions(self):
        """What it is conditioned on: nothing."""
        return {}

    @property
    def stride(self):
        """Pixels a side to one cell of the latents."""
        return VAE_STRIDE

    def to_dict(self):
        """The configuration as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values):
        """The inverse of `to_dict`.

        Raises:
            ValueError: for a field that this version does not know.
        """
        return cls(**from_fields(cls, values))


def conditions_from_dict(conditions):
    """{name: settings} from {name: dict}, as JSON has it; settings that are made already stay.

    Raises:
        ValueError: for a condition or a field that this version does not know.
    """
    result = {}
    for name, settings in conditions.items():
        if name not in CONDITIONS:
            raise ValueError(f"unknown condition {name!r}; known are {', '.join(CONDITIONS)}.")
        kind = CONDITIONS[name].settings
        made = isinstance(settings, kind)
        result[name] = settings if made else kind(**from_fields(kind, settings))
    return result


def from_fields(cls, values):
    """Keyword arguments of a frozen dataclass from what JSON gave: lists become tuples.

    Raises:
        ValueError: for a field that the class does not have.
    """
    unknown = sorted(set(values) - {f.name for f in fields(cls)})
    if unknown:
        raise ValueError(
            f"not the settings of a {cls.__name__} of this version. Unknown: {unknown}."
        )
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
