"""The tab "Draw"."""

from dataclasses import replace

import gradio as gr

from ddpm.bundle import vocabulary_of
from ddpm.conditions.text import spoken
from ddpm.conditions.vocabulary import by_kind
from portrait.web import drawing, markup
from portrait.web.drawing import Form
from portrait.web.tabs.parts import QUICK, filled, job_buttons, settings_of, show


def tab(studio):
    """The tab "Draw". Returns its fields, in the order of `Form`."""
    form = Form()
    gr.Markdown(
        "Say what is to be seen, and press **Draw** (Ctrl-Enter). An empty prompt leaves it open."
    )
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            prompt = gr.Textbox(label="Prompt", placeholder="a smiling woman with glasses")
            negative = gr.Textbox(label="Negative prompt", placeholder="earrings")
            settings = settings_of(replace(form, new_seed=True))
            _words(studio)
        with gr.Column(scale=3, min_width=300):
            inputs, seed = [prompt, negative, *settings], settings[1]
            made = gr.State([])

            def run(job, desk, made, *values):
                for view in drawing.draw(studio, Form(*values), job):
                    gallery = gr.skip()
                    if view.files:
                        made = gallery = [*map(str, view.files), *made]
                    drawn = gr.skip() if view.seed is None else view.seed
                    yield show(view), gallery, made, drawn

            _, connect = job_buttons(studio, run, "Draw")
            work = gr.HTML()
            gallery = gr.Gallery(
                label="Pictures", columns=4, format="png", buttons=["download", "fullscreen"],
                object_fit="contain", height=420,
            )  # fmt: skip
            chosen, recipe = gr.State(), gr.HTML()
            again = gr.Button("Use the settings of the chosen picture", visible=False)
            connect([made, *inputs], [work, gallery, made, seed])

    def choose(made, event: gr.SelectData):
        _, found = drawing.look(made[event.index])
        return found, markup.record(found), gr.update(visible=True)

    def use(found):
        return filled(found)[1:]

    gallery.select(choose, made, [chosen, recipe, again], **QUICK)
    again.click(use, chosen, [work, *inputs], **QUICK)
    return inputs


def _words(studio):
    """The words that the model knows, folded away."""
    vocabulary = vocabulary_of(studio.pipeline.model.preset)
    if not vocabulary:
        return
    with gr.Accordion("Words that the model knows", open=False):
        known = {kind: ", ".join(words) for kind, words in by_kind(spoken(vocabulary)).items()}
        gr.HTML(markup.record(known))
