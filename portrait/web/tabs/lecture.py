"""The tab "How it works"."""

import gradio as gr

from portrait.web import adapting, attention, lecture
from portrait.web.drawing import Form
from portrait.web.tabs.parts import QUICK, job_buttons, show


def tab(studio):
    """The tab "How it works"."""
    schedule = studio.pipeline.schedule
    gr.Markdown(
        "Draw one picture and keep every level of its way from noise; then move the slider. Every "
        "panel names the file and the line that does it."
    )
    with gr.Row():
        prompt = gr.Textbox(label="Prompt", value="", scale=2, min_width=220)
        seed = gr.Number(0, label="Seed", precision=0, min_width=90)
        guidance = gr.Slider(0, 15, 3, step=0.5, label="Guidance", min_width=220)
        steps = gr.Slider(2, 60, 20, step=1, label="Steps", min_width=220)

    def form_of(prompt, seed, guidance, steps):
        given = {"prompt": prompt, "seed": seed, "guidance": guidance, "steps": steps}
        return Form(**given, spacing="uniform")

    def run(job, desk, *values):
        for view, way in lecture.walk(studio, form_of(*values), job):
            if way is None:
                yield show(view), *[gr.skip()] * 5
            else:
                slider = gr.update(maximum=len(way.timesteps) - 1, value=0)
                yield show(view), way, slider, *panels(way, 0)

    def panels(way, i):
        if way is None:
            return [gr.skip()] * 3
        i = max(0, min(int(i or 0), len(way.timesteps) - 1))
        at = lecture.level(way, i)
        shown = lecture.panels(way, i), lecture.equations_shown(way, i)
        return *shown, lecture.curves(schedule, at.t)

    _, connect = job_buttons(studio, run, "Draw its way")
    work, way = gr.HTML(), gr.State()
    level = gr.Slider(0, 19, 0, step=1, label="Level, from noise to picture")
    images, equations = gr.HTML(), gr.HTML()
    plots = gr.HTML(lecture.curves(schedule))
    connect([prompt, seed, guidance, steps], [work, way, level, images, equations, plots])
    level.change(  # by mouse and by keyboard; `input` tells of the mouse alone
        panels, [way, level], [images, equations, plots], show_progress="hidden",
        trigger_mode="always_last", concurrency_limit=1, api_visibility="private",
    )  # fmt: skip

    _attention(studio, way, level)

    gr.Markdown("### Guidance swept, from the same noise")

    def run_sweep(job, desk, *values):
        for view, pictures in lecture.sweep(studio, form_of(*values), job):
            yield show(view), lecture.swept(pictures)

    _, connect = job_buttons(studio, run_sweep, "Sweep the guidance")
    work, row = gr.HTML(), gr.HTML()
    connect([prompt, seed, guidance, steps], [work, row])

    gr.Markdown("### Samplers from the same noise")

    def run_all(job, desk, *values):
        for view, cells in lecture.compare(studio, form_of(*values), job):
            yield show(view), lecture.compared(cells)

    _, connect = job_buttons(studio, run_all, "Compare the samplers")
    work, sheet = gr.HTML(), gr.HTML()
    connect([prompt, seed, guidance, steps], [work, sheet])

    _adapter(studio, form_of, [prompt, seed, guidance, steps])


def _attention(studio, way, level):
    """What a pixel and the words look at, at the level that is chosen."""
    gr.Markdown("### Attention at this level")
    with gr.Row():
        across = gr.Slider(0, 100, 50, step=1, label="Pixel: across, percent", min_width=200)
        down = gr.Slider(0, 100, 45, step=1, label="Pixel: down, percent", min_width=200)

    def shown_at(maps, *percent):
        return attention.shown(maps, *(max(0, min((one or 0) / 100, 1)) for one in percent))

    def run(job, desk, way, i, across, down):
        for view, maps in attention.look(studio, way, i, job):
            shown = gr.skip() if maps is None else shown_at(maps, across, down)
            yield show(view), gr.skip() if maps is None else maps, shown

    _, connect = job_buttons(studio, run, "Show the attention")
    work, maps, shown = gr.HTML(), gr.State(), gr.HTML()
    connect([way, level, across, down], [work, maps, shown])

    def move(maps, across, down):
        return gr.skip() if maps is None else shown_at(maps, across, down)

    for slider in (across, down):
        slider.change(move, [maps, across, down], shown, trigger_mode="always_last", **QUICK)


def _adapter(studio, form_of, fields):
    """What a person's adapter changes, block by block."""
    gr.Markdown("### What an adapter changes, block by block")
    names = studio.people.names()
    who = gr.Dropdown(names, value=next(iter(names), None), label="Person who is learned")

    def run(job, desk, name, *values):
        for view, changes in adapting.look(studio, form_of(*values), name, job):
            yield show(view), gr.skip() if changes is None else adapting.shown(changes)

    _, connect = job_buttons(studio, run, "Take it apart")
    work, rows = gr.HTML(), gr.HTML()
    connect([who, *fields], [work, rows])
    # Somebody may have been learned since the page was opened.
    who.focus(lambda: gr.update(choices=studio.people.names()), None, who, **QUICK)
