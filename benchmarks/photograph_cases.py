"""Five pairs that users complained of, rebuilt from renders and two photographs in the public
domain, with pasted occluders and lights. Written to benchmarks/results/photographs.json.

    python -m benchmarks.photograph_cases --out-pictures runs/photograph_cases

neon         into a woman's portrait, a woman in neon light, with large glasses, turned
cap          into a man in a cap, a man of darker skin, speaking
sunglasses   into a man in black sunglasses, somebody with closed eyes, the head tilted back
strands      into a bearded man in the dark, a woman with hair over her face, lit from one side
strangers    a folder of one man and three strangers, as the reference

Each ends in a picture with its verdict (`portrait.verdict`), or in the sentence that `portrait`
says before a model is loaded.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from benchmarks.common import machine, merge_json, photographs
from benchmarks.photograph_pairs import expressing, hard_light, in_sunglasses, plain
from benchmarks.photographs import OUT, Copier
from common.cli import sentences
from common.images import write_image
from data.people.person import sample_person
from data.people.view import sample_view
from facekit import occlusions, parsing
from facekit.augment import slope_of_light
from facekit.detect import detect, largest
from portrait.session import Session
from portrait.settings import Settings

SIZE, SEED = 512, 20721


@dataclass(frozen=True)
class Case:
    """Photos to paint with.

    Attributes:
        name: in a word.
        template: uint8 (H, W, 3).
        references: list of uint8 (H, W, 3): one, or a folder's.
    """

    name: str
    template: np.ndarray
    references: list


def cases():
    """The five `Case`."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        rendered = pool.submit(_rendered).result()
    astronaut, hopper = photographs().values()
    lit = slope_of_light(astronaut, np.random.default_rng(5))
    return [
        Case("neon", hopper, [rendered["neon"]]),
        Case("cap", rendered["cap"], [rendered["speaking"]]),
        Case("sunglasses", rendered["sunglasses"], [rendered["looking up"]]),
        Case("strands", rendered["bearded"], [_locks(lit)]),
        Case("strangers", rendered["cap"], [*rendered["album"], astronaut, hopper,
                                            rendered["speaking"]]),
    ]  # fmt: skip


def result_of(case, painters=None, settings=None):
    """What becomes of a case.

    Args:
        case: `Case`.
        painters: list of one `portrait.painter.Painter`; None paints without a model.
        settings: `Settings`; None takes the default.

    Returns:
        (uint8 (H, W, 3) or None, list of str): the picture, if one is made; what is said.
    """
    with TemporaryDirectory() as folder:
        folder = Path(folder)
        template, album = folder / "template.png", folder / "photos"
        write_image(case.template, template)
        paths = [album / f"{i}.png" for i in range(len(case.references))]
        for path, image in zip(paths, case.references, strict=True):
            write_image(image, path)
        single = len(paths) == 1
        try:
            session = Session(template, paths if single else (), None if single else album)
        except ValueError as error:
            return None, [str(error).replace(str(folder) + "/", "")]
        picture, portraits = session.paint(painters or [Copier()], settings or Settings())
    return picture, [fault for one in portraits for fault in one.verdict.faults]


def _rendered():
    from data.light.render import Renderer

    renderer, rng = Renderer(SIZE), np.random.default_rng(SEED)

    def made(person, change=None, **views):
        view = plain(sample_view(person, rng), rng)
        view = replace(view, **views)
        return renderer.render(person, change(view) if change else view).image

    woman = replace(_one("woman", rng), glasses="round", frame="silver",
                    frame_colour=(150.0, 150.0, 160.0), dark_lenses=False)  # fmt: skip
    pale, dark = _one("man", rng, tone=(0.1, 0.35)), _one("man", rng, tone=(0.7, 0.9))
    shades = in_sunglasses(_one("man", rng))
    bearded = replace(_one("man", rng), beard="full beard")
    return {
        "neon": made(woman, _neon(rng), glasses=True),
        "cap": made(pale, hat="baseball cap", hat_cloth="blue", hat_colour=(40.0, 60.0, 110.0)),
        "speaking": made(dark, lambda view: expressing(view, "open smile")),
        "sunglasses": made(shades, glasses=True),
        "looking up": made(_one("woman", rng), _asleep),
        "bearded": made(bearded, _dark),
        "album": [made(pale) for _ in range(4)],
    }


def _asleep(view):
    return expressing(replace(view, pose=replace(view.pose, pitch=10.0)), "eyes closed")


def _neon(rng):
    """A change of a view: coloured lights, and turned to the side."""

    def change(view):
        light = hard_light("colour casts", view.light, 1.0, rng)
        return replace(view, light=light, pose=replace(view.pose, yaw=22.0))

    return change


def _one(noun, rng, tone=(0.0, 1.0)):
    """A man or a woman of a tone of skin, without beard and headscarf."""
    for _ in count():
        person = sample_person(rng)
        if person.noun == noun and tone[0] <= person.tone <= tone[1]:
            return replace(person, beard="", headscarf=False)


def _dark(view):
    light = view.light
    parts = {name: tuple(0.3 * v for v in getattr(light, name)) for name in ("key", "fill", "sky")}
    return replace(view, light=replace(light, **parts))


def _locks(image):
    """A photograph with hair over one side of the face."""
    face, side = largest(detect(image)), min(image.shape[:2])  # what is painted is square
    square, labels = image[:side, :side], parsing.parse(image, face)[:side, :side]
    points5 = face.points5.astype(float)
    points5 += (0.35 * (points5[1, 0] - points5[0, 0]), 0)
    made, rng = image.copy(), np.random.default_rng(2)
    made[:side, :side], _ = occlusions.strands(square.copy(), labels, points5, rng)
    return made


@click.command(context_settings={"show_default": True})
@click.option("--weights", type=Path, help="[default: no model paints]")
@click.option("--out-pictures", "folder", type=Path, help="Folder for the pictures.")
@click.option("--out", type=Path, default=OUT, help="JSON; other keys in it stay.")
@sentences()
def main(weights, folder, out):
    """Make the five cases and say what becomes of each."""
    painters, rows = None, {}
    if weights:
        from portrait.painter import Painter

        painters = [Painter(weights)]
    for case in cases():
        picture, said = result_of(case, painters)
        rows[case.name] = {"painted": picture is not None, "said": said}
        print(case.name, rows[case.name], flush=True)
        if folder:
            write_image(case.template, folder / f"{case.name}_template.png")
            for i, image in enumerate(case.references):
                write_image(image, folder / f"{case.name}_reference{i}.png")
            if picture is not None:
                write_image(picture, folder / f"{case.name}.png")
    merge_json({"cases": {"machine": machine(), "rows": rows}}, out)


if __name__ == "__main__":
    main()
