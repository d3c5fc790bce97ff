"""The verdict on a portrait: what is measured of results that are broken in a known way."""

import json

import numpy as np
import pytest

from facekit import masks, relight
from portrait import stages, verdict
from portrait.session import Portrait
from portrait.settings import Settings
from portrait.verdict import BOUNDS, LIKE, NO_FACE, WORDS, Verdict, faults, judge

GOOD = dict(seam=1.0, step=1.0, shading=0.1, rough=1.0, points=0.01, likeness=0.9)


@pytest.fixture(scope="module")
def scene(photo_faces):
    """A face that replaces itself, so that the crop is the right answer."""
    image, face = photo_faces["astronaut"]
    return stages.crop(image, face, [], image, face, Settings())


def judged(scene, picture):
    scores = {"seam": 1.0, "reference": 0.9}
    made = Portrait(scene, {"crop": picture}, scores={"crop": scores})
    return judge(made, "encoder")


def changed(scene, gain):
    """The crop with the linear light on its face multiplied."""
    soft = scene.inner[..., None]
    light = relight.to_linear(scene.view)
    return relight.from_linear(light * (1 + soft * (np.asarray(gain) - 1)))


def test_the_right_answer_has_no_faults(scene):
    found = judged(scene, scene.view)
    assert found.faults == [] and found.measures["step"] < 1 and found.measures["shading"] < 0.05
    assert found.measures["points"] < 0.02


def test_a_darker_face_ends_in_a_step_at_the_jaw(scene):
    darker, slightly = (judged(scene, changed(scene, by)) for by in (0.5, 0.9))
    assert WORDS["step"] in darker.faults and slightly.faults == []
    assert darker.measures["step"] > 3 * slightly.measures["step"]


def test_light_from_another_side_is_told_in_each_colour(scene):
    columns = np.arange(scene.view.shape[1]) - scene.face.mesh[:, 0].mean()
    slope = np.clip(1 + 1.6 * columns / masks.face_width(scene.face), 0.2, 2)[None, :, None]
    assert WORDS["shading"] in judged(scene, changed(scene, slope)).faults
    neon = np.concatenate([slope, slope[:, ::-1], slope], axis=2)
    assert WORDS["shading"] in judged(scene, changed(scene, neon)).faults


def test_skin_with_blotches_is_rough(scene, rng):
    grain = rng.normal(1, 0.5, (scene.view.shape[0] // 4,) * 2).repeat(4, 0).repeat(4, 1)
    grain = np.pad(grain, ((0, scene.view.shape[0] - len(grain)),) * 2, "edge")
    blotched = judged(scene, changed(scene, grain[..., None])).measures
    assert blotched["rough"] > BOUNDS["rough"] > 1.2
    assert judged(scene, scene.view).measures["rough"] == pytest.approx(1, abs=0.05)


def test_a_light_that_is_known_falls_on_its_side():
    harmonics = np.zeros((relight.HARMONICS, 3))
    harmonics[0], harmonics[1, 0] = 1, 0.5  # more red from the right
    found = verdict.sides(relight.Light(harmonics, np.ones(3), 1.0))
    assert found == pytest.approx([np.log(1.35 / 0.65), 0, 0])


def test_a_face_that_lies_elsewhere_or_is_gone(scene):
    away = np.roll(scene.view, round(0.15 * masks.face_width(scene.face)), axis=1)
    found = judged(scene, away)
    assert found.measures["points"] == pytest.approx(0.15, abs=0.03)
    assert WORDS["points"] in found.faults
    gone = judged(scene, np.full_like(scene.view, 128))
    assert gone.faults == [NO_FACE]
    assert json.loads(json.dumps(gone.to_dict()))["measures"]["points"] is None


@pytest.mark.parametrize("name", WORDS)
def test_a_measure_beyond_its_bound_is_the_only_fault(name):
    assert faults(GOOD, "encoder") == []
    beyond = LIKE["encoder"] - 0.01 if name == "likeness" else BOUNDS[name] + 0.01
    assert faults(GOOD | {name: beyond}, "encoder") == [WORDS[name]]
    if name != "likeness":
        assert faults(GOOD | {name: np.nan}, "encoder") == []  # not known is not wrong


def test_a_verdict_is_json():
    told = Verdict(GOOD | {"step": np.nan}, ["a"]).to_dict()
    assert json.loads(json.dumps(told)) == {"measures": GOOD | {"step": None}, "faults": ["a"]}
