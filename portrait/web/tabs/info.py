"""The tab "PNG info"."""

import gradio as gr

from common.cli import describe
from portrait.web import drawing, markup, sending
from portrait.web.markup import NONE
from portrait.web.tabs.parts import QUICK, filled

SEND = "Send to its tab"  # while it is not known which


def tab(studio, tabs, goals):
    """The tab "PNG info". It fills the fields of the tab that makes such pictures.

    Args:
        studio: `studio.Studio`.
        tabs: `gr.Tabs`.
        goals: {id of a tab: (a place for sentences, {name: field})}.
    """
    gr.Markdown("Drop a picture that was made here: it carries its recipe.")
    with gr.Row():
        with gr.Column(min_width=300):
            file = gr.File(label="PNG", type="filepath", height=160)
            send = gr.Button(SEND, variant="primary", elem_classes="begin")
        with gr.Column(min_width=300):
            sentences, shown, found = gr.HTML(), gr.HTML(), gr.State()

    def read(recipe):
        """(`sending.Sent` or None, HTML of sentences)."""
        if recipe is None:
            return None, markup.notice(["drop a picture first."], problem=True)
        try:
            sent = sending.read(recipe, studio.pipeline.size)
        except (ValueError, OSError) as error:
            return None, markup.notice([describe(error)], problem=True)
        return sent, markup.notice(sent.before)

    def look(path):
        if path is None:
            return NONE, NONE, None, SEND
        try:
            image, recipe = drawing.look(path)
        except (ValueError, OSError) as error:
            return markup.notice([describe(error)], problem=True), NONE, None, SEND
        sent, said = read(recipe)
        picture = markup.picture(image, "the picture", "sheet") + markup.record(recipe)
        return said, picture, recipe, f"Send to {sending.NAMES[sent.tab]}" if sent else SEND

    def send_on(recipe):
        sent, said = read(recipe)
        updates = []
        for goal, (_, fields) in goals.items():
            if sent and sent.tab == goal:
                updates += [markup.notice(sent.after), *filled(sent.values, fields)]
            else:
                updates += [gr.skip()] * (1 + len(fields))
        return gr.Tabs(selected=sent.tab) if sent else gr.skip(), said, *updates

    filled_in = [one for place, fields in goals.values() for one in (place, *fields.values())]
    file.change(look, file, [sentences, shown, found, send], **QUICK)
    send.click(send_on, found, [tabs, sentences, *filled_in], **QUICK)
