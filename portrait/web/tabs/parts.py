"""What several tabs share: the buttons of a job, the fields of a form, what a view looks like."""

import dataclasses

import gradio as gr

from common.cli import count, describe
from ddpm.cli import SIZE_CROP
from ddpm.core.samplers import SAMPLERS
from ddpm.core.schedule import SPACINGS
from portrait.web import guard, markup
from portrait.web.drawing import View
from portrait.web.framing import BY_NUMBERS, FRAMINGS
from portrait.web.jobs import FULL
from portrait.web.markup import NONE

# All that draws waits in one queue, for there is one model; what measures photos in another.
MODEL, PHOTOS = "model", "photos"
QUICK = {"show_progress": "hidden", "api_visibility": "private"}  # of events without a job
# In the browser: a sentence about what was wrong goes as soon as a field is changed. It is hidden,
# not written over: a canvas that is shown again says that it was changed, too, and what a script is
# given of the page may be older than what is seen. `page.HEAD` shows it when a job begins.
_HIDE_PROBLEMS = """() => { for (const one of document.querySelectorAll(".notice.problem"))
  if (one.offsetParent !== null) one.hidden = true; }"""


def check_nothing():
    """Let every value of a field through: Gradio's own checks say "Error" in red, while the work
    refuses what it cannot use with the sentence of the shell."""
    # In the class, for Gradio makes a component anew whenever one of its properties changes.
    gr.Slider.preprocess = gr.Dropdown.preprocess = lambda component, value: value


def job_buttons(studio, run, word, queue=MODEL, halted="Stop", lasting=False):
    """A button that begins a job, one that stops it, and one that cancels the last that waits.

    Args:
        studio: `studio.Studio`.
        run: as of `begins`.
        word: on the first button.
        queue, lasting: as of `begins`.
        halted: on the second button.

    Returns:
        (button, connect): connect(inputs, outputs) joins them to fields.
    """
    with gr.Row():
        begin = gr.Button(word, variant="primary", elem_classes="begin")
        stop = gr.Button(halted)
        cancel = gr.Button("Cancel the last that waits", size="sm", min_width=120)

    def halt(request: gr.Request):
        if not studio.jobs.stop((request.session_hash, queue)):
            studio.jobs.stop((browser_of(request), queue))  # one that a page has left behind

    def cancel_last(request: gr.Request):
        found = studio.jobs.cancel((request.session_hash, queue))
        gr.Info("The last that waited is cancelled." if found else "Nothing waits here.")

    def connect(inputs, outputs):
        begins(studio, begin.click, run, inputs, outputs, queue, lasting)
        stop.click(halt, queue=False, **QUICK)
        cancel.click(cancel_last, **QUICK)  # in Gradio's queue, without which it tells nothing
        changed = [
            getattr(one, name)
            for one in inputs
            for name in ("input", "upload", "clear")
            if hasattr(one, name)
        ]
        gr.on(changed, None, js=_HIDE_PROBLEMS, queue=False, **QUICK)

    return begin, connect


def begins(studio, event, run, inputs, outputs, queue=MODEL, lasting=False):
    """Have an event begin a job.

    Args:
        studio: `studio.Studio`.
        event: such as a button's `click`.
        run: (job, desk, *values of inputs) -> iterator of outputs; desk is a dict of the browser's
            work.
        inputs, outputs: components.
        queue: `MODEL` or `PHOTOS`, in which it waits for its turn.
        lasting: whether it goes on when its page is closed, for what it makes is kept on the desk;
            only of `MODEL`, whose lock lets one at a time draw.
    """

    def ask(request: gr.Request):
        before = studio.jobs.count(queue)
        try:
            studio.jobs.ask((request.session_hash, queue))
        except ValueError as error:  # without a toast; `refuse` says it
            raise gr.Error(describe(error), visible=False, print_exception=False) from None
        if not before:
            return gr.skip()
        return show(View(f"Waiting; {count(before, 'job')} before this one.", 0.0))

    def work(request: gr.Request, *values):
        page = request.session_hash, queue
        job = studio.jobs.begin(page)

        def steps():
            try:
                yield from run(job, desk_of(studio, request), *values)
            finally:
                studio.jobs.end(page, job)

        if lasting:
            yield from studio.jobs.outlive(steps())
        else:
            yield from steps()

    def forget(request: gr.Request):
        studio.jobs.forget((request.session_hash, queue))

    def refuse():
        gr.Warning(FULL)  # too, for a job of the page that runs writes over the sentence
        return markup.notice([FULL], problem=True)

    asked = event(ask, None, said_of(outputs), queue=False, **QUICK)
    asked.failure(refuse, None, said_of(outputs), **QUICK)
    worked = asked.success(
        work,
        inputs,
        outputs,
        concurrency_limit=1,
        concurrency_id=queue,
        trigger_mode="multiple",
        **QUICK,
    )
    worked.failure(forget, queue=False, **QUICK)  # a value of a field was refused


def desk_of(studio, request):
    """What the browser of a `gr.Request` has worked on: dict of each tab's own."""
    return studio.desk(browser_of(request))


def browser_of(request):
    """What tells the browser of a `gr.Request` from others: str."""
    return guard.browser_of(request.headers.get("cookie", "")) or request.session_hash


def said_of(outputs):
    """The one of a job's outputs that holds sentences."""
    return next(one for one in outputs if isinstance(one, gr.HTML))


def leaving(studio):
    """A handler for a page that is closed or loaded anew."""

    def leave(request: gr.Request):
        for queue in (MODEL, PHOTOS):
            page, heir = (request.session_hash, queue), (browser_of(request), queue)
            studio.jobs.leave(page, heir)

    return leave


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


def settings_of(form):
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
    return [n, seed, new_seed, guidance, steps, sampler, spacing, *_framing_of(form)]


def _framing_of(form):
    """The fields of the framing, in the order of `Form`; its numbers are seen where they count."""
    framing = gr.Dropdown(
        list(FRAMINGS), value=form.framing, label="Framing",
        info="how the head lies in the picture; as trained: whole, in the middle, sharp",
    )  # fmt: skip
    with gr.Row(visible=form.framing == BY_NUMBERS) as row:
        numbers = [
            gr.Textbox(getattr(form, name), label=f"{name.replace('_', ' ').capitalize()}, px",
                       placeholder=shape, min_width=90)
            for name, (shape, _) in SIZE_CROP.items()
        ]  # fmt: skip
    framing.change(lambda word: gr.Row(visible=word == BY_NUMBERS), framing, row, **QUICK)
    return [framing, *numbers]


def by_name(form, inputs):
    """Fields in the order of a form by their names there: {name: component}.

    Args:
        form: a dataclass, such as `Form`.
        inputs: as many components.
    """
    return dict(zip((one.name for one in dataclasses.fields(form)), inputs, strict=True))


def filled(values, fields):
    """Values in the fields of a tab, where a slider that ends before its value is extended.

    Args:
        values: {name: value}, such as of `sending.Sent`.
        fields: {name: component}.

    Returns:
        Updates, one a field.
    """
    updates = []
    for name, field in fields.items():
        wide = {}
        if isinstance(field, gr.Slider):
            wide = {"maximum": max(field.maximum, values[name])}
        updates.append(gr.update(value=values[name], **wide))
    return updates
