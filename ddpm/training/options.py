"""The options of `train.py`: those of every task, and of each."""

from pathlib import Path

import click

from ddpm.nets.lidb import CHOICES
from ddpm.presets import PRESETS, VAES

COMMON = (
    click.Option(["--out"], type=Path, help="Run folder.  [default: runs/<preset or task>]"),
    click.Option(
        ["--data"],
        type=Path,
        help="Folder of pictures (a text file of the same name beside one is its caption), or a "
        "dataset made by `python -m data`.  [default: data/faces<size>, rendered when missing]",
    ),
    click.Option(
        ["--epochs"],
        type=click.IntRange(1),
        help="Passes over the pictures, counted from the run's start.  [default: the preset's]",
    ),
    click.Option(
        ["--batch-size"], type=click.IntRange(1), help="Pictures a step.  [default: the preset's]"
    ),
    click.Option(
        ["--lr"],
        type=click.FloatRange(0, min_open=True),
        help="Learning rate.  [default: the preset's]",
    ),
    click.Option(
        ["--precision"],
        type=click.Choice(["auto", "float32", "bfloat16"]),
        help="auto takes bfloat16 where the machine multiplies in it.  [default: auto]",
    ),
    click.Option(
        ["--seed"], type=click.IntRange(0), help="Of weights, noise and order.  [default: 0]"
    ),
    click.Option(["--resume"], is_flag=True, help="Go on with the run in --out."),
    click.Option(["--dry-run"], is_flag=True, help="Say what would be trained, and stop."),
    click.Option(
        ["--sample-epochs"],
        type=click.IntRange(0),
        help="A sample grid every so many epochs; 0 is never.  [default: the preset's]",
    ),
    click.Option(
        ["--save-minutes"], type=click.FloatRange(0), default=5.0, help="Save at least this often."
    ),
    click.Option(
        ["--deterministic/--fast"],
        default=None,
        help="Same bits each time; costs speed.  [default: deterministic on a CPU]",
    ),
)
PRESET = click.Option(["--preset"], help=f"One of {', '.join(PRESETS)}.  [default: faces64]")
START_FROM = click.Option(
    ["--start-from"], type=Path, help="Begin with the weights of this file or run, where they fit."
)
WEIGHTS = click.Option(
    ["--weights"], type=Path, help="The model to begin with.  [default: portraits64]"
)
VAE_PRESET = click.Option(["--preset"], help=f"One of {', '.join(VAES)}.  [default: vae8]")
VAE = click.Option(
    ["--vae"],
    type=Path,
    help="The autoencoder, of presets that diffuse latents.  [default: vae8]",
)
SHARPENED = click.Option(
    ["--vae"], type=Path, help="The autoencoder to begin with.  [default: vae8]"
)
PRIOR = click.Option(
    ["--prior"],
    type=Path,
    help="Folder of other pictures of the class, half of each batch, against forgetting.",
)
RANKS = click.Option(
    ["--ranks"],
    help="BLOCK=RANK, several with commas between them; 0 leaves a block alone: in0=8,out*=4,*=0.  "
    "[default: *=4]",
)
DENSE = click.Option(
    ["--dense"],
    is_flag=True,
    default=None,
    help="Adapt dense layers only, not convolutions: LoRA as it was first described.",
)
KERNELS = click.Option(
    ["--kernels"],
    type=click.Choice(CHOICES),
    help="Of which layers: attention alone, all dense ones, or convolutions, too.  [default: all; "
    "of light adapters attention]",
)
LIGHT = click.Option(
    ["--light"],
    is_flag=True,
    default=None,
    help="Train a light adapter: rank 1 between random bases, some 15 KB in all.",
)
NUMBERS = click.Option(
    ["--numbers"],
    help="That a light adapter learns of each kernel, before and behind.  [default: 64+32]",
)
VIEWS = click.Option(
    ["--views"],
    type=click.IntRange(1),
    help="Pictures of each person in a batch.  [default: 4]",
)
REFINEMENTS = click.Option(
    ["--refinements"],
    type=click.IntRange(1, 8),
    help="How often the hypernetwork looks at its own prediction.  [default: 3]",
)
REGRESS = click.Option(
    ["--regress"],
    type=Path,
    help="Folder of light adapters of some of the people, NUMBER.safetensors each: predictions are "
    "to be near to them, too.",
)
ADAPTER_FROM = click.Option(
    ["--start-from"],
    type=Path,
    help="An adapter over the same model, which stays as it is: another one of --ranks is trained "
    "from there, and the file holds both.",
)
ALPHA = click.Option(
    ["--alpha"],
    type=click.FloatRange(0, min_open=True),
    help="Scale of what is added, times the rank.  [default: the rank]",
)
TRIGGER = click.Option(
    ["--trigger"],
    help="The word that captions call the person or the style by; it joins the words that the "
    "model knows.  [default: the name of --data, where pictures have no captions]",
)
TOKEN = click.Option(["--token"], help='The word to learn, such as "<anna>".  [required]')
VECTORS = click.Option(
    ["--vectors"],
    type=click.IntRange(1, 4),
    help="That it is made of, a token of a prompt each.  [default: 1]",
)
INIT_WORD = click.Option(
    ["--init-word"],
    help="A word that the model knows, near to the new one, where that begins: woman.  "
    "[default: the middle of all words]",
)
OTHERS = click.Option(
    ["--others"],
    type=Path,
    help="Folder of pictures that are no faces, a third of each batch, such as those of "
    "`python -m data.textures`.",
)
# What a task takes beside the common options, and what tasks take that are not named here.
OWN = {
    "base": (PRESET, VAE, START_FROM),
    "control": (WEIGHTS, START_FROM),
    "inpaint": (WEIGHTS,),
    "vae": (VAE_PRESET, OTHERS, START_FROM),
    "sharpen": (SHARPENED, OTHERS),
    "lora": (
        *(WEIGHTS, PRIOR, RANKS, DENSE, KERNELS, ALPHA),
        *(LIGHT, NUMBERS, ADAPTER_FROM, TRIGGER, INIT_WORD),
    ),
    "dreambooth": (WEIGHTS, PRIOR, TRIGGER, INIT_WORD),
    "invert": (WEIGHTS, TOKEN, VECTORS, INIT_WORD),
    "hyper": (WEIGHTS, NUMBERS, KERNELS, VIEWS, REFINEMENTS, REGRESS),
}
OWN_OF_OTHERS = (PRESET, WEIGHTS, START_FROM)
