"""The studio in the browser: what its buttons do, whom it answers, and one visit by a browser."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace
from urllib.parse import quote, unquote

import numpy as np
import pytest
from conftest import ROOT, alone, free_port, new_visitor

from common import images
from common.images import read_image, write_image
from common.sheets import read_recipe, save_png
from ddpm.core.samplers import SAMPLERS
from ddpm.core.schedule import Schedule
from portrait.__main__ import main
from portrait.settings import Settings
from portrait.web import (
    attention,
    cache,
    drawing,
    framing,
    guard,
    lecture,
    markup,
    painting,
    sending,
    server,
    variations,
    words,
)
from portrait.web.drawing import Form, View
from portrait.web.jobs import FULL, MAX_WAITING, Clock, Job, Jobs, Stopped, Watched
from portrait.web.painting import PaintForm
from portrait.web.studio import DESKS, Studio
from portrait.web.variations import Plot

PORT = 7860
OWN = f"127.0.0.1:{PORT}"
PICTURES = ".grid-container button"  # of Draw's gallery
TABS = ("Draw", "Portrait", "Paint in", "Faces", "People", "How it works", "PNG info")
OF_GRADIO = ("aria-prohibited-attr",)  # an empty gallery and an empty canvas are labelled <div>s
SIZE = 32  # of the pictures that the model of the tests makes
FORM = Form("a red disc", n=3, seed=5, steps=4)


@pytest.fixture(scope="module")
def pipeline(conditional):
    from ddpm.pipeline import Pipeline

    return Pipeline.load(conditional, precision="float32")


@pytest.fixture
def studio(pipeline, tmp_path):
    return Studio(pipeline, tmp_path, tmp_path / "people")


@pytest.fixture
def photo():
    """40 x 56 pixels in blocks, opaque."""
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(0, 256, (5, 7, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    return np.dstack([blocks, np.full(blocks.shape[:2], 255, np.uint8)])


def stopping(views, job, after):
    """All views; the job is told to stop once so many have come."""
    found = []
    for view in views:
        found.append(view)
        if len(found) == after:
            job.stop()
    return found


# --- jobs


def test_jobs_begin_in_their_order_and_are_stopped_one_by_one():
    jobs = Jobs()
    first, second, other = jobs.ask("a"), jobs.ask("a"), jobs.ask("b")
    assert jobs.begin("a") is first
    assert jobs.stop("a") and first.stopped and not second.stopped
    assert jobs.stop("a") and second.stopped and not other.stopped
    assert not jobs.stop("a") and not jobs.stop("nobody")
    assert jobs.begin("a") is second and jobs.begin("b") is other
    for page, job in (("a", first), ("a", second), ("b", other)):
        jobs.end(page, job)
    assert not jobs.begin("a").stopped  # one that nobody asked for


def test_the_last_job_that_waits_is_cancelled_and_no_other():
    jobs = Jobs()
    running, second, last, other = (jobs.ask(page) for page in "aaab")
    assert jobs.begin("a") is running
    assert jobs.cancel("a") and last.stopped
    assert not (running.stopped or second.stopped or other.stopped)
    assert jobs.cancel("a") and second.stopped and not running.stopped
    assert not jobs.cancel("a") and not jobs.cancel("nobody") and not running.stopped
    assert jobs.begin("a") is second and jobs.begin("a") is last  # each ends when its turn comes


def test_too_many_jobs_that_wait_are_refused():
    jobs = Jobs()
    for i in range(MAX_WAITING):
        jobs.ask(i % 3)
    with pytest.raises(ValueError) as error:
        jobs.ask("late")
    assert str(error.value) == FULL == "the queue is full: 32 jobs wait; try again in a minute."
    jobs.begin(0)
    assert not jobs.ask("late").stopped


def test_a_full_queue_is_a_sentence_without_an_error_of_the_page(studio):
    gradio = pytest.importorskip("gradio", reason="the page needs it: pip install -e '.[studio]'")
    from portrait.web import page

    functions = page.make_page(studio).fns.values()
    for i in range(MAX_WAITING):
        studio.jobs.ask(i)
    asks = [one for one in functions if one.name == "ask"]
    assert len(asks) > 10
    for ask in asks:
        with pytest.raises(gradio.Error) as error:
            ask.fn(SimpleNamespace(session_hash="page"))
        assert error.value.message == FULL and not error.value.visible
        then = {one.name: one for one in functions if one.trigger_after == ask._id}
        assert set(then) == {"refuse", "work"}
        assert then["refuse"].trigger_only_on_failure and then["work"].trigger_only_on_success


def test_a_page_that_is_closed_leaves_nothing_that_waits():
    jobs = Jobs()
    running, waiting = jobs.ask("page"), jobs.ask("page")
    jobs.begin("page")
    jobs.leave("page", "browser")
    jobs.leave("nobody", "browser")
    assert not jobs.cancel("page") and not jobs.stop("page")  # which knows no job any more
    assert jobs.stop("browser") and running.stopped and not waiting.stopped
    jobs.end("page", running)
    assert not jobs.stop("browser")
    for _ in range(MAX_WAITING):
        jobs.ask("page")


def test_a_job_outlives_its_page_and_ends_with_the_server(studio):
    form, desk = replace(FORM, n=1, steps=30), []

    def steps(job):
        for view in drawing.draw(studio, form, job):
            desk.extend(view.files)
            yield view

    views = studio.jobs.outlive(steps(Job()))
    next(views), next(views)
    views.close()  # which returns before the picture is there
    assert desk == []
    end = monotonic() + 60
    while not desk and monotonic() < end:
        sleep(0.05)
    (file,) = desk
    assert "stopped" not in read_recipe(file)
    desk.clear()
    form = replace(form, steps=190)
    job = studio.jobs.begin("page")
    views = studio.jobs.outlive(steps(job))
    next(views), next(views)
    views.close()
    studio.jobs.close()
    assert job.stopped and "stopped" in read_recipe(desk.pop()) and not studio.model.locked()
    views = studio.jobs.outlive(steps(Job()))
    next(views), next(views)
    views.close()  # of a server that has ended: nothing goes on
    assert desk == [] and not studio.model.locked()


def test_watched_work_tells_and_returns():
    watched = Watched(lambda tell: [tell(i) for i in range(3)] and "done", Job())
    assert list(watched) == [0, 1, 2] and watched.result == "done"


def test_watched_work_fails_where_it_is_watched():
    with pytest.raises(ValueError, match="bad"):
        list(Watched(lambda tell: (_ for _ in ()).throw(ValueError("bad")), Job()))


def test_whoever_leaves_stops_the_work():
    ended = []

    def work(tell):
        try:
            while True:
                tell("more")
                sleep(0.001)
        except Stopped:
            ended.append(True)
            raise

    job = Job()
    loop = iter(Watched(work, job))
    assert next(loop) == "more"
    loop.close()
    assert ended and job.stopped


def test_the_time_left_counts_from_the_second_step():
    times = iter([10.0, 12.0, 14.0, 14.0])
    clock = Clock(5, now=lambda: next(times))
    clock.step()
    assert clock.seconds_left() is None
    clock.step()
    assert clock.seconds_left() == pytest.approx(2 * 3)  # 2 s a step, 3 left


# --- Draw


def test_pictures_appear_from_noise_and_are_what_the_library_draws(studio, pipeline):
    views = list(drawing.draw(studio, FORM, Job()))
    assert [view.status for view in views[:2]] == ["Beginning ...", "Step 1 of 4."]
    assert re.fullmatch(r"Step 3 of 4, about \d+ s left\.", views[3].status)
    assert all(view.preview.dtype == np.uint8 for view in views[1:5])
    shares = [view.share for view in views[:5]]
    assert shares == sorted(shares) and shares[-1] == 1
    last = views[-1]
    assert (last.status, last.seed, len(last.files)) == ("3 pictures.", 5, 3)
    drawn = pipeline.draw(drawing.request_of(FORM))
    for i, path in enumerate(last.files):
        np.testing.assert_array_equal(read_image(path), drawn[i])
        recipe = read_recipe(path)
        assert (recipe["seed"], recipe["prompt"], recipe["picture"]) == (5, "a red disc", i)


def test_a_new_seed_is_said_and_drawn_with(studio):
    form = replace(FORM, n=1, steps=1, new_seed=True)
    seeds = [list(drawing.draw(studio, form, Job()))[-1].seed for _ in range(2)]
    assert len(set(seeds)) == 2 and 5 not in seeds


def test_stop_keeps_what_is_there(studio):
    job = Job()
    views = stopping(drawing.draw(studio, replace(FORM, steps=40), job), job, after=3)
    last = views[-1]
    step = int(re.fullmatch(r"Stopped at step (\d+) of 40\.", last.status)[1])
    assert 2 <= step < 40 and len(last.files) == 3
    assert read_recipe(last.files[0])["stopped"] == last.status
    assert not studio.model.locked()


def test_pictures_that_had_not_begun_are_not_kept(studio):
    job = Job()
    form = replace(FORM, n=20, steps=30)
    views = stopping(drawing.draw(studio, form, job), job, after=2)
    assert len(views[-1].files) == 8


def test_a_job_that_was_stopped_while_it_waited_draws_nothing(studio):
    job = Job()
    job.stop()
    (view,) = drawing.draw(studio, FORM, job)
    assert view.status == "Stopped before it began." and not view.files


def test_a_page_that_is_closed_frees_the_model(studio):
    views, job = drawing.draw(studio, replace(FORM, steps=100), Job()), Job()
    next(views), next(views)
    views.close()
    assert not studio.model.locked() and not job.stopped


@pytest.mark.parametrize(
    "change, sentence",
    (
        ({"n": 0}, "n must be a whole number from 1. Received: 0."),
        ({"n": None}, "n must be a whole number from 1. Received: None."),
        ({"n": 65}, "at most 64 pictures are drawn at once. Received: 65."),
        ({"seed": 10**20}, "seed lies between 0 and 9007199254740991. Received: 1000000"),
        ({"seed": 1.5}, "seed must be a whole number from 0. Received: 1.5."),
        ({"steps": 10_000}, "the number of steps must lie in 1..200, one a level."),
        ({"guidance": float("nan")}, "guidance must be a number from 0 to 100. Received: nan."),
        ({"guidance": "3"}, "guidance must be a number. Received: '3'."),
        ({"guidance": 1, "negative": "blue"}, "a negative prompt needs guidance other than 1"),
        ({"sampler": "x"}, "unknown sampler 'x'; choose one of ddpm, ddim, "),
        ({"spacing": "x"}, "unknown spacing 'x'; choose one of "),
    ),
)
def test_bad_input_is_one_sentence(studio, change, sentence):
    (view,) = drawing.draw(studio, replace(FORM, **change), Job())
    assert view.problem.startswith(sentence) and not view.files
    assert list(studio.folder.iterdir()) == []


def test_what_a_server_draws_first_has_compiled_what_users_draw(studio, monkeypatch):
    drawn = []
    kept = studio.pipeline.draw
    monkeypatch.setattr(
        studio.pipeline, "draw", lambda request, *_: drawn.append(request) or kept(request, *_)
    )
    drawing.warm_up(studio)
    end = monotonic() + 60
    while studio.jobs._of and monotonic() < end:
        sleep(0.05)
    assert [bool(request.prompts) for request in drawn] == [True, False] and not studio.jobs._of
    asked = drawing.request_of(Form(prompt="disc"))
    assert {each.batch_size for each in drawn} == {asked.batch_size}
    assert {each.guidance for each in drawn} == {asked.guidance}


def test_who_waits_for_the_model_is_told(studio):
    with studio.model:
        views = drawing.draw(studio, replace(FORM, n=1, steps=1), Job())
        assert next(views).status == "Waiting for the model ..."
    assert len(list(views)[-1].files) == 1


def test_unknown_words_are_told(studio):
    form = replace(FORM, prompt="a red disc, qwertz", n=1, steps=1)
    assert "qwertz" in list(drawing.draw(studio, form, Job()))[-1].notes[0]


# --- framing


def test_a_framing_reaches_the_model_and_its_recipe(studio, pipeline):
    form = replace(FORM, n=1, framing="close-up, face on the left")
    (file,) = list(drawing.draw(studio, form, Job()))[-1].files
    request = replace(drawing.request_of(replace(FORM, n=1)), crop=(4, 8), target_size=(40, 40))
    np.testing.assert_array_equal(read_image(file), pipeline.draw(request)[0])
    assert (read_image(file) != pipeline.draw(drawing.request_of(replace(FORM, n=1)))[0]).any()
    recipe = read_recipe(file)
    assert (recipe["crop"], recipe["target_size"]) == ([4, 8], [40, 40])
    assert drawing.form_of(recipe) == form
    numbers = replace(form, framing=framing.BY_NUMBERS, crop=" 4, 8", target_size="40,40")
    assert drawing.request_of(numbers).crop == (4, 8)
    assert drawing.request_of(numbers).original_size is None


@pytest.mark.parametrize("word", framing.NAMED)
def test_every_framing_has_a_window_and_comes_back_from_the_recipe(pipeline, word):
    form = replace(FORM, framing=word, crop="7,7")  # which counts by numbers alone
    recipe = pipeline.recipe(drawing.request_of(form, pipeline.size))
    assert drawing.form_of(recipe | {"prompt": FORM.prompt}) == replace(form, crop="")


def test_a_framing_without_a_word_comes_back_as_numbers(pipeline):
    numbers = {"original_size": "20,30", "crop": "1,2", "target_size": "48,40"}
    form = replace(FORM, framing=framing.BY_NUMBERS, **numbers)
    recipe = pipeline.recipe(drawing.request_of(form)) | {"prompt": FORM.prompt}
    assert drawing.form_of(recipe) == form
    # Of a model whose size is not known, no word says how large a share of it the window is.
    for preset in ("unheard of", ["portraits64"]):
        assert drawing.form_of(recipe | {"preset": preset}) == form


def test_a_framing_by_numbers_is_scaled_to_the_studios_size(pipeline):
    numbers = {"original_size": "20,30", "crop": "1,2", "target_size": "48,40"}
    form = replace(FORM, framing=framing.BY_NUMBERS, **numbers)
    recipe = pipeline.recipe(drawing.request_of(form)) | {"prompt": FORM.prompt}
    assert sending.read(recipe, SIZE).notes == ()
    sent = sending.read(recipe, 2 * SIZE)
    scaled = {"original_size": "40,60", "crop": "2,4", "target_size": "96,80"}
    assert sent.values == vars(replace(form, **scaled))
    assert f"scaled from {SIZE} px to the {2 * SIZE} px" in sent.after[1] == sent.before[1]
    smallest = sending.read(recipe | {"original_size": [1, 1]}, 8).values
    assert smallest["original_size"] == "1,1" and smallest["crop"] == "0,0"


def test_variations_grids_and_paintings_have_the_framing(studio, photo):
    form = replace(FORM, n=1, framing="close-up")
    path = list(drawing.draw(studio, form, Job()))[-1].files[0]
    canvas = {"background": photo, "layers": []}
    painted = PaintForm(**vars(form), canvas=canvas, strength=0.5)
    for views in (
        variations.vary(studio, form, path, 0.5, Job()),
        variations.plot(studio, form, Plot("steps", "2", "guidance", "3"), Job()),
        painting.paint(studio, painted, Job()),
    ):
        recipe = read_recipe(list(views)[-1].files[0])
        assert (recipe["crop"], recipe["target_size"]) == ([4, 4], [40, 40])
    assert "<img" in painting.show_controls(studio, replace(painted, whole=True))[1]["canny"]


@pytest.mark.parametrize(
    "change, sentence",
    (
        ({"framing": "x"}, "a framing is one of as trained; close-up; "),
        ({"crop": "4"}, "crop is TOP,LEFT, whole numbers from 0 to 10000. Received: '4'."),
        ({"target_size": "0,40"}, "target size is HEIGHT,WIDTH, whole numbers from 1 to 10000."),
        ({"crop": "4,4"}, "a window of 32 pixels at 4,4 does not lie within a picture of 32,32"),
    ),
)
def test_what_is_no_framing_is_one_sentence(studio, change, sentence):
    form = replace(FORM, **{"framing": framing.BY_NUMBERS} | change)
    (view,) = drawing.draw(studio, form, Job())
    assert view.problem.startswith(sentence) and not view.files


def test_a_model_without_framing_says_so(studio, photo, monkeypatch):
    model = studio.pipeline.model
    conditions = {k: v for k, v in model.config.conditions.items() if k != "size_crop"}
    without = model.preset.with_(network={"conditions": conditions})
    monkeypatch.setattr(studio.pipeline, "model", replace(model, preset=without))
    form = replace(FORM, framing="close-up")
    canvas = {"background": photo, "layers": []}
    for views in (
        drawing.draw(studio, form, Job()),
        variations.plot(studio, form, Plot(), Job()),
        painting.paint(studio, PaintForm(**vars(form), canvas=canvas, strength=0.5), Job()),
    ):
        (view,) = views
        assert view.problem == (
            f"{studio.name} was trained without framing; choose the framing 'as trained'."
        )


# --- words, variations, grids


def test_words_go_on_with_the_one_that_is_typed():
    known = ("red", "a", "round", "ring", "blue")
    assert words.completions(known, "a blue disc, r") == ["red", "round", "ring"]
    assert words.completions(known, "RO") == ["round"]
    assert words.completions(known, "a red") == words.completions(known, "a ") == []
    assert words.completions(known, None) == []
    assert words.completed("a blue, ro", "round") == "a blue, round "
    assert words.completed("", "red") == "red "


def test_a_variation_begins_with_a_picture(studio):
    path = list(drawing.draw(studio, FORM, Job()))[-1].files[0]
    form, gaps = replace(FORM, n=2, seed=6, steps=20), []  # the same noise would draw the same
    for strength in (0.25, 0.9):
        view = list(variations.vary(studio, form, path, strength, Job()))[-1]
        assert len(view.files) == 2 and not view.problem
        gaps.append(np.abs(read_image(view.files[0]).astype(int) - read_image(path)).mean())
        recipe = read_recipe(view.files[0])
        assert (recipe["strength"], recipe["varied_from"]) == (strength, path.name)
    assert 0 < gaps[0] < gaps[1]
    with pytest.raises(ValueError, match="a variation of another picture; Draw begins"):
        drawing.form_of(recipe)
    bad = ((None, 0.5, "choose a picture first"), (path, 1, "strength lies between 0 and 1."))
    for where, strength, said in bad:
        (view,) = variations.vary(studio, form, where, strength, Job())
        assert said in view.problem


def test_an_enlarged_picture_keeps_its_recipe(studio):
    path = list(drawing.draw(studio, FORM, Job()))[-1].files[0]
    larger = variations.enlarge(studio, path)
    assert read_image(larger).shape == (128, 128, 3)
    assert read_recipe(larger) == read_recipe(path) | {"enlarged": 4}
    with pytest.raises(ValueError, match="enlarged already"):
        variations.enlarge(studio, larger)


def test_a_grid_draws_each_pair_of_values(studio, pipeline):
    axes = Plot("guidance", "1, 4", "sampler", "ddim,euler, heun")
    views = list(variations.plot(studio, FORM, axes, Job()))
    assert len(views) == 7 and views[-1].status == "6 pictures." and not views[-1].problem
    (file,) = views[-1].files
    recipe, sheet = read_recipe(file), read_image(file)
    assert recipe["grid"] == {"across": ["guidance", [1, 4]],
                              "down": ["sampler", ["ddim", "euler", "heun"]]}  # fmt: skip
    assert "sampler" not in recipe and recipe["seed"] == 5
    form = replace(FORM, n=1, guidance=4.0, sampler="heun")
    drawn = pipeline.draw(drawing.request_of(form))[0]
    zoom = (sheet.shape[1] - 120) // 2 // 32
    corner = sheet[-32 * zoom :: zoom, -32 * zoom :: zoom]
    np.testing.assert_array_equal(corner, drawn)
    assert (sheet[:30, 120:] < 100).any() and (sheet[34:, :120] < 100).any()  # the labels


@pytest.mark.parametrize(
    "axes, sentence",
    (
        (Plot("guidance", "a"), "guidance cannot be 'a'."),
        (Plot("guidance", "nan"), "guidance must be a number from 0 to 100. Received: nan."),
        (Plot("steps", "4", "steps", "5"), "the two settings of a grid must be different ones."),
        (Plot("steps", ""), "steps takes 1 to 8 values, separated by ','."),
        (Plot("steps", "1,2,3,4,5,6,7,8,9"), "steps takes 1 to 8 values, separated by ','."),
        (Plot("sampler", "x"), "sampler cannot be 'x'."),
        (Plot("n", "1"), "a grid's setting is one of guidance, "),
        (Plot("steps", "4, 900", "seed", "1"), "the number of steps must lie in 1..200"),
    ),
)
def test_what_is_no_grid_is_one_sentence(studio, axes, sentence):
    (view,) = variations.plot(studio, FORM, axes, Job())
    assert view.problem.startswith(sentence) and not view.files


def test_a_grid_can_be_stopped(studio):
    job = Job()
    views = stopping(variations.plot(studio, FORM, Plot(), job), job, after=2)
    assert views[-1].status == "Stopped." and not views[-1].files


# --- recipes


def test_a_recipe_gives_the_form_back(studio):
    path = list(drawing.draw(studio, FORM, Job()))[-1].files[1]
    image, recipe = drawing.look(path)
    assert image.shape == (32, 32, 3) and drawing.form_of(recipe) == FORM
    open_ended = list(drawing.draw(studio, replace(FORM, prompt=""), Job()))[-1].files[1]
    assert drawing.form_of(read_recipe(open_ended)) == replace(FORM, prompt="")


@pytest.mark.parametrize(
    "recipe, sentence",
    (
        ({"template": "a.png"}, "the picture is a portrait; Draw begins with noise alone."),
        ({"init": "a.png"}, "the picture is painted into a photograph; "),
        ({"sampler": "repaint"}, "Draw does not know the sampler 'repaint' with "),
        ({"sampler": ["ddim"]}, "the recipe's sampler is \"['ddim']\"."),
        ({"prompt": {"a": 1}}, "the recipe's prompt is \"{'a': 1}\"."),
        ({"prompts": [7]}, "the recipe's prompt is '7'."),
        ({"n": "4"}, "the recipe's n is '4'."),
        ({"seed": -1}, "seed must be a whole number from 0. Received: -1."),
        ({"guidance": "much"}, "the recipe's guidance is 'much'."),
        ({"crop": [4]}, "the recipe's crop is no pair of whole numbers."),
        ({"crop": "4,4"}, "the recipe's crop is no pair of whole numbers."),
        ({"target_size": [0, 40]}, "target size is HEIGHT,WIDTH, whole numbers from 1 to 10000."),
    ),
)
def test_a_recipe_that_does_not_fit_is_one_sentence(recipe, sentence):
    with pytest.raises(ValueError) as error:
        drawing.form_of(recipe)
    assert str(error.value).startswith(sentence)


def test_a_recipe_goes_to_the_tab_that_makes_such_pictures(studio, held, photo):
    drawn = read_recipe(list(drawing.draw(studio, FORM, Job()))[-1].files[0])
    sent = sending.read(drawn, SIZE)
    assert (sent.tab, sent.values) == ("draw", vars(FORM))
    assert sent.before == ["It goes to the tab Draw."]
    assert sent.after == ["The fields are those of the picture: press Draw."]

    layer = np.full_like(photo, 255)
    canvas = {"background": photo, "layers": [layer]}
    form = PaintForm(**vars(FORM), canvas=canvas, strength=0.75, whole=True, tile=0.5)
    form = replace(form, n=2, framing="close-up")
    painted = read_recipe(list(painting.paint(held, form, Job()))[-1].files[1])
    sent = sending.read(painted, SIZE)
    values = {name: value for name, value in vars(form).items() if name != "canvas"}
    assert (sent.tab, sent.values) == ("paint", values)
    assert sent.before[0] == "It goes to the tab Paint in."
    assert "neither the picture nor the strokes" in sent.before[1] == sent.after[1]
    assert painting.form_of({"init": "a.png"}) == PaintForm()  # of another program

    settings = Settings(prompt="old", steps=7, retouch=0.5, seed=3).to_dict()
    sent = sending.read({"template": "a.png", "faces": ["b.png"], "weights": "x", **settings}, SIZE)
    assert (sent.tab, sent.values) == ("portrait", settings)
    assert "holds no photos" in sent.before[1] == sent.after[1]
    lacking = sending.read({"template": "a.png", "faces": [], "share": 0.25}, SIZE)
    assert lacking.values == Settings(share=0.25).to_dict()


PORTRAIT = {"template": "a.png", "faces": ["b.png"]}


@pytest.mark.parametrize(
    "recipe, sentence",
    (
        ({"step": 4, "template": 2}, "the recipe is that of something else; only pictures of Draw"),
        ({"seed": 1}, "the recipe is that of something else; only pictures of Draw, Paint in, Por"),
        ({"grid": {}}, "the picture is a grid of two settings; Draw begins with noise alone."),
        ({"prompt": "a", "varied_from": "b.png"}, "the picture is a variation of another picture"),
        ({"init": "a.png", "sampler": "repaint"}, "Paint in does not know the sampler 'repaint'"),
        ({"init": "a.png", "strength": "1"}, "the recipe's strength must be a number."),
        ({"init": "a.png", "strength": 2}, "the recipe's strength is 2; it lies between 0 and 1."),
        ({"init": "a.png", "controls": 3}, "the picture was held by control pictures from files"),
        (
            {"init": "a.png", "controls": [{"kind": "canny", "file": "a.png", "strength": 1}]},
            "the picture was held by control pictures from files; Paint in makes them of the ",
        ),
        (
            {"init": "a.png", "controls": [{"kind": "tile", "strength": 3}]},
            "the strength of tile lies between 0 and 2. Received: 3.",
        ),
        (PORTRAIT | {"steps": "4"}, "steps must be a number. Received: '4'."),
        (PORTRAIT | {"share": 2}, "share lies between 0 and 1. Received: 2."),
        (PORTRAIT | {"prompt": ["old"]}, "the recipe's prompt is \"['old']\"."),
    ),
)
def test_a_recipe_that_goes_nowhere_is_one_sentence(recipe, sentence):
    with pytest.raises(ValueError) as error:
        sending.read(recipe, SIZE)
    assert str(error.value).startswith(sentence)


def test_text_of_a_recipe_is_no_html():
    shown = markup.record({"<b>": ["<script>", 0.5]}) + markup.notice(["<i>"], problem=True)
    assert not re.search(r"<(b|i|script)>", shown) and "0.5" in shown and 'role="alert"' in shown


# --- Paint in


def test_painting_keeps_every_pixel_outside_the_brush(studio, photo):
    layer = np.zeros_like(photo)
    layer[8:24, 16:40, 3] = 255
    canvas = {"background": photo, "layers": [layer], "composite": photo}
    form = PaintForm("a red disc", steps=4, n=2, seed=1, canvas=canvas)
    last = list(painting.paint(studio, form, Job()))[-1]
    assert len(last.files) == 2
    for path in last.files:
        painted, outside = read_image(path), layer[..., 3] == 0
        np.testing.assert_array_equal(painted[outside], photo[outside][..., :3])
        assert (painted != photo[..., :3])[~outside].any()
        assert len(read_recipe(path)["square"]) == 3


def test_without_a_stroke_the_strength_counts(studio, photo):
    form = PaintForm(n=1, steps=4, canvas={"background": photo, "layers": []}, strength=0.5)
    views = list(painting.paint(studio, form, Job()))
    assert len(views[-1].files) == 1
    assert "no face found in the picture" in views[-1].notes[0]
    stopped = Job()
    stopped.stop()
    assert not list(painting.paint(studio, form, stopped))[-1].files


@pytest.mark.parametrize(
    "change, sentence",
    (
        ({"canvas": None}, "there is no picture to paint into; drop one onto the canvas."),
        ({"strength": 1.0}, "strength 1 leaves nothing of the picture: paint where "),
        ({"strength": 0.0}, "strength 0 leaves the picture as it is; choose more."),
        ({"strength": None}, "strength must be a number. Received: None."),
        ({"n": 0}, "n must be a whole number from 1."),
    ),
)
def test_what_cannot_be_painted_is_one_sentence(studio, photo, change, sentence):
    form = PaintForm(n=1, canvas={"background": photo, "layers": []}, strength=0.5)
    (view,) = painting.paint(studio, replace(form, **change), Job())
    assert view.problem.startswith(sentence)


def test_a_picture_is_measured_before_it_is_decoded(studio, photo, tmp_path, monkeypatch):
    write_image(photo[..., :3], tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no picture")
    sent = SimpleNamespace(background=SimpleNamespace(path=str(tmp_path / "a.png")), layers=[],
                           composite=None)  # fmt: skip
    read = painting.bounded(lambda sent: {"background": photo, "layers": []})
    assert read(sent)["background"] is photo and read(None)["background"] is photo
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    monkeypatch.setattr(images.Image.Image, "load", None)  # nothing is decoded
    found = read(sent)
    assert found["problem"].startswith("a.png: 56 x 40 pixels are too many; reduce it to at most")
    (view,) = painting.paint(studio, PaintForm(canvas=found), Job())
    assert view.problem == found["problem"]
    sent.layers = [SimpleNamespace(path=str(tmp_path / "b.png"))]
    sent.background = None
    assert read(sent) == {"problem": "b.png: not a picture."}


@pytest.fixture
def held(studio, conditional, branch, monkeypatch):
    """A studio whose painter has a control branch."""
    from ddpm.pipeline import Pipeline

    both = Pipeline.load(conditional, branch, precision="float32")
    painter = SimpleNamespace(pipeline=both, control_digest="0", name="model")
    monkeypatch.setattr(studio, "painter", lambda: painter)
    return studio


def test_control_pictures_hold_the_painting(held, photo):
    layer = np.zeros_like(photo)
    layer[8:32, 8:40] = 255
    form = PaintForm(**vars(FORM), canvas={"background": photo, "layers": [layer]}, whole=True)
    form = replace(form, n=1)
    pictures, recipes = [], []
    for strength in (0.0, 1.0, 2.0):
        last = list(painting.paint(held, replace(form, colour=strength), Job()))[-1]
        assert not last.problem and len(last.files) == 1
        pictures.append(read_image(last.files[0]))
        recipes.append(read_recipe(last.files[0]))
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1], pictures[2])
    assert "controls" not in recipes[0] and recipes[2]["controls"][0]["strength"] == 2.0


def test_control_pictures_are_shown_before_anything_is_painted(studio, photo, photographs):
    form = PaintForm(canvas={"background": photo, "layers": []}, whole=True)
    said, shown = painting.show_controls(studio, form)
    there = [kind for kind, picture in shown.items() if "<img" in picture]
    assert there == ["canny", "colour", "tile"] and "no face is found in the square" in said
    face = replace(form, canvas={"background": photographs["astronaut"], "layers": []})
    said, shown = painting.show_controls(studio, replace(face, whole=False))
    assert all("<img" in picture for picture in shown.values()) and said == markup.NONE
    said, shown = painting.show_controls(studio, PaintForm())
    assert "there is no picture to paint into" in said and not "".join(shown.values())


def test_strengths_of_control_pictures_are_checked(studio, photo, monkeypatch):
    layer = np.full_like(photo, 255)
    form = PaintForm(canvas={"background": photo, "layers": [layer]}, whole=True)
    (view,) = painting.paint(studio, replace(form, tile=2.5), Job())
    assert view.problem == "the strength of tile lies between 0 and 2. Received: 2.5."
    without = SimpleNamespace(control_digest=None, name="model")
    monkeypatch.setattr(studio, "painter", lambda: without)
    (view,) = painting.paint(studio, replace(form, tile=1.0), Job())
    assert view.problem.startswith("model has no control branch")


def test_what_is_transparent_is_white():
    clear = np.zeros((2, 2, 4), np.uint8)
    assert (painting.opaque(clear) == 255).all() and painting.mask_of([clear]) is None


# --- How it works


@pytest.fixture
def way(studio):
    return list(lecture.walk(studio, replace(FORM, spacing="uniform"), Job()))[-1][1]


def test_each_level_leads_to_the_next_by_its_equation(way):
    levels = [lecture.level(way, i) for i in range(4)]
    for at, after in zip(levels, levels[1:], strict=False):
        np.testing.assert_allclose(at.x_s, after.x_t, atol=1e-4)
        assert at.next_t == after.t < at.t
    for at in levels:
        np.testing.assert_allclose(at.alpha * at.x0_hat + at.sigma * at.eps_hat, at.x_t, atol=1e-4)
    assert levels[-1].next_t is None
    np.testing.assert_array_equal(levels[-1].x_s, levels[-1].x0_hat)


def test_the_way_ends_at_the_picture_that_is_drawn(way, pipeline):
    request = drawing.request_of(replace(FORM, n=1, sampler="ddim", spacing="uniform"))
    np.testing.assert_array_equal(way.decode(way.x0_hat[-1:]), pipeline.draw(request))


@pytest.mark.parametrize("kind", lecture._X0)
def test_the_equation_of_x0_has_the_numbers_of_the_step(way, kind):
    way = replace(way, kind=kind)
    at = lecture.level(way, 2)
    lines = [line for line, _ in lecture.equations(way, 2)]
    assert f"alpha = {at.alpha:.4f}, sigma = {at.sigma:.4f}" in lines[0]
    given = {"x_t": at.x_t, kind: at.prediction, "alpha": at.alpha, "sigma": at.sigma}
    given |= {"x0": at.prediction} if kind == "x0" else {}
    for form in lecture._X0[kind]:
        right = form.format(alpha=at.alpha, sigma=at.sigma).split("= ")[1].partition(":")[0]
        code = re.sub(r"(?<=[\w.)]) (?=[a-z(])", " * ", right)
        np.testing.assert_allclose(eval(code, {}, given), at.x0_hat, atol=0.02)


@pytest.mark.parametrize("thing", [*SAMPLERS.values(), Schedule, lecture.to_x0])
def test_a_source_is_the_line_where_it_stands(thing):
    path, line = lecture.source_of(thing).split(":")
    text = (ROOT / path).read_text().splitlines()
    there = " ".join(text[int(line) - 1 : int(line) + 1])  # a decorator may come first
    assert re.search(rf"(def|class) {thing.__name__}\b", there)


def test_a_property_has_a_source():
    path, line = lecture.source_of(Schedule.alpha).split(":")
    assert "def alpha(self)" in (ROOT / path).read_text().splitlines()[int(line)]


def test_panels_and_curves_show_the_level(way):
    shown = lecture.panels(way, 1)
    assert shown.count("<img") == 5 and "ddpm/core/samplers.py:" in shown
    marked, plain = lecture.curves(way.schedule, 100), lecture.curves(way.schedule)
    assert marked.count("<circle") == 3 and "<circle" not in plain
    assert marked.count("<svg") == 2 and "nan" not in marked


def test_samplers_are_compared_from_the_same_noise(studio):
    *_, (_, cells) = lecture.compare(studio, Form("a red disc"), Job())
    assert set(cells) == {(name, steps) for name in SAMPLERS for steps in lecture.COUNTS}
    assert cells["euler", 4][1] == 2 * 4 < cells["heun", 4][1]  # guidance asks twice a step
    # Euler's steps without churn are DDIM's.
    gap = np.abs(cells["euler", 4][0].astype(int) - cells["ddim", 4][0])
    assert gap.max() <= 1
    assert lecture.compared(cells).count("<img") == len(cells)


def test_a_comparison_can_be_stopped(studio):
    job = Job()
    found = stopping(lecture.compare(studio, Form(), job), job, after=2)
    assert len(found[-1][1]) == 2 and found[-1][0].status == "Stopped."


def test_a_walk_that_cannot_be_made_is_one_sentence(studio):
    ((view, way),) = lecture.walk(studio, replace(FORM, steps=0), Job())
    assert way is None and view.problem.startswith("the number of steps must lie in 1..200")


def test_guidance_is_swept_from_the_same_noise(studio, pipeline):
    *_, (view, pictures) = lecture.sweep(studio, FORM, Job())
    assert tuple(pictures) == lecture.WEIGHTS and not view.problem
    request = drawing.request_of(replace(FORM, n=1, guidance=5.0))
    np.testing.assert_array_equal(pictures[5.0], pipeline.draw(request)[0])
    shown = lecture.swept(pictures)
    assert shown.count("<img") == len(pictures) and "ddpm/core/wrappers.py:" in shown
    ((view, _),) = lecture.sweep(studio, replace(FORM, prompt=" "), Job())
    assert view.problem == "guidance is by the words: say something in the prompt."


def test_attention_is_shown_of_pixels_and_words(studio, way):
    *_, (view, maps) = attention.look(studio, way, 2, Job())
    assert (view.status, maps.t) == (f"Attention at t = {way.timesteps[2]}.", way.timesteps[2])
    assert list(maps.words) == ["a", "red", "disc"] and maps.pixels == []
    total = sum(maps.words.values())
    assert (total > 0).all() and (total < 1).all()  # the rest is START's
    pixels = np.zeros((4, 4, 4, 4), np.float32)
    pixels[1, 2, 3, 0] = 1
    shown = attention.shown(replace(maps, pixels=[pixels]), 0.6, 0.3)
    assert shown.count("<img") == 4 and "ddpm/nets/layers.py:" in shown
    tinted = attention.over(np.zeros((8, 8, 3), np.uint8), pixels[1, 2])
    assert (tinted[7, 0] == attention.TINT).all() and (tinted[0, 7] == 0).all()
    ((view, maps),) = attention.look(studio, None, 0, Job())
    assert view.problem == "there is no way yet: press Draw its way." and maps is None


# --- whom it answers

FOREIGN = (
    {"origin": "null"},
    {"origin": "http://example.org"},
    {"origin": f"https://{OWN}"},
    {"origin": "http://127.0.0.1:1"},
    {"origin": f"http://localhost:{PORT}"},  # another origin than the host that is asked
    {"origin": f"http://{OWN}.example.org"},
    {"host": "example.org"},
    {"host": f"example.org:{PORT}"},
    {"host": "127.0.0.1"},
    {"host": "127.0.0.1:1"},
    {"host": f"{OWN}.example.org"},
    {"host": ""},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
)
OURS = (
    {},
    {"origin": f"http://{OWN}"},
    {"host": f"localhost:{PORT}", "origin": f"http://localhost:{PORT}"},
    {"host": f"LOCALHOST:{PORT}"},
    {"host": f"[::1]:{PORT}"},
    {"origin": f"http://{OWN}", "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
)


def encoded(headers):
    return [(name.encode(), value.encode()) for name, value in ({"host": OWN} | headers).items()]


@pytest.mark.parametrize("headers", FOREIGN)
def test_foreign_requests_are_told_apart(headers):
    assert not guard.is_own("GET", encoded(headers), PORT)


@pytest.mark.parametrize("headers", OURS)
def test_own_requests_pass(headers):
    assert guard.is_own("GET", encoded(headers), PORT)


def test_odd_hosts_and_methods_are_foreign():
    twice = [*encoded({}), (b"host", OWN.encode())]
    assert not guard.is_own("GET", twice, PORT) and not guard.is_own("GET", [], PORT)
    clicked = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert not guard.is_own("POST", encoded(clicked), PORT)


def test_the_gallery_keeps_the_newest_pictures():
    pytest.importorskip("gradio", reason="the page needs gradio: pip install -e '.[studio]'")
    from portrait.web.tabs.draw import SHOWN, _drawn

    desk, values = {}, vars(FORM).values()
    for k in range(SHOWN + 3):
        *_, (_, gallery, *_) = _drawn(iter([View(files=(f"{k}.png",))]), desk, values)
    assert gallery == desk["draw"]["files"] == [f"{k}.png" for k in range(SHOWN + 2, 2, -1)]


def test_a_reload_brings_back_the_form_that_was_drawn_with_its_seed(studio):
    pytest.importorskip("gradio", reason="the page needs gradio: pip install -e '.[studio]'")
    from portrait.web.tabs.draw import _drawn

    desk = {}
    list(_drawn(iter([View(), View(seed=77)]), desk, vars(FORM).values()))
    assert desk["draw"]["form"] == replace(FORM, seed=77)
    refused = replace(FORM, seed=10**20)
    list(_drawn(drawing.draw(studio, refused, Job()), desk, vars(refused).values()))
    assert desk["draw"]["form"] == replace(FORM, seed=77)


def test_jobs_of_a_queue_are_counted_and_those_of_a_page_are_known():
    jobs = Jobs()
    for page in (("a", "model"), ("b", "model"), ("a", "photos"), "alone"):
        jobs.ask(page)
    jobs.begin(("a", "model"))
    assert (jobs.count("model"), jobs.count("photos"), jobs.count("alone")) == (2, 1, 0)
    assert jobs.has(("a", "photos")) and not jobs.has(("b", "photos")) and jobs.has("alone")


@pytest.fixture(scope="module")
def client(pipeline, tmp_path_factory):
    """The real application, asked without a network."""
    pytest.importorskip("gradio", reason="the page needs gradio: pip install -e '.[studio]'")
    testclient = pytest.importorskip("starlette.testclient", reason="it needs httpx")
    machine = tmp_path_factory.mktemp("machine")
    app = server.make_app(Studio(pipeline, machine / "studio", machine / "people"), PORT)
    with testclient.TestClient(app, base_url=f"http://{OWN}") as asked:
        asked.machine = machine
        yield asked


@pytest.mark.parametrize("path", ("/", "/config", "/gradio_api/info", "/gradio_api/file=a.png"))
def test_the_page_refuses_foreign_requests(client, path):
    for headers in FOREIGN[:7] + FOREIGN[-3:]:
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.text) == (403, guard.REFUSED), (path, headers)
        assert "access-control-allow-origin" not in answer.headers


def test_a_browser_is_told_from_others_and_known_again(client, studio):
    client.cookies.clear()
    given = client.get("/").headers["set-cookie"]
    assert "HttpOnly" in given and "SameSite=Lax" in given
    name = guard.browser_of(given)
    assert len(name) == 32 and "set-cookie" not in client.get("/").headers
    client.cookies.clear()
    assert guard.browser_of(client.get("/").headers["set-cookie"]) != name
    assert "set-cookie" not in client.get("/config").headers
    assert guard.browser_of(f"a=1; studio={name}; b=2") == name
    for odd in ("", "studio=", f"mystudio={name}", f"studio={name}0", "studio=../../etc"):
        assert guard.browser_of(odd) is None
    studio.desk(name)["draw"] = 1
    assert studio.desk(name) == {"draw": 1} and studio.desk("other") == {}
    for i in range(DESKS):
        studio.desk(str(i))
    assert studio.desk(name) == {}


def test_the_page_is_written_once_for_each_name_of_the_machine():
    testclient = pytest.importorskip("starlette.testclient", reason="it needs httpx")
    asked = []

    async def app(scope, receive, send):
        asked.append(scope["path"])
        status = 503 if len(asked) == 1 else 200
        text = f"{len(asked)} for {dict(scope['headers'])[b'host'].decode()}".encode()
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": text})

    client = testclient.TestClient(cache.Cached(app), base_url=f"http://{OWN}")
    assert client.get("/").status_code == 503  # and is not kept
    assert [client.get("/").text for _ in range(3)] == [f"2 for {OWN}"] * 3
    other = {"host": f"localhost:{PORT}"}
    assert [client.get("/", headers=other).text for _ in range(2)] == [f"3 for {other['host']}"] * 2
    for ask in (lambda: client.get("/?a=1"), lambda: client.post("/"), lambda: client.get("/x")):
        before = len(asked)
        assert {ask().text, ask().text} == {f"{before + i} for {OWN}" for i in (1, 2)}
    for i in range(2 * cache.MOST):
        client.get("/config", headers={"host": str(i)})
    before = len(asked)
    assert client.get("/").text == f"2 for {OWN}" and len(asked) == before
    assert client.get("/config").text == f"{before + 1} for {OWN}"  # no room is left


def test_what_a_proxy_asks_for_and_what_breaks_off_is_not_kept():
    testclient = pytest.importorskip("starlette.testclient", reason="it needs httpx")
    asked = []

    async def app(scope, receive, send):
        asked.append(dict(scope["headers"]).get(b"x-forwarded-host", b""))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": asked[-1]})

    client = testclient.TestClient(cache.Cached(app), base_url=f"http://{OWN}")
    assert client.get("/", headers={"x-forwarded-host": "elsewhere"}).text == "elsewhere"
    assert client.get("/").text == "" and client.get("/").text == "" and len(asked) == 2
    start = {"type": "http.response.start", "status": 200}
    part = {"type": "http.response.body", "body": b"a", "more_body": True}
    assert not cache._is_whole([]) and not cache._is_whole([start])
    assert not cache._is_whole([start, part])
    assert cache._is_whole([start, part, {**part, "more_body": False}])


def test_nothing_is_drawn_or_uploaded_for_another_page(client):
    job = {"data": [], "fn_index": 0, "session_hash": "a"}
    for headers in FOREIGN[:3]:
        assert client.post("/gradio_api/queue/join", json=job, headers=headers).status_code == 403
        files = {"files": ("a.png", b"")}
        assert client.post("/gradio_api/upload", files=files, headers=headers).status_code == 403


def test_no_field_refuses_a_value_before_the_work_does(studio):
    gradio = pytest.importorskip("gradio", reason="the page needs it: pip install -e '.[studio]'")
    from portrait.web import page

    kinds = (gradio.Number, gradio.Slider, gradio.Dropdown, gradio.File)
    fields = [one for one in page.make_page(studio).blocks.values() if isinstance(one, kinds)]
    assert {type(one) for one in fields} == set(kinds)
    for field in fields:
        if isinstance(field, gradio.File):
            assert field.file_types is None, field.label
            continue
        # Gradio makes a component anew where its choices or its limits change.
        for one in (field, type(field)(**field.constructor_args)):
            for value in (-(10**9), 10**9, None):
                assert one.preprocess(value) == value, field.label


def test_a_visit_holds_each_component_once(client):
    gradio = pytest.importorskip("gradio")
    with gradio.Blocks() as page:
        gallery = gradio.Gallery()
        gradio.Button().click(list, None, gallery)
    (pressed,) = page.fns.values()
    visit = gradio.state_holder.SessionState(page)
    before = set(visit.config_values), set(visit.blocks_config.blocks)
    for columns in (2, 3, 4):  # an update makes the gallery anew; a value is filed under its number
        for given in (gradio.update(columns=columns), []):
            asyncio.run(page.postprocess_data(pressed, given, visit))
        assert visit[gallery._id].columns == columns
    assert (set(visit.config_values), set(visit.blocks_config.blocks)) == before


@pytest.mark.parametrize("name", ("note.txt", "a.pdf", "empty.jpg"))
def test_any_file_that_is_no_picture_gets_a_sentence(studio, tmp_path, name):
    (tmp_path / name).write_bytes(b"" if name == "empty.jpg" else b"%PDF-1.4 of a kind")
    with pytest.raises(ValueError, match=f"^{name} cannot be read; choose a PNG as it was saved"):
        drawing.look(tmp_path / name)


def test_the_page_lets_a_browser_load_nothing_from_elsewhere(client):
    answer = client.get("/", headers={"origin": f"http://{OWN}"})
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "http" not in policy
    assert client.get("/theme.css").text.count("fonts.googleapis") == 0


@pytest.mark.parametrize(
    "name",
    ("/etc/passwd", "../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", str(ROOT / "LICENSE")),
)
def test_no_file_of_the_machine_is_read(client, name):
    for path in (f"/gradio_api/file={name}", f"/file={name}", f"/static/{name}"):
        answer = client.get(path)
        assert answer.status_code in (403, 404) or "gradio" in answer.text.lower()
        assert "root:" not in answer.text and "MIT License" not in answer.text


SECRET, PASSED = "what is the machine's own", "what was sent"
DOTS = ("../", "%2e%2e/", "..%2f", "%2e%2e%2f", "..%252f", "%252e%252e%252f", "..\\", "..%5c")
DOTS += ("%c0%ae%c0%ae/", "\uff0e\uff0e/", "....//", "..;/", "./../", "..%00/")
PREFIXES = ("/gradio_api/file=", "/file=", "/gradio_api/file/", "/static/", "/assets/")


@pytest.fixture
def traps(client, monkeypatch):
    """Files of the machine beside the studio's folder, and links to them in its two folders: paths
    of the files, then of the links."""
    machine = client.machine
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(machine / "studio" / "page"))  # of this application
    secret, person = machine / "secret.png", machine / "elsewhere" / "person.json"
    pictures, people = machine / "studio" / "pictures", machine / "people"
    for folder in (person.parent, pictures / "1", people, machine / "studio" / "page"):
        folder.mkdir(parents=True, exist_ok=True)
    for file in (secret, person):
        file.write_text(SECRET)
    links = pictures / "1" / "secret.png", pictures / "anna", people / "anna"
    for link, to in zip(links, (secret, person.parent, person.parent), strict=True):
        link.symlink_to(to)
    linked = (links[0], links[1] / person.name, links[2] / person.name)
    return [secret, person, *linked, Path("/etc/passwd"), ROOT / "LICENSE"]


def disguised(path, home):
    """Names of a file, as somebody might give them who is not to have it: list of str.

    Args:
        path: of the file, absolute.
        home: a folder from which files are served.
    """
    path, inner = str(path), str(path).lstrip("/")
    found = [path, f"/{path}", f"//{path}", inner, path.replace("/", "%2f"), f"{path}/", f"{path}."]
    found += [path.replace("/", "%252f"), path.replace("/", "\\"), path.replace("/", "%5c")]
    found += [12 * dots + inner for dots in DOTS]
    found += [f"{home}/{12 * dots}{inner}" for dots in DOTS]
    windows = inner.replace("/", "\\")
    found += [f"C:\\{windows}", f"c:/{inner}", f"C:{inner}", f"\\\\?\\C:\\{windows}"]
    found += [
        f"\\\\localhost\\c$\\{windows}",
        f"//localhost/c$/{inner}",
        f"{path}::$DATA",
        "CON",
        "nul.png",
    ]
    found += [f"{path}%00.png", f"{path}\0.png", f"%00{path}", f"file://{path}", f"file:{path}"]
    found += [
        f"~/{12 * '../'}{inner}",
        f"/proc/self/root{path}",
        f"/proc/self/cwd/{12 * '../'}{inner}",
    ]
    return [*found, f"{home}/{5000 * 'a'}/{12 * '../'}{inner}", f"{home}{500 * '/a/..'}{path}"]


def asked_for(client, path):
    """What the studio answers to a path as it stands, which a client of HTTP would tidy up:
    (status, bytes)."""
    import anyio

    raw, sent, told = path.encode(), [], []
    scope = {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http"}
    scope |= {"path": unquote(path), "raw_path": raw, "root_path": "", "query_string": b""}
    scope |= {"headers": encoded({}), "client": ("127.0.0.1", 1), "server": ("127.0.0.1", PORT)}

    async def receive():
        if told:
            await anyio.sleep_forever()
        told.append({"type": "http.request", "body": b"", "more_body": False})
        return told[0]

    async def send(message):
        sent.append(message)

    client.portal.call(client.app, scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def asked_to_do(client, name, **given):
    """What comes of a job whose files are named so, and whose fields are given by their labels: a
    list of (whether it went well, the answer as text), one for each job that takes files."""
    config, found = client.get("/config").json(), []
    fields = {field["id"]: field for field in config["components"]}
    file = {"path": name, "meta": {"_type": "gradio.FileData"}}
    for job in config["dependencies"]:
        asked = [fields[number] for number in job["inputs"]]
        kinds = [field["type"] for field in asked]
        labels = [field["props"].get("label") for field in asked]
        if not {"file", "imageeditor"} & set(kinds) or not given.keys() <= set(labels):
            continue
        values = []
        for field, kind, label in zip(asked, kinds, labels, strict=True):
            value = given.get(label, field["props"].get("value"))
            if kind == "file":
                value = [file] if field["props"].get("file_count") == "multiple" else file
            elif kind == "imageeditor":
                value = {"background": file, "layers": [], "composite": file}
            values.append(value)
        sent = {"data": values, "fn_index": job["id"], "session_hash": f"{len(found)}"}
        answer = client.post("/gradio_api/queue/join", json=sent)
        assert answer.status_code == 200, answer.text
        told = client.get("/gradio_api/queue/data", params={"session_hash": sent["session_hash"]})
        messages = [json.loads(line[6:]) for line in told.text.splitlines() if line[:6] == "data: "]
        (ended,) = (one for one in messages if one["msg"] == "process_completed")
        found.append((ended["success"], told.text))
    return found


def listing(folder, but=None):
    """Everything below a folder, but for what is below another one: {path: its bytes, None for
    what is no file}."""
    found = (path for path in Path(folder).rglob("*") if but not in path.parents)
    return {path: path.read_bytes() if path.is_file() else None for path in found}


def test_no_name_leads_out_of_the_studios_folders(client, traps):
    """Through all that takes a name: addresses, files that are sent, photos of jobs."""
    machine, attempts = client.machine, 0
    pictures, page = machine / "studio" / "pictures", machine / "studio" / "page"
    (pictures / "own.txt").write_text("own")
    assert asked_for(client, f"/gradio_api/file={pictures / 'own.txt'}") == (200, b"own")
    before = listing(machine, page)
    secrets = [SECRET.encode(), *(path.read_bytes() for path in traps[-2:])]
    for path in traps:
        for name in disguised(path, pictures):
            for prefix in PREFIXES:
                status, answer = asked_for(client, prefix + name)
                assert not any(secret in answer for secret in secrets), (prefix, name)
                assert 400 <= status < 500, (prefix, name, status)
                attempts += 1
    for path in traps[:2]:
        for name in disguised(path, pictures):
            files = {"files": (name, PASSED)}
            answer = client.post("/gradio_api/upload", files=files)
            if answer.status_code == 200:
                (kept,) = map(Path, answer.json())
                assert page in kept.resolve().parents and kept.read_text() == PASSED, name
            attempts += 1
    for name in (*map(str, traps), *disguised(traps[0], pictures)[4::9]):
        for done, answer in asked_to_do(client, name):
            assert not done and SECRET not in answer and "root:" not in answer, name
            attempts += 1
    assert listing(machine, page) == before and attempts >= 200
    assert set(listing(page).values()) == {None, PASSED.encode()}  # no copy of a secret


@pytest.mark.parametrize("host", ("example.org", "192.0.2.1", "huggingface.co", "127.0.0.1:9"))
def test_no_address_that_a_request_names_is_asked(client, monkeypatch, host):
    asked = []

    def note(*words, **_):
        asked.append(words)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", note)
    monkeypatch.setattr(socket.socket, "connect", note)
    for address in (f"http://{host}/a.png", f"https://{host}/a.png"):
        for name in (address, quote(address, safe="")):
            assert asked_for(client, f"/gradio_api/file={name}")[0] == 403
        assert not any(done for done, _ in asked_to_do(client, address))
    assert asked == []


def test_a_name_of_a_person_that_is_a_path_makes_nothing(client):
    before = listing(client.machine / "people")
    sent = client.post("/gradio_api/upload", files={"files": ("a.png", PASSED)}).json()[0]
    for name in (
        "../eva",
        "/tmp/eva",
        "..",
        "C:\\eva",
        "\\\\localhost\\c$\\eva",
        "a\0b",
        "nul",
        "anna",
    ):
        told = asked_to_do(client, sent, Name=name)
        assert len(told) == 3 and all(done and "notice problem" in text for done, text in told)
    assert listing(client.machine / "people") == before


def test_other_machines_are_let_in_by_number_or_by_this_machines_name():
    for host in (f"192.168.0.7:{PORT}", f"[fe80::1]:{PORT}", f"box:{PORT}", OWN):
        headers = encoded({"host": host, "origin": f"http://{host}"})
        assert guard.is_own("POST", headers, PORT, ("box",))
        assert guard.is_own("POST", headers, PORT) == (host == OWN)
    for host in ("example.org", f"example.org:{PORT}", "192.168.0.7:1", "192.168.0.7", "", ":"):
        assert not guard.is_own("GET", encoded({"host": host}), PORT, ("box",))
    crossed = encoded({"host": f"192.168.0.7:{PORT}", "origin": "http://192.168.0.8"})
    assert not guard.is_own("POST", crossed, PORT, ("box",))


def test_who_does_not_know_the_password_gets_nothing(pipeline, tmp_path):
    pytest.importorskip("gradio", reason="the page needs gradio: pip install -e '.[studio]'")
    testclient = pytest.importorskip("starlette.testclient", reason="it needs httpx")
    app = server.make_app(Studio(pipeline, tmp_path, tmp_path / "people"), PORT, "correct horse")
    with testclient.TestClient(app, base_url=f"http://192.168.0.7:{PORT}") as asked:
        job = {"data": [], "fn_index": 0, "session_hash": "a"}
        assert asked.get("/config").status_code == 401
        assert asked.post("/gradio_api/queue/join", json=job).status_code == 401
        assert asked.post("/gradio_api/upload", files={"files": ("a", b"")}).status_code == 401
        assert asked.get("/gradio_api/file=a.png").status_code == 401
        assert "Paint in" not in asked.get("/").text
        for word, code in (("wrong", 400), ("correct horse", 200)):
            form = {"username": server.USER, "password": word}
            assert asked.post("/login", data=form).status_code == code
        assert asked.get("/config").status_code == 200


# --- the command


def test_listening_demands_a_password(refused, monkeypatch):
    monkeypatch.delenv("PORTRAITS_PASSWORD", raising=False)
    says = "--listen lets other machines in, and demands a password of at least 10 characters"
    for given in ((), ("--password", "short")):
        refused(main, "studio", "--listen", *given, "--port", free_port(), says=says)
    refused(main, "studio", "--password", "long enough", says="a password is for other machines")


def test_short_answers_are_not_held_back():
    import asyncio

    async def echoed(place):
        asked = asyncio.Event()

        async def answer(reader, writer):
            nodelay.append(
                writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            )
            writer.close()
            asked.set()

        async with await asyncio.start_server(answer, sock=place):
            await asyncio.open_connection(*place.getsockname())
            await asked.wait()

    nodelay = []
    with server.reserve(free_port()) as place:
        asyncio.run(echoed(place))
    assert nodelay == [1]


def test_a_port_that_is_in_use_is_one_sentence(refused):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(main, "studio", "--port", port, says=[f"port {port} cannot be used", "--port"])


def test_a_missing_package_is_one_sentence(refused, monkeypatch):
    monkeypatch.setattr(server, "find_spec", lambda name: None)
    refused(main, "studio", "--port", free_port(), says="pip install -e '.[studio]'")


def test_what_asks_other_machines_would_be_seen(tmp_path):
    """By the watch that `served` begins its studio with, in the processes which that starts."""
    ask = (
        "import socket\n"
        "for host in ('192.0.2.1', '127.0.0.1'):\n"
        "    try: socket.socket().connect((host, 9))\n"
        "    except OSError as error: print(error)\n"
    )
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ask!r}], check=True)"
    name = "import socket; socket.getaddrinfo('example.org', 80)"
    run = partial(subprocess.run, capture_output=True, text=True)
    environment = os.environ | alone(tmp_path / "noted")
    said = run([sys.executable, "-c", child], env=environment).stdout
    assert said.startswith("192.0.2.1 is another machine\n") and "127.0.0.1 is" not in said
    assert (
        "example.org is another machine"
        in run([sys.executable, "-c", name], env=environment).stderr
    )
    noted = (tmp_path / "noted").read_text().splitlines()
    assert noted == ["socket.connect 192.0.2.1", "socket.getaddrinfo example.org"]


def test_the_page_opens_in_a_browser(served, visit):
    page, foreign = visit
    page.goto(served)
    page.get_by_role("button", name="Draw", exact=True).wait_for()
    tabs = page.get_by_role("tab").all_inner_texts()
    assert tabs[0] == "Draw" and "How it works" in tabs and len(tabs) == 7
    assert foreign == []
    ask = "fetch('http://192.0.2.1/').then(() => 'answered', () => 'refused')"
    assert page.evaluate(ask) == "refused"  # by the page's own policy, before it is asked
    page.goto("about:blank")
    assert page.evaluate(ask) == "refused" and foreign == ["http://192.0.2.1/"]


@pytest.mark.slow
def test_a_visit_from_the_prompt_to_the_recipe(served, visit, tmp_path):
    page, foreign = visit
    page.goto(served)
    page.get_by_label("Prompt", exact=True).first.fill("a red disc")
    page.keyboard.press("Control+Enter")
    page.get_by_text("4 pictures.").wait_for()
    page.get_by_label("Pictures", exact=True).first.fill("0")
    page.get_by_role("button", name="Draw", exact=True).click()
    wrong = page.get_by_role("alert").filter(has_text="n must be a whole number from 1")
    wrong.wait_for()
    page.get_by_label("Pictures", exact=True).first.fill("2")
    wrong.wait_for(state="detached")
    page.get_by_role("tab", name="How it works").click()
    page.get_by_role("button", name="Draw its way").click()
    page.get_by_text("Move the slider.", exact=True).wait_for()
    page.locator(".equations p").filter(has_text="t = 199:").wait_for()
    picture = tmp_path / "a.png"
    save_png(np.zeros((8, 8, 3), np.uint8), picture, {"prompt": "a blue disc", "seed": 77, "n": 1})
    page.get_by_role("tab", name="PNG info").click()
    page.locator("input[type=file]").last.set_input_files(str(picture))
    page.locator("dl.recipe:visible").get_by_text("77").wait_for()
    page.get_by_role("button", name="Send to Draw").click()
    page.get_by_role("tab", name="Draw").and_(page.locator("[aria-selected=true]")).wait_for()
    assert page.get_by_label("Prompt", exact=True).first.input_value() == "a blue disc"
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert foreign == []


def expect_count(found, count):
    """Wait until a locator of Playwright finds so many."""
    from playwright.sync_api import expect

    expect(found).to_have_count(count, timeout=90_000)


def focused(page):
    """What has the focus: its text, or what stands in it while it is empty."""
    return page.evaluate("((at) => at.placeholder || at.innerText)(document.activeElement)")


@pytest.mark.slow
def test_a_visit_without_a_mouse(served, visit):
    page, foreign = visit
    page.goto(served)
    page.get_by_role("button", name="Draw", exact=True).wait_for()
    for _ in range(12):
        page.keyboard.press("Tab")
        if focused(page) == "a smiling woman with glasses":
            break
    page.keyboard.type("a red disc")
    page.keyboard.press("Control+Enter")
    page.get_by_text("4 pictures.").wait_for()
    assert page.get_by_label("Prompt", exact=True).first.input_value() == "a red disc"
    shown = page.locator("[role=tab][aria-selected=true]")
    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        if focused(page) == "Draw":
            break
    for keys, name in (
        (["ArrowRight", "ArrowRight", "ArrowLeft"], "Portrait"),
        (["ArrowLeft", "ArrowLeft"], "PNG info"),  # round the end
    ):
        before = shown.inner_text()
        for key in keys:
            page.keyboard.press(key)
        assert focused(page) == name and shown.inner_text() == before
        page.keyboard.press("Enter")
        shown.filter(has_text=name).wait_for()
    page.get_by_role("button", name="Send to its tab").wait_for()
    assert foreign == []


@pytest.mark.slow
def test_no_tab_scrolls_sideways_on_a_phone(served, visit):
    page, _ = visit
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{served}/?__theme=light")
    page.get_by_role("button", name="Draw", exact=True).wait_for()
    seen = {}
    for name in TABS:
        tab = page.get_by_role("tab", name=name, exact=True)
        if tab.count():
            tab.click()
        else:  # it lies behind "..."
            page.locator(".overflow-menu > button").click()
            page.locator(".overflow-dropdown").get_by_text(name, exact=True).click()
        tab.and_(page.locator("[aria-selected=true]")).wait_for()
        page.evaluate(
            "document.querySelectorAll('button.label-wrap:not(.open)').forEach(fold => "
            "{ if (fold.offsetParent) fold.click(); })"
        )
        sleep(0.3)  # until it is unfolded
        for scheme in ("light", "dark"):
            page.evaluate(
                "(dark) => document.body.classList.toggle('dark', dark)", scheme == "dark"
            )
            seen[name, scheme] = page.evaluate("document.documentElement.scrollWidth")
    assert len(seen) == 14 and {one: px for one, px in seen.items() if px > 390} == {}


@pytest.mark.slow
def test_a_visit_of_two_browsers(served, visit):
    """Words are offered, pictures varied and enlarged; jobs wait for each other and are stopped;
    another browser sees nothing of it."""
    page, foreign = visit
    page.goto(served)
    prompt, drawn = page.get_by_label("Prompt", exact=True).first, page.locator(PICTURES)
    prompt.press_sequentially("a r")
    page.get_by_role("button", name="red", exact=True).click()
    page.wait_for_function("document.querySelector('textarea').value === 'a red '")
    draw = page.get_by_role("button", name="Draw", exact=True)
    draw.click()
    expect_count(drawn, 4)
    vary = page.get_by_role("button", name="Vary", exact=True)
    for name, count in (("Vary", 8), ("Enlarge 4 times", 9)):
        drawn.first.click()
        page.locator("dl.recipe:visible").get_by_text("a red", exact=True).first.wait_for()
        page.get_by_role("button", name=name, exact=True).click()
        expect_count(drawn, count)
        vary.wait_for(state="hidden")  # another picture is in front
    page.get_by_text("Enlarged, without the model.").wait_for()
    page.get_by_label("Pictures", exact=True).first.fill("1")
    draw.click()
    draw.click()
    expect_count(drawn, 11)

    other = new_visitor(page.context.browser, foreign)
    other.goto(served)
    other.get_by_label("Pictures", exact=True).first.fill("1")
    page.get_by_label("Pictures", exact=True).first.fill("64")
    page.get_by_label("number input for Steps").first.fill("100")
    draw.click()
    page.get_by_text(re.compile(r"^Step \d+ of 100, pictures")).wait_for()
    other.get_by_role("button", name="Draw", exact=True).click()  # waits for the first one
    assert other.locator(PICTURES).count() == 0
    page.get_by_role("button", name="Stop", exact=True).first.click()
    page.get_by_text(re.compile(r"^Stopped at step \d+ of 100\.$")).wait_for()
    page.wait_for_function("(n) => document.querySelectorAll(n).length >= 19", arg=PICTURES)
    expect_count(other.locator(PICTURES), 1)
    assert 11 + 8 <= drawn.count() <= 11 + 64
    other.reload()
    expect_count(other.locator(PICTURES), 1)
    assert foreign == []


@pytest.mark.slow
def test_recipes_are_sent_to_their_tabs(served, visit, tmp_path):
    page, foreign = visit
    sampled = {"seed": 9, "n": 1, "steps": 120, "prompts": ["a red disc"], "sampler": "ddim"}
    sampled |= {"spacing": "uniform", "prompt": "a red disc", "preset": "unheard of"}
    framed = {"original_size": [64, 64], "crop": [2, 4], "target_size": [40, 40]}
    recipes = {
        "Portrait": {"template": "a.png", "faces": [], "prompt": "old", "border_steps": 150},
        "Paint in": sampled | {"init": "a.png", "strength": 0.35},
        "Draw": sampled | framed,
    }
    page.goto(served)

    def seen(label):
        return page.get_by_label(label).locator("visible=true").first

    for i, (name, recipe) in enumerate(recipes.items()):
        picture = tmp_path / f"{i}.png"
        save_png(np.zeros((8, 8, 3), np.uint8), picture, recipe)
        page.get_by_role("tab", name="PNG info").click()
        page.locator("input[type=file]").last.set_input_files(str(picture))
        page.get_by_text(f"It goes to the tab {name}.").wait_for()
        page.get_by_role("button", name=f"Send to {name}", exact=True).click()
        page.get_by_role("tab", name=name).and_(page.locator("[aria-selected=true]")).wait_for()
        page.get_by_text("The fields are those of the picture").locator("visible=true").wait_for()
        assert seen("Prompt").input_value() == recipe["prompt"]
        if name != "Draw":
            page.get_by_role("button", name="More").locator("visible=true").click()
        if name == "Portrait":
            page.get_by_role("button", name="Border refined").locator("visible=true").click()
            assert seen("number input for Border steps").input_value() == "150"
        else:
            assert seen("Seed").input_value() == "9"
        if name == "Paint in":
            assert seen("number input for Strength").input_value() == "0.35"
        if name != "Draw":
            page.get_by_role("tab", name="PNG info").click()
            page.get_by_role("button", name="Clear").locator("visible=true").first.click()
            page.get_by_role("button", name="Send to its tab").wait_for()
    for label, value in (("Crop", "2,4"), ("Target size", "40,40"), ("Original size", "64,64")):
        assert seen(f"{label}, px").input_value() == value
    page.get_by_role("button", name="Draw", exact=True).click()
    page.get_by_text("1 picture.", exact=True).wait_for()  # in more steps than the slider had
    assert foreign == []


@pytest.mark.slow
def test_jobs_are_cancelled_one_by_one_and_outlive_a_reload(served, visit):
    page, foreign = visit
    draw = page.get_by_role("button", name="Draw", exact=True)
    step, there = page.get_by_text(re.compile(r"Step \d+ of 100")), page.locator(".thumbnail-item")

    def open_page():
        page.reload()
        draw.wait_for()
        sleep(1)  # until it shows what there is
        page.get_by_label("Pictures", exact=True).first.fill("64")
        page.get_by_label("number input for Steps").first.fill("100")

    page.goto(served)
    open_page()
    for _ in range(3):
        draw.click()
        sleep(0.3)
    step.wait_for()
    page.get_by_role("button", name="Cancel the last that waits").first.click()
    page.get_by_text("The last that waited is cancelled.").wait_for()
    step.wait_for()  # of the one that runs, which goes on
    stop = page.get_by_role("button", name="Stop", exact=True).first
    stop.click()
    stop.click()
    page.get_by_text("Stopped before it began.").wait_for()
    before = there.count()
    assert 8 <= before < 64
    draw.click()
    step.wait_for()
    page.reload()
    page.get_by_text("What was begun before the reload goes on").first.wait_for()
    there.nth(before + 63).wait_for(timeout=120_000)  # without another reload
    page.get_by_text("What was begun before the reload goes on").first.wait_for(state="hidden")
    assert there.count() == before + 64
    assert page.locator(".toast-body.error").count() == 0 and foreign == []


@pytest.mark.slow
def test_the_brush_paints(served, visit, tmp_path, photo):
    page, foreign = visit
    save_png(photo[..., :3].repeat(8, 0).repeat(8, 1), tmp_path / "photo.png")
    page.goto(served)
    page.get_by_role("tab", name="Paint in").click()
    page.locator("#canvas canvas").first.wait_for()
    sleep(3)  # until the editor is ready: it loses a file that comes earlier
    page.locator("#canvas input[type=file]").first.set_input_files(str(tmp_path / "photo.png"))
    page.locator("canvas:visible").first.wait_for()
    sleep(2)
    box = page.locator("canvas:visible").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 16, steps=8)
    page.mouse.up()
    sleep(1)  # until the canvas has sent the stroke
    page.get_by_role("button", name="Paint", exact=True).click()
    said = page.locator(".notice:visible").first
    said.wait_for()
    page.locator(".notice:visible").filter(has_text=re.compile("picture|brush|strength")).wait_for()
    assert said.inner_text() == "1 picture."
    for _ in range(4):  # the canvas says that it was changed whenever it is shown again
        page.get_by_role("tab", name="Faces").click()
        sleep(0.5)
        page.get_by_role("tab", name="Paint in").click()
        sleep(0.5)
        assert page.locator(".notice:visible").all_inner_texts() == ["1 picture."]
    assert foreign == []


@pytest.mark.slow
@pytest.mark.browser
def test_a_problem_goes_when_a_field_changes_and_comes_again(served, visit):
    page, foreign = visit
    page.goto(served)
    problem = page.locator(".notice.problem:visible")
    page.get_by_label("Pictures", exact=True).first.fill("0")
    for _ in range(2):
        page.get_by_role("button", name="Draw", exact=True).click()
        problem.wait_for()
        page.get_by_label("Prompt", exact=True).first.press("a")
        problem.wait_for(state="hidden")
    page.get_by_label("Prompt", exact=True).first.fill("a red disc")
    page.get_by_label("Pictures", exact=True).first.fill("1")
    page.get_by_role("button", name="Draw", exact=True).click()
    page.get_by_text("1 picture.", exact=True).wait_for()
    assert problem.count() == 0 and foreign == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ("light", "dark"))
def test_every_tab_keeps_the_rules_of_accessibility(served, visit, scheme):
    """axe-core's rules of WCAG 2.1, levels A and AA, with everything of "more" unfolded."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="for axe-core")
    page, _ = visit
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{served}/?__theme={scheme}")
    page.get_by_role("tab", name="Draw", exact=True).wait_for()
    rules = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
    found = {}
    for tab in page.get_by_role("tab").all_inner_texts():
        page.get_by_role("tab", name=tab, exact=True).click()
        for fold in page.locator("button.label-wrap:visible").all():
            fold.click()
        sleep(0.5)  # until what was unfolded has its colours
        for violation in axe.Axe().run(page, options=rules).response["violations"]:
            for node in violation["nodes"]:
                found.setdefault(violation["id"], []).append(f"{tab}: {node['html'][:160]}")
    found = {rule: nodes for rule, nodes in found.items() if rule not in OF_GRADIO}
    assert found == {}


def test_gradio_is_known_to_the_layout_alone():
    """What buttons do can be called without a page."""
    folder = Path(server.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        knows = re.search(r"^\s*(import|from) gradio", path.read_text(), re.MULTILINE)
        layout = path.name in ("page.py", "server.py") or path.parent.name == "tabs"
        assert bool(knows) == (layout and path.name != "__init__.py"), path
