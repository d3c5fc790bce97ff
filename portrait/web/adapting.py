"""What "How it works" shows of an adapter: how much it changes each block of the network, and what
the change of one block alone does to a picture."""

from dataclasses import dataclass, replace

import numpy as np

from ddpm.adapters import AdapterFile, by_block, layers_of, length_of, load_adapter
from ddpm.pipeline import Pipeline, check_request
from ddpm.tokens import LearnedAddOn
from portrait.known import load_person
from portrait.person import ADAPTER
from portrait.web import drawing, markup
from portrait.web.lecture import source_of


@dataclass(frozen=True)
class Block:
    """What an adapter does to one block.

    Args:
        name: of the block.
        kernels: how many it changes.
        ranks: of the changes, sorted.
        share: length of the changes over that of the kernels.
        picture: uint8 (S, S, 3), drawn with this block changed and no other; None before.
        apart: root mean square difference to the picture with no kernel changed, 0 to 255.
    """

    name: str
    kernels: int
    ranks: tuple
    share: float
    picture: np.ndarray | None = None
    apart: float | None = None


@dataclass(frozen=True)
class Changes:
    """What an adapter changes.

    Args:
        blocks: list of `Block`.
        without, whole: uint8 (S, S, 3), with no kernel changed (but the word in the prompt, whose
            vector comes with the adapter) and with all of them; None before.
    """

    blocks: list
    without: np.ndarray | None = None
    whole: np.ndarray | None = None


@dataclass(eq=False)
class ByBlock(LearnedAddOn):
    """An adapter with a strength for each block: an add-on of a `Pipeline`.

    Args:
        file: `AdapterFile`.
        strengths: one for each layer of factors, once it is applied: a variable.
        blocks: of each of them.
    """

    file: AdapterFile
    strengths: object = None
    blocks: tuple = ()

    def apply(self, network):
        """The network with the adapter on it, at strength 0."""
        from ddpm.nets.adapters import Adapted, innermost

        inside, layers, blocks = innermost(network), [], []
        for block, factors in by_block(self.file.factors).items():
            found = layers_of(replace(self.file, factors=factors), inside)
            layers += found
            blocks += [block] * len(found)
        adapted = Adapted(network, layers, [0.0] * len(layers), inside)
        self.strengths, self.blocks = adapted.strengths, tuple(blocks)
        return adapted

    def choose(self, chosen):
        """Give these blocks strength 1, and all others 0."""
        self.strengths.assign([float(block in chosen) for block in self.blocks])


def look(studio, form, name, job):
    """Draw a picture without a person's adapter, with it, and with one block of it at a time, all
    from the same noise.

    Args:
        studio: `studio.Studio`.
        form: `drawing.Form`; its number is not used.
        name: of a person who is learned to the end.
        job: `jobs.Job`.

    Yields:
        (`drawing.View`, `Changes` or None), the changes with as many pictures as there are.
    """
    yield from drawing.explained(_look(studio, form, name, job), lambda view: (view, None))


def _look(studio, form, name, job):
    if not name:
        raise ValueError("choose a person first; learn one in the tab People.")
    person = load_person(studio.people.find(name))
    file = load_adapter(person.folder / ADAPTER)
    with studio.model:
        if job.stopped:
            yield drawing.View("Stopped before it began."), None
            return
        yield drawing.View("Loading ...", 0.0), None
        addon = ByBlock(file)
        pipeline = _pipeline_for(studio, person, addon)
        request = drawing.request_of(
            replace(form, n=1, prompt=person.saying(form.prompt), negative="")
        )
        check_request(request, pipeline.model.preset, studio.name)
        changes = measure(file, pipeline.model.network)
        names = [block.name for block in changes.blocks]
        choices = [(), tuple(names), *((name,) for name in names)]
        drawn = []
        for chosen in choices:
            if job.stopped:
                yield drawing.View("Stopped."), changes
                return
            addon.choose(chosen)
            drawn.append(pipeline.draw(request)[0])
            changes = with_pictures(changes, drawn)
            status = f"{len(drawn)} of {len(choices)} pictures."
            yield drawing.View(status, len(drawn) / len(choices)), changes
    yield drawing.View("Every picture began with the same noise."), changes


def _pipeline_for(studio, person, addon):
    """A `Pipeline` of the model that somebody was learned over, with an add-on."""
    if studio.pipeline.model.digest == addon.file.base_digest:
        return Pipeline(studio.pipeline.model, [addon])
    return Pipeline.load(person.weights, addons=[addon])


def measure(file, network):
    """What an adapter adds to a network's kernels, block by block: `Changes` without pictures.

    Args:
        file: `AdapterFile`.
        network: that it is for.
    """
    from keras import ops

    from ddpm.nets.layers import named_weights

    weights, blocks = named_weights(network), []
    for name, factors in by_block(file.factors).items():
        kernels = (ops.convert_to_numpy(weights[kernel]) for kernel in factors)
        length = np.sqrt(sum(np.sum(np.square(kernel, dtype=np.float64)) for kernel in kernels))
        ranks = tuple(sorted({up.shape[0] for _, up, _ in factors.values()}))
        share = length_of(factors) / max(float(length), 1e-12)
        blocks.append(Block(name, len(factors), ranks, share))
    return Changes(blocks)


def with_pictures(changes, drawn):
    """Changes with the pictures that there are.

    Args:
        changes: `Changes`.
        drawn: list of uint8 (S, S, 3): without the adapter, with all of it, then block by block.
    """
    without, whole, *each = [*drawn, *[None] * (2 + len(changes.blocks) - len(drawn))]
    blocks = [
        block
        if picture is None
        else replace(block, picture=picture, apart=_apart(picture, without))
        for block, picture in zip(changes.blocks, each, strict=True)
    ]
    return Changes(blocks, without, whole)


def _apart(picture, other):
    return float(np.sqrt(np.mean((np.float64(picture) - other) ** 2)))


def shown(changes):
    """Changes as HTML: two pictures, and a row a block with a bar."""
    if changes is None:
        return markup.NONE
    named = {"no kernel changed, its word alone": changes.without, "all of it": changes.whole}
    pictures = [
        markup.figure(markup.picture(picture, text), text)
        for text, picture in named.items()
        if picture is not None
    ]
    most = max(block.share for block in changes.blocks) or 1.0
    rows = []
    for block in changes.blocks:
        bar = (
            f'<meter max="{most:.4g}" value="{block.share:.4g}" aria-label="{block.share:.1%}">'
            f"</meter> {block.share:.1%}"
        )
        text = f"{block.name} alone"
        seen = "" if block.picture is None else markup.picture(block.picture, text)
        apart = "" if block.apart is None else f"{block.apart:.1f}"
        ranks = ", ".join(map(str, block.ranks))
        rows.append([markup.escape(block.name), str(block.kernels), ranks, bar, seen, apart])
    head = ["block", "kernels", "rank", "change over kernels", "this block alone", "apart"]
    caption = "Apart: root mean square difference to the picture with no kernel changed."
    line = "W + s (alpha / r) B A, s = 1 for one block and 0 for the others"
    where = f"<p>{markup.escape(line)} <code>{source_of(_adapted())}</code></p>"
    return (
        f'<div class="equations">{where}</div><div class="cells">{"".join(pictures)}</div>'
        + markup.table(head, rows, caption)
    )


def _adapted():
    from ddpm.nets.adapters import Adapted

    return Adapted.kernels
