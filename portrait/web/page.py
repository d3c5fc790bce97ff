"""The layout of the page. What a button does is in the other files; here its fields and its place
are joined to it."""

from dataclasses import fields, replace

import gradio as gr

from common.cli import describe
from ddpm.bundle import vocabulary_of
from ddpm.conditions.text import spoken
from ddpm.conditions.vocabulary import by_kind
from ddpm.core.samplers import SAMPLERS
from ddpm.core.schedule import SPACINGS
from portrait.web import drawing, lecture, markup, painting
from portrait.web.drawing import Form
from portrait.web.markup import NONE
from portrait.web.painting import PaintForm

TITLE = "Portraits from scratch"
MODEL = "model"  # all that draws waits in one queue, for there is one model
CSS = """
.gradio-container { max-width: min(1180px, 100vw) !important; margin: 0 auto !important; }
.tabs { min-width: 0; }
@media (max-width: 480px) {
  .tab-wrapper button { padding-left: 8px !important; padding-right: 8px !important; }
}
.notice { border-left: 4px solid #2a6fb0; padding: 4px 12px; margin: 4px 0;
  background: var(--background-fill-secondary); }
.notice.problem { border-left-color: #b7791f; }
.notice p, .work p { margin: 2px 0; }
.work progress { width: 100%; height: 10px; }
.sheet { max-width: 100%; max-height: 640px; display: block; margin: 6px auto; }
.cells { display: grid; gap: 10px; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.cells figure, .steps figure { margin: 0; min-width: 0; }
.cells img, .steps img { width: 100%; image-rendering: pixelated; display: block; }
.cells svg, .curves svg { width: 100%; height: auto; display: block; }
figcaption { font-size: 0.85rem; overflow-wrap: anywhere; }
figcaption code, .equations code { font-size: 0.7rem; opacity: 0.85; }
.scroll { overflow-x: auto; max-width: calc(100vw - 64px); }
.steps table { border-collapse: collapse; }
.steps th, .steps td { padding: 4px 6px; text-align: left; vertical-align: top; }
.steps td { width: 130px; min-width: 96px; }
.equations p { font-family: var(--font-mono); font-size: 0.9rem; margin: 5px 0;
  overflow-wrap: anywhere; }
dl.recipe { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; margin: 6px 0; }
dl.recipe dt { opacity: 0.75; } dl.recipe dd { margin: 0; overflow-wrap: anywhere; }
"""
# Ctrl-Enter presses the main button of the tab that is shown.
HEAD = """<script>
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const shown = [...document.querySelectorAll(".begin button, button.begin")]
    .find((button) => button.offsetParent !== null);
  if (shown) { event.preventDefault(); shown.click(); }
});
</script>"""


def make_theme():
    """Gradio's default with the system's own fonts."""
    sans = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    mono = ["ui-monospace", "Menlo", "Consolas", "monospace"]
    return gr.themes.Default(font=sans, font_mono=mono)


def make_page(studio):
    """All tabs: `gr.Blocks`.

    Args:
        studio: `studio.Studio`.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(f"# {TITLE}\n{studio.name}, {studio.pipeline.size} px. Nothing that you do "
                    "here leaves this machine.")  # fmt: skip
        with gr.Tabs() as tabs:
            with gr.Tab("Draw", id="draw"):
                form = _draw_tab(studio)
            with gr.Tab("Paint in", id="paint"):
                _paint_tab(studio)
            with gr.Tab("How it works", id="lecture"):
                _lecture_tab(studio)
            with gr.Tab("PNG info", id="info"):
                _info_tab(form, tabs)
    page.queue(default_concurrency_limit=8, max_size=64)
    return page


def job_buttons(studio, run, word):
    """A button that begins a job, and one that stops it.

    Args:
        studio: `studio.Studio`.
        run: (gr.Request, *values of fields) -> iterator of outputs.
        word: on the first button.

    Returns:
        (buttons, connect): connect(inputs, outputs) joins them to fields.
    """
    with gr.Row():
        begin = gr.Button(word, variant="primary", elem_classes="begin")
        stop = gr.Button("Stop")

    def ask(request: gr.Request):
        studio.jobs.ask(request.session_hash)

    def halt(request: gr.Request):
        studio.jobs.stop(request.session_hash)

    def work(request: gr.Request, *values):
        job = studio.jobs.begin(request.session_hash)
        try:
            yield from run(job, *values)
        finally:
            studio.jobs.end(request.session_hash, job)

    def connect(inputs, outputs):
        quick = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        begin.click(ask, **quick).then(
            work,
            inputs,
            outputs,
            concurrency_limit=1,
            concurrency_id=MODEL,
            trigger_mode="multiple",
            show_progress="hidden",
            api_visibility="private",
        )
        stop.click(halt, **quick)

    return begin, connect


def show(view):
    """What a `View` looks like: HTML."""
    shown = markup.notice([view.problem], problem=True) if view.problem else NONE
    if view.share is not None:
        shown += markup.progress(view.share, view.status)
    elif view.status:
        shown += markup.notice([view.status])
    if view.preview is not None:
        shown += markup.picture(view.preview, "the pictures so far", "sheet")
    return shown + markup.notice(view.notes)


def _settings(form):
    """The fields of a `Form` behind its words, in its order, with the form's values."""
    with gr.Row():
        n = gr.Number(form.n, label="Pictures", precision=0, min_width=90)  # fmt: skip
        seed = gr.Number(form.seed, label="Seed", precision=0, min_width=110)
    new_seed = gr.Checkbox(form.new_seed, label="A new seed each time")
    guidance = gr.Slider(0, 15, form.guidance, step=0.5, label="Guidance by the words")
    steps = gr.Slider(1, 100, form.steps, step=1, label="Steps")
    with gr.Row():
        sampler = gr.Dropdown(list(SAMPLERS), value=form.sampler, label="Sampler", min_width=120)
        spacing = gr.Dropdown(list(SPACINGS), value=form.spacing, label="Spacing", min_width=120)
    return [n, seed, new_seed, guidance, steps, sampler, spacing]


# --- Draw


def _draw_tab(studio):
    """The tab "Draw". Returns its fields, in the order of `Form`."""
    form = Form()
    gr.Markdown(
        "Say what is to be seen, and press **Draw** (Ctrl-Enter). An empty prompt leaves it open."
    )
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            prompt = gr.Textbox(label="Prompt", placeholder="a smiling woman with glasses")
            negative = gr.Textbox(label="Negative prompt", placeholder="earrings")
            settings = _settings(replace(form, new_seed=True))
            _words(studio)
        with gr.Column(scale=3, min_width=300):
            inputs, seed = [prompt, negative, *settings], settings[1]
            made = gr.State([])

            def run(job, made, *values):
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
        return _filled(found)[1:]

    quick = {"show_progress": "hidden", "api_visibility": "private"}
    gallery.select(choose, made, [chosen, recipe, again], **quick)
    again.click(use, chosen, [work, *inputs], **quick)
    return inputs


def _filled(recipe):
    """A recipe in the fields of Draw.

    Returns:
        (whether it fits, HTML of sentences, *values): they stay as they are where it does not.
    """
    try:
        form = drawing.form_of(recipe)
    except (ValueError, OSError) as error:
        skipped = [gr.skip()] * len(fields(Form))
        return False, markup.notice([describe(error)], problem=True), *skipped
    said = markup.notice(["The fields are those of the picture: press Draw."])
    return True, said, *vars(form).values()


def _words(studio):
    """The words that the model knows, folded away."""
    vocabulary = vocabulary_of(studio.pipeline.model.preset)
    if not vocabulary:
        return
    with gr.Accordion("Words that the model knows", open=False):
        known = {kind: ", ".join(words) for kind, words in by_kind(spoken(vocabulary)).items()}
        gr.HTML(markup.record(known))


# --- Paint in


def _paint_tab(studio):
    """The tab "Paint in"."""
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
            prompt = gr.Textbox(label="Prompt", placeholder="an elderly man with a full beard")
            negative = gr.Textbox(label="Negative prompt")
            strength = gr.Slider(0, 1, form.strength, step=0.05, label="Strength")
            with gr.Accordion("More", open=False):
                whole = gr.Checkbox(False, label="See all of the picture's middle, not the head")
                settings = _settings(replace(form, n=1))
        with gr.Column(scale=3, min_width=300):

            def run(job, *values):
                for view in painting.paint(studio, PaintForm(*values), job):
                    files = list(map(str, view.files)) or gr.skip()
                    yield show(view), files, gr.skip() if view.seed is None else view.seed

            _, connect = job_buttons(studio, run, "Paint")
            work = gr.HTML()
            gallery = gr.Gallery(
                label="Painted", columns=2, format="png", buttons=["download", "fullscreen"],
                object_fit="contain",
            )  # fmt: skip
    inputs = [prompt, negative, *settings, canvas, strength, whole]
    connect(inputs, [work, gallery, settings[1]])


# --- How it works


def _lecture_tab(studio):
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

    def run(job, *values):
        for view, way in lecture.walk(studio, form_of(*values), job):
            if way is None:
                yield show(view), *[gr.skip()] * 5
            else:
                slider = gr.update(maximum=len(way.timesteps) - 1, value=0)
                yield show(view), way, slider, *panels(way, 0)

    def panels(way, i):
        if way is None:
            return [gr.skip()] * 3
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

    gr.Markdown("### Samplers from the same noise")

    def run_all(job, *values):
        for view, cells in lecture.compare(studio, form_of(*values), job):
            yield show(view), lecture.compared(cells)

    _, connect = job_buttons(studio, run_all, "Compare the samplers")
    work, sheet = gr.HTML(), gr.HTML()
    connect([prompt, seed, guidance, steps], [work, sheet])


# --- PNG info


def _info_tab(form, tabs):
    """The tab "PNG info". It fills the fields of Draw."""
    gr.Markdown("Drop a picture that was made here: it carries its recipe.")
    with gr.Row():
        with gr.Column(min_width=300):
            file = gr.File(label="PNG", file_types=[".png"], type="filepath", height=160)
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
        fits, said, *values = _filled(recipe)
        return gr.Tabs(selected="draw") if fits else gr.skip(), said, *values

    quick = {"show_progress": "hidden", "api_visibility": "private"}
    file.change(look, file, [sentences, shown, found], **quick)
    send.click(send_on, found, [tabs, sentences, *form], **quick)
