"""The tab "People"."""

import gradio as gr

from common.cli import describe
from portrait.web import markup, people
from portrait.web.markup import NONE
from portrait.web.people import PersonForm
from portrait.web.tabs.parts import PHOTOS, QUICK, begins, job_buttons, show

NOUNS = [("no word", ""), "woman", "man", "girl", "boy"]
QUICKLY = " One photograph, or the best of several, is enough, in a minute, less exactly."
EVERY = 2.0  # seconds between two looks at a training


def tab(studio):
    """The tab "People"."""
    fast = people.can_learn_fast()
    gr.Markdown(
        "Drop at least five photographs of one person: the table says which count, and why the "
        "others do not. Then give the person a name, which is their word in prompts, and press "
        "**Learn**. It takes some minutes and goes on when this page is closed."
        + (QUICKLY if fast else "")
    )
    with gr.Row():
        files = gr.File(
            label="Photographs of one person", file_count="multiple", type="filepath",
            height=180, elem_id="person_photos",
        )  # fmt: skip
        with gr.Column(min_width=260):
            name = gr.Textbox(label="Name", placeholder="anna")
            noun = gr.Dropdown(NOUNS, value="", label="What the person is")
            steps = gr.Number(
                400, label="Steps", precision=0,
                info="400 take some minutes; after far fewer it is somebody else.",
            )  # fmt: skip
    inputs = [files, name, noun, steps]

    def run(what):
        def run_it(job, desk, files, *values):
            form = PersonForm(tuple(files or ()), *values)
            for view, table in what(studio, form, desk, job):
                yield show(view), gr.skip() if table is None else table

        return run_it

    _, connect = job_buttons(
        studio, run(people.learn), "Learn", PHOTOS, "Stop looking at photographs"
    )
    quick = gr.Button("Learn from one photograph", visible=fast)
    work = gr.HTML()
    training = gr.HTML()
    with gr.Row():
        stop = gr.Button("Stop learning", visible=False)
    table = gr.HTML()
    gr.Markdown("### People")
    listed = gr.HTML()
    with gr.Row():
        who = gr.Dropdown([], label="Person", min_width=200)
        go_on = gr.Button("Go on learning", min_width=140)
        delete = gr.Button("Delete ...", min_width=140)
    with gr.Row(visible=False) as sure:
        question = gr.HTML()
        really = gr.Button("Delete all files", variant="stop", min_width=140)
        keep = gr.Button("Keep", min_width=140)
    timer = gr.Timer(EVERY)

    connect(inputs, [work, table])
    begins(studio, quick.click, run(people.learn_fast), inputs, [work, table], PHOTOS)
    begins(studio, files.upload, run(people.survey), inputs, [work, table], PHOTOS)

    seen = gr.State()

    def look(seen, chosen):
        """What is shown of the training and of everybody; nothing where it is as it was."""
        running, there = studio.people.is_running(), list(studio.people.everybody())
        shown = show(people.progress_of(studio.people)) if studio.people.last else NONE
        everybody = people.list_shown(studio.people)
        if seen == (shown, everybody):
            return [gr.skip()] * 5
        chosen = chosen if chosen in there else next(iter(there), None)
        whose = gr.update(choices=there, value=chosen)
        return (shown, everybody), shown, gr.update(visible=running), everybody, whose

    def asked(name):
        if not name:
            return gr.update(visible=False), NONE
        said = (
            f"Delete {name}? The squares, the adapter and the pictures are removed from the disk."
        )
        return gr.update(visible=True), markup.notice([said], problem=True)

    def deleted(name):
        try:
            studio.people.delete(name)
            said = markup.notice([f"{name} is deleted."])
        except (ValueError, OSError) as error:
            said = markup.notice([describe(error)], problem=True)
        return gr.update(visible=False), said

    def resumed(name):
        try:
            return markup.notice([people.resume(studio.people, name)])
        except (ValueError, OSError) as error:
            return markup.notice([describe(error)], problem=True)

    outputs = [seen, training, stop, listed, who]
    timer.tick(look, [seen, who], outputs, queue=False, **QUICK)
    stop.click(lambda: studio.people.stop() and None, queue=False, **QUICK)
    go_on.click(resumed, who, work, **QUICK)
    delete.click(asked, who, [sure, question], **QUICK)
    really.click(deleted, who, [sure, work], **QUICK)
    keep.click(lambda: gr.update(visible=False), None, sure, **QUICK)
