"""The tab "Faces"."""

import gradio as gr

from portrait.web import sorting
from portrait.web.sorting import FacesForm
from portrait.web.tabs.parts import PHOTOS, job_buttons, show

TAB = "faces"  # in a browser's desk: the table and the path of the zip file


def tab(studio):
    """The tab "Faces".

    Returns:
        (restore, outputs): restore(desk) gives the outputs what a browser has worked on.
    """
    form = FacesForm()
    gr.Markdown(
        "Drop photographs, and take what is made of them home in one file: sorted by likeness and "
        "quality, the heads cut out, a page with reasons."
    )
    with gr.Row():
        with gr.Column(min_width=300):
            files = gr.File(
                label="Photographs", file_count="multiple", type="filepath", height=180,
                elem_id="photographs",
            )  # fmt: skip
        with gr.Column(min_width=300):
            works = gr.CheckboxGroup(
                [(text, word) for word, text in sorting.WORKS.items()], value=list(form.works),
                label="What is wanted",
            )  # fmt: skip
            with gr.Row():
                top = gr.Number(form.top, label="How many of the best", precision=0, min_width=90)
                size = gr.Number(form.size, label="Size of heads, px", precision=0, min_width=90)
                template = gr.Dropdown(
                    [("the head", "portrait"), ("the face alone", "arcface")],
                    value=form.template, label="Cut out", min_width=120,
                )  # fmt: skip

    def run(job, desk, files, works, *values):
        form = FacesForm(tuple(files or ()), tuple(works or ()), *values)
        for view, table, file in sorting.sort(studio, form, job):
            if file is not None:
                desk[TAB] = table or "", str(file)
            yield show(view), *restore(desk)

    def restore(desk):
        table, file = desk.get(TAB, ("", None))
        return table, gr.update(value=file, visible=file is not None)

    _, connect = job_buttons(studio, run, "Sort", PHOTOS)
    work = gr.HTML()
    file = gr.DownloadButton("Download everything (zip)", visible=False)
    table = gr.HTML()
    connect([files, works, top, size, template], [work, table, file])
    return restore, [table, file]
