"""The tab "Portrait"."""

from dataclasses import fields

import gradio as gr

from portrait.report import TITLES
from portrait.session import MAX_FACES
from portrait.settings import HELP, Settings, range_of
from portrait.web import markup, portraying
from portrait.web.portraying import PortraitForm
from portrait.web.tabs.parts import QUICK, begins, job_buttons, show

MOST = {"steps": 100, "border_steps": 100, "guidance": 15}  # of a slider: more is of no use


def tab(studio):
    """The tab "Portrait".

    Returns:
        (said, fields, restore, outputs): a place for sentences; {name: field} of `Settings`;
        restore(desk) gives the outputs what a browser has worked on.
    """
    gr.Markdown(
        "Drop a photo to paint into, and one of the face that it is to get; press **Paint**. "
        "Outside of the faces the photo keeps every bit."
    )
    with gr.Row():
        template, references = _photos()
    seen, said = gr.HTML(), gr.HTML()
    with gr.Row():
        picks = [
            gr.Dropdown([portraying.STAY], value=portraying.STAY, visible=False,
                        label=f"Face {i + 1} of the template becomes", min_width=200)
            for i in range(MAX_FACES)
        ]  # fmt: skip
    with gr.Row():
        words = [
            gr.Textbox(label="Prompt", placeholder="an old woman", info=HELP["prompt"]),
            gr.Textbox(label="Negative prompt", info=HELP["negative"]),
            gr.Number(Settings().seed, label="Seed", precision=0, min_width=90),
        ]
    numbers, again = _more()
    names = ["prompt", "negative", "seed", *numbers]
    inputs = [template, references, *picks, *words, *numbers.values()]

    def form_of(template, references, *values):
        picks, settings = values[:MAX_FACES], dict(zip(names, values[MAX_FACES:], strict=True))
        return PortraitForm(template, tuple(references or ()), picks, settings)

    def run_since(stage):
        def run(job, desk, *values):
            found = portraying.paint(studio, form_of(*values), desk, job, stage)
            for view, shown in found:
                yield show(view), *_outputs(shown)

        return run

    _, connect = job_buttons(studio, run_since(None), "Paint", lasting=True)
    work, steps = gr.HTML(), gr.HTML()
    slider = gr.ImageSlider(label="Before and after", visible=False, buttons=["fullscreen"],
                            max_height=640)  # fmt: skip
    file = gr.DownloadButton("Download at full resolution (PNG)", visible=False)
    outputs = [work, steps, slider, file]
    connect(inputs, outputs)
    for stage, button in again.items():
        begins(studio, button.click, run_since(stage), inputs, outputs, lasting=True)

    def look(template, references):
        widths = portraying.look(template).widths if template else ()
        given = portraying.choices(references, studio.people.names())
        chosen = portraying.matched(widths, given[1:]) if references else []
        chosen += [portraying.STAY] * (MAX_FACES - len(chosen))
        updates = [
            gr.update(choices=given, value=one, visible=i < len(widths))
            for i, one in enumerate(chosen)
        ]
        return seen_of(template, references), tell(template, references, *chosen), *updates

    def tell(template, references, *picks):
        if not template or all(pick == portraying.STAY for pick in picks):
            return markup.NONE
        form = PortraitForm(template, tuple(references or ()), picks)
        sentences, problem = portraying.check(studio, form)
        return markup.notice([problem], problem=True) if problem else markup.notice(sentences)

    new = template.upload, template.clear, references.upload, references.clear, references.delete
    for event in new:
        event(look, [template, references], [seen, said, *picks], **QUICK)
    for pick in picks:
        pick.input(tell, [template, references, *picks], said, **QUICK)

    def restore(desk):
        kept = desk.get(portraying.TAB)
        if kept is None:
            return [gr.skip()] * (len(inputs) + 4)
        form = kept["form"]
        given = portraying.choices(form.references, studio.people.names())
        there = len(portraying.look(form.template).widths)
        chosen = [
            gr.update(choices=given, value=pick, visible=i < there)
            for i, pick in enumerate(form.picks)
        ]
        photos = form.template, list(form.references)
        values = [form.settings[name] for name in names]
        seen_again = seen_of(*photos)
        return [*photos, *chosen, *values, seen_again, *_outputs(kept["shown"])]

    named = dict(zip(names, [*words, *numbers.values()], strict=True))
    return work, named, restore, [*inputs, seen, *outputs[1:]]


def _photos():
    """Where photos are dropped: (template, references)."""
    template = gr.File(
        label="Template: the photo to paint into", type="filepath", height=130, elem_id="template",
    )  # fmt: skip
    references = gr.File(
        label="Photos of faces, one for each face of the template from left to right",
        file_count="multiple", type="filepath", height=130, elem_id="references",
    )  # fmt: skip
    return template, references


def _more():
    """A slider for every number of the settings, grouped by stage, and a button for each group.

    Returns:
        (sliders by name, buttons by stage).
    """
    types = {one.name: one.type for one in fields(Settings)}
    sliders, buttons = {}, {}
    with gr.Accordion("More", open=False):
        gr.Markdown("Change what you like and press *From here*: that stage and those behind it "
                    "are made anew, the others are kept.")  # fmt: skip
        for stage, names in portraying.sliders().items():
            with gr.Accordion(TITLES[stage].capitalize(), open=False):
                for name in names:
                    low, high = range_of(name)
                    step = 1 if types[name] is int else 0.5 if name == "guidance" else 0.01
                    sliders[name] = gr.Slider(
                        low, MOST.get(name, high), getattr(Settings(), name), step=step,
                        label=name.replace("_", " ").capitalize(), info=HELP[name],
                    )  # fmt: skip
                buttons[stage] = gr.Button("From here", elem_id=f"from_{stage}")
    return sliders, buttons


def seen_of(template, references):
    """The photos with their faces, side by side, and a sentence about each: HTML."""
    photos = [("the template", template)] if template else []
    photos += [(f"photo {i}", path) for i, path in enumerate(references or (), 1)]
    figures = []
    for name, path in photos:
        found = portraying.look(path)
        text = f"{name}: {' '.join(found.sentences)}"
        image = "" if found.picture is None else markup.photo(found.picture, text)
        figures.append(markup.figure(image, text))
    return f'<div class="pair">{"".join(figures)}</div>' if figures else markup.NONE


def stages_shown(faces):
    """The stages of each face, with their masks: HTML."""
    rows = []
    for number, stages in enumerate(faces, 1):
        cells = []
        for title, picture, mask in stages:
            small = portraying.smaller(picture, 320)
            cells.append(markup.figure(markup.photo(small, title), title))
            if mask is not None:
                mask = portraying.smaller(mask, 320)
                cells.append(markup.figure(markup.photo(mask, "mask"), "where that was painted"))
        head = f"<h3>Face {number}</h3>" if len(faces) > 1 and stages else ""
        rows.append(f'{head}<div class="cells photos">{"".join(cells)}</div>')
    return "".join(rows)


def _outputs(shown):
    """What `portraying.paint` shows, for the outputs behind the first."""
    if shown is None:
        return [gr.skip()] * 3
    ready = shown.file is not None
    sides = (str(shown.before), str(shown.after)) if ready else None
    return [
        stages_shown(shown.faces),
        gr.update(value=sides, visible=ready, slider_position=shown.middle),
        gr.update(value=str(shown.file) if ready else None, visible=ready),
    ]
