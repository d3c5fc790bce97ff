"""The tab "Paint in"."""

from dataclasses import replace

import gradio as gr

from portrait.web import painting
from portrait.web.painting import PaintForm
from portrait.web.tabs.parts import QUICK, by_name, job_buttons, settings_of, show

TAB = "paint"  # in a browser's desk: {"form": PaintForm without its canvas, "files": list of paths}


def tab(studio):
    """The tab "Paint in".

    Returns:
        (said, fields, restore, outputs): a place for sentences; {name: field} of `PaintForm`, but
        for the canvas; restore(desk) gives the outputs what a browser has worked on.
    """
    form = PaintForm()
    gr.Markdown(
        "Drop a picture, brush over what is to be painted anew, and say what is to be there. "
        "Without a stroke the head's square is painted, as far as the strength goes."
    )
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            canvas = gr.ImageEditor(
                label="Picture and brush", elem_id="canvas", type="numpy",
                sources=["upload", "clipboard"], transforms=(), layers=False, format="png",
                height=440,
                brush=gr.Brush(colors=["#ff3b30"], color_mode="fixed", default_size=24),
            )  # fmt: skip
            canvas.preprocess = painting.bounded(canvas.preprocess)
            prompt = gr.Textbox(label="Prompt", placeholder="an elderly man with a full beard")
            negative = gr.Textbox(label="Negative prompt")
            strength = gr.Slider(0, 1, form.strength, step=0.05, label="Strength")
            with gr.Accordion("Control pictures: hold on to what was there", open=False):
                held, beside = zip(*map(_control, painting.CONTROLS.items()), strict=True)
                look = gr.Button("Show the control pictures")
                said = gr.HTML()
            with gr.Accordion("More", open=False):
                whole = gr.Checkbox(False, label="See all of the picture's middle, not the head")
                settings = settings_of(replace(form, n=1))
        with gr.Column(scale=3, min_width=300):

            def run(job, desk, *values):
                kept = desk.setdefault(TAB, {"files": []})
                for view in painting.paint(studio, PaintForm(*values), job):
                    if view.seed is not None:  # not where a value was refused
                        kept["form"] = replace(PaintForm(*values), seed=view.seed, canvas=None)
                    files = kept["files"] = list(map(str, view.files)) or kept["files"]
                    yield show(view), files, gr.skip() if view.seed is None else view.seed

            _, connect = job_buttons(studio, run, "Paint", lasting=True)
            work = gr.HTML()
            gallery = gr.Gallery(
                label="Painted", columns=2, format="png", buttons=["download", "fullscreen"],
                object_fit="contain",
            )  # fmt: skip
    inputs = [prompt, negative, *settings, canvas, strength, whole, *held]

    def controls(*values):
        missing, shown = painting.show_controls(studio, PaintForm(*values))
        return missing, *shown.values()

    look.click(controls, inputs, [said, *beside], **QUICK)
    connect(inputs, [work, gallery, settings[1]])
    named = by_name(PaintForm, inputs)
    del named["canvas"]

    def restore(desk):
        kept = desk.get(TAB, {})
        if "form" not in kept:
            return [gr.skip()] * (1 + len(named))
        return [kept["files"], *(getattr(kept["form"], name) for name in named)]

    return work, named, restore, [gallery, *named.values()]


def _control(pair):
    """The strength of a control picture, and a place for the picture beside it."""
    kind, what = pair
    with gr.Row():
        strength = gr.Slider(0, 2, 0, step=0.1, label=f"{what.capitalize()} ({kind})", scale=3)
        with gr.Column(scale=1, min_width=96):
            picture = gr.HTML()
    return strength, picture
