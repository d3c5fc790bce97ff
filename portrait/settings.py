"""Every number of the portrait's stages. Defaults are EasyPhoto's where it has one (Wu et al. 2023,
arXiv:2310.04672, and its code's inference defaults); where not, the comment says why."""

from dataclasses import asdict, dataclass, fields

from facekit.head import BELOW, WIDTHS

HELP = {
    "crop": "side of the crop in widths of the face",
    "below": "how far under the crop's middle the face's middle lies, in parts of the side",
    "shape": "how far the face takes the reference's shape; the rest of it is the template's",
    "relight": "how far the light on the reference becomes that on the template's face",
    "front": "how far what covers the template's face stays in front: glasses, hair, a hat, a hand",
    "share": "how much of the new face the fused picture takes",
    "inset": "how far inside the face's outline it does, in parts of the face's width",
    "strength": "how far back to noise the reconstruction goes",
    "steps": "levels of the reconstruction",
    "guidance": "how strictly the reconstruction keeps to the words; 1 is no guidance",
    "canny": "how strictly the reconstruction keeps to the edges of the fused picture",
    "points": "how strictly the reconstruction keeps to the points of the face",
    "colour": "how strictly the reconstruction keeps to the colours of the fused picture",
    "transfer": "how far the face takes the template's colours",
    "likeness": "how much of the new face is fused in again",
    "border_strength": "how far back to noise the refinement of the border goes",
    "border_steps": "levels of the border's refinement",
    "border_canny": "how strictly the border keeps to the edges",
    "border_tile": "how strictly the border keeps to the coarse shapes",
    "restore": "how far blur, noise and compression are taken out of the face in the end",
    "blemishes": "how much of blemishes, blotches and lines is taken off the skin; 0 is nothing",
    "retouch": "how much to smooth the skin; 0 is not at all",
    "adapter_strength": "of a learned person's adapter; without a person it means nothing",
    "prompt": "what the reconstruction shows, in words",
    "negative": "what the reconstruction keeps away from",
    "seed": "of all noise",
}


@dataclass(frozen=True)
class Settings:
    """Strengths and sizes of the stages; `HELP` says what each is, `range_of` how far it reaches.

    Raises:
        ValueError: one sentence, where a number lies outside its range.
    """

    # Its own crop is 3 face widths; the shipped model's training faces fill more of their pictures.
    crop: float = WIDTHS
    below: float = BELOW
    shape: float = 1.0  # 0 there, of which its users complain: the template's shape wins
    relight: float = 1.0  # none there: a face lit from the other side stays so
    front: float = 1.0  # none there: a pair of sunglasses is half painted over
    share: float = 1.0  # 0.6 there, with adapters that know the person
    inset: float = 0.03  # a rim of the template's beard or wrinkles is less like the person
    strength: float = 0.45
    steps: int = 50
    guidance: float = 4.0  # 7 there, for Stable Diffusion; this model burns above 5
    canny: float = 0.5
    points: float = 0.5
    colour: float = 0.85
    transfer: float = 1.0
    likeness: float = 0.85  # 0.6 there, for the same reason
    border_strength: float = 0.3
    border_steps: int = 20
    border_canny: float = 1.0
    border_tile: float = 1.0
    restore: float = 0.0
    blemishes: float = 0.0
    retouch: float = 0.0
    adapter_strength: float = 0.9
    prompt: str = ""
    negative: str = ""
    seed: int = 0

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = range_of(field.name)
            if field.type is not str and not low <= value <= high:
                raise ValueError(
                    f"{field.name.replace('_', '-')} lies between {low} and {high}. "
                    f"Received: {value}."
                )

    def to_dict(self):
        """As JSON can hold it."""
        return asdict(self)


_RANGES = {
    "crop": (1.2, 6),
    "below": (-0.3, 0.3),
    "inset": (0.01, 0.3),
    "steps": (1, 1000),
    "border_steps": (1, 1000),
    "guidance": (0, 30),
    "seed": (0, 2**31),
    **dict.fromkeys(("canny", "points", "colour", "border_canny", "border_tile"), (0, 2)),
}


def range_of(name):
    """The least and the largest value of a number."""
    return _RANGES.get(name, (0, 1))
