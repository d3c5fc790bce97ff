"""The tab "PNG info"."""

import gradio as gr

from common.cli import describe
from portrait.web import drawing, markup
from portrait.web.markup import NONE
from portrait.web.tabs.parts import QUICK, filled


def tab(form, tabs):
    """The tab "PNG info". It fills the fields of Draw."""
    gr.Markdown("Drop a picture that was made here: it carries its recipe.")
    with gr.Row():
        with gr.Column(min_width=300):
            file = gr.File(label="PNG", type="filepath", height=160)
            send = gr.Button("Send to Draw", variant="primary", elem_classes="begin")
        with gr.Column(min_width=300):
            sentences, shown, found = gr.HTML(), gr.HTML(), gr.State()

    def look(path):
        if path is None:
            return NONE, NONE, None
        try:
            image, recipe = drawing.look(path)
        except (ValueError, OSError) as error:
            return markup.notice([describe(error)], problem=True), NONE, None
        return (
            NONE,
            markup.picture(image, "the picture", "sheet") + markup.record(recipe),
            recipe,
        )

    def send_on(recipe):
        if recipe is None:
            said = markup.notice(["drop a picture first."], problem=True)
            return gr.skip(), said, *[gr.skip()] * len(form)
        fits, said, *values = filled(recipe)
        return gr.Tabs(selected="draw") if fits else gr.skip(), said, *values

    file.change(look, file, [sentences, shown, found], **QUICK)
    send.click(send_on, found, [tabs, sentences, *form], **QUICK)
