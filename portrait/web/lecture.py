"""What the tab "How it works" shows: one picture's way from noise, level by level, and samplers
side by side."""

import inspect
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ddpm.core.prediction import target, to_eps, to_x0
from ddpm.core.samplers import SAMPLERS, PictureNoise, sample_ddim
from ddpm.core.schedule import SPACINGS, Schedule
from ddpm.core.wrappers import guided
from ddpm.pipeline import Request, check_request
from portrait.web import drawing, markup
from portrait.web.jobs import Clock, Watched

ROOT = Path(__file__).resolve().parents[2]
COUNTS = (2, 4, 8, 16)  # steps at which samplers are compared
WEIGHTS = (1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0)  # of guidance, side by side
# How x0_hat follows from what a network predicts, as `to_x0` computes it: (with names, with
# numbers of alpha and sigma).
_X0 = {
    "v": ("x0_hat = alpha x_t - sigma v", "x0_hat = {alpha:.4f} x_t - {sigma:.4f} v"),
    "eps": ("x0_hat = (x_t - sigma eps) / alpha", "x0_hat = (x_t - {sigma:.4f} eps) / {alpha:.4f}"),
    "x0": ("x0_hat = x0: the network predicts it", "x0_hat = x0"),
}
# Of the curves, in units of the drawing.
_WIDTH, _HEIGHT, _LEFT, _TOP = 320, 130, 34, 8


@dataclass(frozen=True)
class Way:
    """A picture's way from noise by DDIM without fresh noise.

    Args:
        schedule: `Schedule`.
        kind: what the network predicts: "eps", "x0" or "v".
        decode: what is diffused -> uint8 pictures.
        timesteps: int (n,), falling.
        x_t, x0_hat: float32 (n, H, W, C), of what is diffused.
        request: `Request` that it was drawn for.
    """

    schedule: Schedule
    kind: str
    decode: object
    timesteps: np.ndarray
    x_t: np.ndarray
    x0_hat: np.ndarray
    request: Request


@dataclass(frozen=True)
class Level:
    """One step of a way, in numbers.

    Args:
        t: timestep; `next_t` the one that is gone to, None for the clean picture.
        alpha, sigma, log_snr: of t.
        next_alpha, next_sigma: of the level that is gone to.
        x_t, prediction, x0_hat, eps_hat, x_s: float32 (H, W, C); x_s is x at the next level.
    """

    t: int
    next_t: int | None
    alpha: float
    sigma: float
    log_snr: float
    next_alpha: float
    next_sigma: float
    x_t: np.ndarray
    prediction: np.ndarray
    x0_hat: np.ndarray
    eps_hat: np.ndarray
    x_s: np.ndarray


def source_of(thing):
    """Where a function, a class or a property stands: "ddpm/core/samplers.py:88"."""
    thing = getattr(thing, "fget", None) or getattr(thing, "func", None) or thing
    thing = inspect.unwrap(thing)
    path = Path(inspect.getsourcefile(thing)).resolve().relative_to(ROOT)
    return f"{path.as_posix()}:{inspect.getsourcelines(thing)[1]}"


def walk(studio, form, job):
    """Draw one picture and keep every level.

    Args:
        studio: `studio.Studio`.
        form: `drawing.Form`; its number and sampler are not used.
        job: `jobs.Job`.

    Yields:
        (`drawing.View`, way): `Way` with the last view of a walk that reached its end, else None.
    """
    yield from drawing.explained(_walk(studio, form, job), lambda view: (view, None))


def _walk(studio, form, job):
    pipeline, model = studio.pipeline, studio.pipeline.model
    request = drawing.request_of(replace(form, n=1, sampler="ddim"))
    check_request(request, model.preset, studio.name)
    timesteps = SPACINGS[request.spacing](pipeline.schedule, request.steps)
    shape = (model.config.image_size, model.config.image_size, model.config.channels)
    noise, kept = PictureNoise(request.seed, [0], shape), []
    with studio.model:
        denoise, clock = pipeline.denoiser(request), Clock(len(timesteps))

        def work(tell):
            def denoise_and_keep(x_t, t):
                x0_hat = denoise(x_t, t)
                kept.append((x_t[0], x0_hat[0]))
                tell(len(kept))
                return x0_hat

            return sample_ddim(denoise_and_keep, pipeline.schedule, timesteps, noise(), noise)

        watched = Watched(work, job)
        for done in watched:
            clock.step()
            status = f"Step {done} of {len(timesteps)}."
            yield drawing.View(status, done / len(timesteps)), None
    if watched.result is None:
        yield drawing.View("Stopped."), None
        return
    x_t, x0_hat = (np.float32(arrays) for arrays in zip(*kept, strict=True))
    kind = model.preset.objective.prediction
    decode = model.codec.decode
    way = Way(pipeline.schedule, kind, decode, timesteps, x_t, x0_hat, request)
    yield drawing.View("Move the slider.", notes=tuple(pipeline.notes(request))), way


def level(way, i):
    """Step i of a way, 0 being pure noise: `Level`."""
    schedule, t, last = way.schedule, int(way.timesteps[i]), i + 1 == len(way.timesteps)
    alpha, sigma = float(schedule.alpha[t]), float(schedule.sigma[t])
    next_t = None if last else int(way.timesteps[i + 1])
    next_alpha = 1.0 if last else float(schedule.alpha[next_t])
    next_sigma = 0.0 if last else float(schedule.sigma[next_t])
    x_t, x0_hat = way.x_t[i], way.x0_hat[i]
    eps_hat = to_eps(x_t, x0_hat, alpha, sigma)
    return Level(
        t=t,
        next_t=next_t,
        alpha=alpha,
        sigma=sigma,
        log_snr=float(schedule.log_snr[t]),
        next_alpha=next_alpha,
        next_sigma=next_sigma,
        x_t=x_t,
        prediction=target(way.kind, x0_hat, eps_hat, alpha, sigma),
        x0_hat=x0_hat,
        eps_hat=eps_hat,
        x_s=next_alpha * x0_hat + next_sigma * eps_hat,
    )


def panels(way, i):
    """The pictures of step i, each with its source: HTML."""
    at = level(way, i)
    # Noise is wider than the range of pixels, so it is shown at a third of its contrast.
    shown = {
        "x_t": (at.x_t, f"x_t at t = {at.t}", sample_ddim),
        "prediction": (at.prediction, f"x0_hat as {way.kind}, which the network predicts", target),
        "x0_hat": (at.x0_hat, "x0_hat, after guidance and clipping", to_x0),
        "eps_hat": (at.eps_hat / 3, "eps_hat, a third of its contrast", to_eps),
        "x_s": (at.x_s, "x at the next level", sample_ddim),
    }
    images = way.decode(np.stack([array for array, _, _ in shown.values()]))
    figures = [
        markup.figure(markup.picture(image, caption), caption, source_of(made_by))
        for image, (_, caption, made_by) in zip(images, shown.values(), strict=True)
    ]
    return f'<div class="cells">{"".join(figures)}</div>'


def equations(way, i):
    """The equations of step i with its numbers, and one pixel's: list of (line, source)."""
    at, (named, counted) = level(way, i), _X0[way.kind]
    middle = (len(at.x_t) // 2, len(at.x_t) // 2, 0)
    x_s, x0, eps = (float(array[middle]) for array in (at.x_s, at.x0_hat, at.eps_hat))
    to = "the clean picture" if at.next_t is None else f"t = {at.next_t}"
    numbers = {"alpha": at.alpha, "sigma": at.sigma}
    return [
        (f"t = {at.t}: alpha = {at.alpha:.4f}, sigma = {at.sigma:.4f}, "
         f"log-SNR = {at.log_snr:.2f}", source_of(Schedule)),
        (f"x_t = alpha x0 + sigma eps = {at.alpha:.4f} x0 + {at.sigma:.4f} eps",
         source_of(Schedule)),
        (f"{named};  {counted.format(**numbers)}", source_of(to_x0)),
        (f"eps_hat = (x_t - alpha x0_hat) / sigma = (x_t - {at.alpha:.4f} x0_hat) / "
         f"{at.sigma:.4f}", source_of(to_eps)),
        (f"to {to}: x_s = alpha_s x0_hat + sigma_s eps_hat = {at.next_alpha:.4f} x0_hat + "
         f"{at.next_sigma:.4f} eps_hat", source_of(sample_ddim)),
        (f"the middle pixel, its first channel: {x_s:.3f} = {at.next_alpha:.4f} * {x0:.3f} + "
         f"{at.next_sigma:.4f} * {eps:.3f}", source_of(sample_ddim)),
    ]  # fmt: skip


def equations_shown(way, i):
    """`equations` as HTML."""
    lines = "".join(
        f"<p>{markup.escape(line)} <code>{markup.escape(source)}</code></p>"
        for line, source in equations(way, i)
    )
    return f'<div class="equations">{lines}</div>'


def curves(schedule, t=None):
    """alpha, sigma and log-SNR over the levels, with one of them marked: HTML.

    Args:
        schedule: `Schedule`.
        t: the timestep to mark; None marks none.
    """
    shares = {"alpha": (schedule.alpha, "#c2410c"), "sigma": (schedule.sigma, "#2563eb")}
    noise = {"log-SNR": (schedule.log_snr, "#15803d")}
    low, high = np.floor(schedule.log_snr.min()), np.ceil(schedule.log_snr.max())
    figures = [
        markup.figure(_plot(shares, 0, 1, t), "alpha and sigma over t", source_of(Schedule.alpha)),
        markup.figure(_plot(noise, low, high, t), "log-SNR over t", source_of(Schedule.log_snr)),
    ]
    return f'<div class="cells curves">{"".join(figures)}</div>'


def _plot(lines, low, high, t):
    """Curves over 0..T-1 as SVG: {name: (values, colour)}."""
    T = len(next(iter(lines.values()))[0])
    right, bottom = _WIDTH - 8, _HEIGHT - 22

    def x_of(t):
        return _LEFT + (right - _LEFT) * t / max(1, T - 1)

    def y_of(value):
        return bottom - (bottom - _TOP) * (value - low) / (high - low)

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{", ".join(lines)} over t" '
        'fill="none" stroke="currentColor" font-size="10">',
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" stroke-opacity="0.5"/>',
    ]
    texts = [(2, y_of(low), f"{low:g}"), (2, y_of(high) + 6, f"{high:g}")]
    texts += [(_LEFT, _HEIGHT - 6, "t = 0: picture"), (right - 80, _HEIGHT - 6, f"{T - 1}: noise")]
    for k, (name, (values, colour)) in enumerate(lines.items()):
        chosen = np.unique(np.linspace(0, T - 1, 120).astype(int))
        points = " ".join(f"{x_of(i):.1f},{y_of(values[i]):.1f}" for i in chosen)
        parts.append(f'<polyline points="{points}" stroke="{colour}" stroke-width="2"/>')
        at = x_of(0.5 * (T - 1)) + 42 * k
        parts.append(
            f'<text x="{at:.0f}" y="{_TOP + 8}" fill="{colour}" stroke="none">{name}</text>'
        )
        if t is not None:
            parts.append(
                f'<circle cx="{x_of(t):.1f}" cy="{y_of(values[t]):.1f}" r="4" fill="{colour}" '
                'stroke="none"/>'
            )
    if t is not None:
        line = f"M{x_of(t):.1f} {_TOP}V{bottom}"
        parts.append(f'<path class="level" d="{line}" stroke-dasharray="4 3"/>')
    parts += [
        f'<text x="{x:.0f}" y="{y:.0f}" fill="currentColor" stroke="none">{text}</text>'
        for x, y, text in texts
    ]
    return "".join(parts) + "</svg>"


# --- samplers side by side


def compare(studio, form, job):
    """Draw one picture by every sampler, at several numbers of steps, from the same noise.

    Args:
        studio: `studio.Studio`.
        form: `drawing.Form`; its number, steps and sampler are not used.
        job: `jobs.Job`.

    Yields:
        (`drawing.View`, cells): cells is {(sampler, steps): (uint8 (S, S, 3), evaluations)} of
        what there is.
    """
    cells = {}
    steps = _compare(studio, form, job, cells)
    yield from drawing.explained(steps, lambda view: (view, dict(cells)))


def _compare(studio, form, job, cells):
    """The steps of `compare`, which fill its cells."""
    for done, (name, steps) in enumerate((n, s) for n in SAMPLERS for s in COUNTS):
        request = drawing.request_of(replace(form, n=1, sampler=name, steps=steps))
        for _, images in drawing.steps_of(studio, request, job):
            last = images
        if job.stopped:
            yield drawing.View("Stopped."), dict(cells)
            return
        cells[name, steps] = last[0], studio.pipeline.nfe
        share = (done + 1) / len(SAMPLERS) / len(COUNTS)
        yield drawing.View(f"{name}, {steps} steps.", share), dict(cells)
    yield drawing.View("Every sampler began with the same noise."), dict(cells)


def compared(cells):
    """What `compare` yields as a table: HTML."""
    if not cells:
        return markup.NONE
    head = "".join(f'<th scope="col">{steps} steps</th>' for steps in COUNTS)
    rows = []
    for name, sampler in SAMPLERS.items():
        row = [f'<th scope="row">{name}<br><code>{source_of(sampler)}</code></th>']
        for steps in COUNTS:
            found = cells.get((name, steps))
            text = f"{name}, {steps} steps"
            figure = markup.figure(
                markup.picture(found[0], text), f"{found[1]:g} evaluations"
            ) if found else ""  # fmt: skip
            row.append(f"<td>{figure}</td>")
        rows.append(f"<tr>{''.join(row)}</tr>")
    return (
        f'<div class="steps scroll"><table><tr><th>sampler</th>{head}</tr>{"".join(rows)}'
        "</table></div>"
    )


# --- guidance swept


def sweep(studio, form, job):
    """Draw one picture with several weights of guidance, from the same noise.

    Args:
        studio: `studio.Studio`.
        form: `drawing.Form`; its number and guidance are not used.
        job: `jobs.Job`.

    Yields:
        (`drawing.View`, pictures): {weight: uint8 (S, S, 3)} of what there is.
    """
    pictures = {}
    steps = _sweep(studio, form, job, pictures)
    yield from drawing.explained(steps, lambda view: (view, dict(pictures)))


def _sweep(studio, form, job, pictures):
    """The steps of `sweep`, which fill its pictures."""
    if not (form.prompt or "").strip():
        raise ValueError("guidance is by the words: say something in the prompt.")
    for weight in WEIGHTS:
        request = drawing.request_of(replace(form, n=1, guidance=weight))
        check_request(request, studio.pipeline.model.preset, studio.name)
        *_, (_, images) = drawing.steps_of(studio, request, job)
        if job.stopped:
            yield drawing.View("Stopped."), dict(pictures)
            return
        pictures[weight] = images[0]
        yield drawing.View(f"w = {weight:g}.", len(pictures) / len(WEIGHTS)), dict(pictures)
    yield drawing.View("Every weight began with the same noise."), dict(pictures)


def swept(pictures):
    """What `sweep` yields as a row: HTML."""
    if not pictures:
        return markup.NONE
    cells = []
    for weight, picture in pictures.items():
        text = f"w = {weight:g}" + (": no guidance" if weight == 1 else "")
        cells.append(markup.figure(markup.picture(picture, text), text))
    line = "D = D_negative + w (D_positive - D_negative)"
    where = f"<p>{markup.escape(line)} <code>{source_of(guided)}</code></p>"
    return f'<div class="equations">{where}</div><div class="cells">{"".join(cells)}</div>'
