"""The tab "Draw"."""

from dataclasses import replace

import gradio as gr

from common.cli import describe
from ddpm.bundle import vocabulary_of
from ddpm.conditions.text import spoken
from ddpm.conditions.vocabulary import by_kind
from portrait.web import drawing, markup, sending, variations, words
from portrait.web.drawing import Form
from portrait.web.markup import NONE
from portrait.web.tabs.parts import (
    QUICK,
    begins,
    by_name,
    desk_of,
    filled,
    job_buttons,
    settings_of,
    show,
)
from portrait.web.variations import AXES, Plot

TAB = "draw"  # in a browser's desk: {"form": Form, "files": list of paths}
SHOWN = 120  # pictures of the gallery, the newest; all are sent anew with each job


def tab(studio):
    """The tab "Draw".

    Returns:
        (said, fields, restore, outputs): a place for sentences; {name: field}, in the order of
        `Form`; restore(desk) gives the outputs what a browser has worked on.
    """
    form = Form()
    gr.Markdown(
        "Say what is to be seen, and press **Draw** (Ctrl-Enter). An empty prompt leaves it open."
    )
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            prompt = gr.Textbox(label="Prompt", placeholder="a smiling woman with glasses")
            _completion(studio, prompt)
            negative = gr.Textbox(label="Negative prompt", placeholder="earrings")
            settings = settings_of(replace(form, new_seed=True))
            _words(studio)
        with gr.Column(scale=3, min_width=300):
            inputs, seed = [prompt, negative, *settings], settings[1]

            def run(job, desk, *values):
                yield from _drawn(drawing.draw(studio, Form(*values), job), desk, values)

            _, connect = job_buttons(studio, run, "Draw", lasting=True)
            work = gr.HTML()
            gallery = gr.Gallery(
                label="Pictures", columns=4, format="png", buttons=["download", "fullscreen"],
                object_fit="contain", height=420, interactive=False,
            )  # fmt: skip
            gr.Markdown("Click a picture to see its recipe, to vary it or to enlarge it.")
            mine = gr.State(())  # files of this page's gallery; others of the browser add to theirs
            outputs = [work, gallery, seed, mine]
            connect(inputs, outputs)
            _chosen(studio, gallery, inputs, outputs)
    _plot(studio, inputs)

    def restore(desk):
        kept = desk.get(TAB, {})
        if "form" not in kept:
            return [gr.skip()] * (2 + len(inputs))
        return [kept["files"], kept["files"], *vars(kept["form"]).values()]

    return work, by_name(Form, inputs), restore, [gallery, mine, *inputs]


def _drawn(views, desk, values):
    """What a job shows, and keeps on the desk."""
    kept = desk.setdefault(TAB, {"files": []})
    for view in views:
        if view.seed is not None:  # not where a value was refused, which may break the page again
            kept["form"] = replace(Form(*values), seed=view.seed)
        gallery = gr.skip()
        if view.files:
            kept["files"] = gallery = [*map(str, view.files), *kept["files"]][:SHOWN]
        yield show(view), gallery, gr.skip() if view.seed is None else view.seed, gallery


def _chosen(studio, gallery, inputs, outputs):
    """What can be done with a picture of the gallery that is clicked on."""
    chosen = gr.State()
    with gr.Column(visible=False) as actions:
        again = gr.Button("Use the settings of the chosen picture")
        with gr.Row():
            strength = gr.Slider(0.05, 0.95, 0.5, step=0.05, label="Strength of the variation",
                                 min_width=220)  # fmt: skip
            vary = gr.Button("Vary", min_width=90)
            enlarge = gr.Button("Enlarge 4 times", min_width=120)
    recipe = gr.HTML()

    def choose(event: gr.SelectData, files):
        if not 0 <= event.index < len(files):  # of a page that is older than the server
            return None, NONE, gr.update(visible=False)
        path = files[event.index]
        return path, markup.record(drawing.look(path)[1]), gr.update(visible=True)

    def use(path):
        try:
            sent = sending.read(drawing.look(path)[1], studio.pipeline.size)
        except (ValueError, OSError) as error:
            said = markup.notice([describe(error)], problem=True)
            return said, *[gr.skip()] * len(inputs)
        return markup.notice(sent.after), *filled(sent.values, by_name(Form, inputs))

    def larger(request: gr.Request, path):
        kept = desk_of(studio, request).setdefault(TAB, {"files": []})
        try:
            kept["files"] = [str(variations.enlarge(studio, path)), *kept["files"]][:SHOWN]
        except (ValueError, OSError) as error:
            return markup.notice([describe(error)], problem=True), gr.skip(), gr.skip()
        return markup.notice(["Enlarged, without the model."]), kept["files"], kept["files"]

    def run(job, desk, path, strength, *values):
        views = variations.vary(studio, Form(*values), path, strength, job)
        yield from _drawn(views, desk, values)

    def none():
        """With new pictures in front, the one that was clicked on lies elsewhere."""
        return gr.Gallery(selected_index=None), None, NONE, gr.update(visible=False)

    gallery.select(choose, outputs[3], [chosen, recipe, actions], **QUICK)
    outputs[3].change(none, None, [gallery, chosen, recipe, actions], **QUICK)
    again.click(use, chosen, [outputs[0], *inputs], **QUICK)
    begins(studio, vary.click, run, [chosen, strength, *inputs], outputs, lasting=True)
    enlarge.click(larger, chosen, [*outputs[:2], outputs[3]], **QUICK)


def _plot(studio, inputs):
    """A grid of two settings."""
    axes = Plot()
    with gr.Accordion("A grid of two settings", open=False):
        gr.Markdown("One picture for each pair of values, all from the same noise; the other "
                    "settings are those above.")  # fmt: skip
        with gr.Row():
            fields = [
                gr.Dropdown(list(AXES), value=axes.across, label="Across", min_width=110),
                gr.Textbox(axes.columns, label="Its values", min_width=160),
                gr.Dropdown(list(AXES), value=axes.down, label="Down", min_width=110),
                gr.Textbox(axes.rows, label="Its values, downwards", min_width=160),
            ]

        def run(job, desk, *values):
            axes, form = Plot(*values[: len(fields)]), Form(*values[len(fields) :])
            for view in variations.plot(studio, form, axes, job):
                path = str(view.files[0]) if view.files else None
                file = gr.skip() if path is None else gr.update(value=path, visible=True)
                if path is not None:
                    view = replace(view, preview=drawing.look(path)[0])
                yield show(view), file

        _, connect = job_buttons(studio, run, "Draw the grid")
        work = gr.HTML()
        file = gr.DownloadButton("Download the grid (PNG)", visible=False)
        connect([*fields, *inputs], [work, file])


def _completion(studio, prompt):
    """Words that go on with the one that is being typed, to click on."""
    vocabulary = spoken(vocabulary_of(studio.pipeline.model.preset) or ())
    if not vocabulary:
        return
    offered = gr.Dataset(components=[gr.Textbox(visible=False)], samples=[], visible=False,
                         label="Words that the model knows")  # fmt: skip

    def offer(text):
        found = words.completions(vocabulary, text)
        return gr.Dataset(samples=[[word] for word in found], visible=bool(found))

    def take(text, sample):
        return words.completed(text, sample[0]), gr.Dataset(samples=[], visible=False)

    prompt.input(offer, prompt, offered, trigger_mode="always_last", **QUICK)
    offered.click(take, [prompt, offered], [prompt, offered], **QUICK)


def _words(studio):
    """The words that the model knows, folded away."""
    vocabulary = vocabulary_of(studio.pipeline.model.preset)
    if not vocabulary:
        return
    with gr.Accordion("Words that the model knows", open=False):
        known = {kind: ", ".join(some) for kind, some in by_kind(spoken(vocabulary)).items()}
        gr.HTML(markup.record(known))
