"""Guidance, windows and strengths: alone, stacked, and with every sampler."""

import keras
import numpy as np
import pytest
from keras import ops
from layer_checks import randomise
from PIL import Image

from ddpm.condition import nothing
from ddpm.nets.control import Controlled
from ddpm.core.denoiser import Step, x0_denoiser
from ddpm.framing import framing
from ddpm.guidance import conditioned, guided, scheduled
from ddpm.hints import KINDS, Control, stack
from ddpm.core.samplers import SAMPLERS, PictureNoise
from ddpm.core.schedule import cosine_schedule, uniform_timesteps
from ddpm.nets.unet import UNet

SIZE, LENGTH, T = 16, 6, 100
TOLD = {
    "image_size": SIZE,
    "widths": (8, 16),
    "blocks": 1,
    "attention": (8,),
    "groups": 4,
    "head_width": 8,
    "text": {"vocabulary": 12, "length": LENGTH, "width": 16, "layers": 1, "head_width": 8},
    "cross_attention": (0, 1),
    "framing": True,
}

every_sampler = pytest.mark.parametrize("sampler", SAMPLERS)


@pytest.fixture(scope="module")
def network():
    network = UNet(**TOLD)
    randomise(network)
    return network


@pytest.fixture(scope="module")
def controlled(network):
    controlled = Controlled(network)
    randomise(controlled.branch)
    return controlled


@pytest.fixture(scope="module")
def denoise_base(network):
    return x0_denoiser(network, cosine_schedule(T), "x0")


@pytest.fixture(scope="module")
def denoise_branch(controlled):
    return x0_denoiser(controlled, cosine_schedule(T), "x0")


def condition(n=2, seed=0):
    rng = np.random.default_rng(seed)
    tokens = rng.integers(2, 12, (n, LENGTH)).astype("int32")
    tokens[:, 0] = 1
    return {"tokens": tokens, "framing": np.stack([framing(SIZE)] * n)}


def hints(n=2, seed=5):
    rng = np.random.default_rng(seed)
    pictures = rng.uniform(-1, 1, (n, SIZE, SIZE, 3 * len(KINDS))).astype("float32")
    return {"hints": pictures, "strengths": np.ones((n, len(KINDS)), "float32")}


def draw(denoise, sampler, n=2, steps=4):
    noise = PictureNoise(3, range(n), (SIZE, SIZE, 3))
    schedule = cosine_schedule(T)
    timesteps = uniform_timesteps(schedule, steps)
    return np.asarray(SAMPLERS[sampler](denoise, schedule, timesteps, noise(), noise))


def linear(x_t, t, condition):
    """A denoiser whose answer is one number of its condition, everywhere."""
    return np.broadcast_to(condition["a"][:, None, None, None], x_t.shape).astype("float32")


def ask(denoise, t=50, n=2):
    x_t = np.zeros((n, 4, 4, 3), "float32")
    return denoise(x_t, np.full(n, t, "int32"))[:, 0, 0, 0]


def test_guidance_goes_beyond_the_positive_condition():
    positive, negative = {"a": np.array([0.2, 0.1])}, {"a": np.array([0.1, 0.2])}
    np.testing.assert_allclose(ask(guided(linear, positive, negative, 3.0)), [0.4, -0.1], atol=1e-6)
    np.testing.assert_allclose(ask(guided(linear, positive, negative, 0.0)), [0.1, 0.2], atol=1e-6)
    # The result stays a picture however strong it is.
    np.testing.assert_allclose(ask(guided(linear, positive, negative, 30.0)), [1.0, -1.0])


def test_guidance_asks_once_with_both_halves_and_outside_its_interval_with_one():
    asked = []

    def denoise(x_t, t, condition):
        asked.append((t[0], len(x_t)))
        return linear(x_t, t, condition)

    positive, negative = {"a": np.array([0.2, 0.1])}, {"a": np.array([0.0, 0.0])}
    wrapped = guided(denoise, positive, negative, 2.0, interval=(0.2, 0.7), T=101)
    answers = {t: ask(wrapped, t)[0] for t in (100, 81, 80, 50, 30, 29, 0)}
    assert [size for _, size in asked] == [2, 2, 4, 4, 4, 2, 2]
    np.testing.assert_allclose([answers[t] for t in (100, 50, 0)], [0.2, 0.4, 0.2], atol=1e-6)
    asked.clear()
    ask(guided(denoise, positive, negative, 1.0))
    assert [size for _, size in asked] == [2]


def test_rescaling_brings_the_deviation_of_the_positive_answer_back():
    rng = np.random.default_rng(0)
    pattern = rng.uniform(-0.2, 0.2, (2, 4, 4, 3)).astype("float32")

    def denoise(x_t, t, condition):
        return pattern[np.arange(len(x_t)) % 2] * condition["a"][:, None, None, None]

    positive, negative = {"a": np.array([1.0, 1.0])}, {"a": np.array([0.5, 0.25])}
    x_t, t = np.zeros((2, 4, 4, 3), "float32"), np.full(2, 50, "int32")
    for rescale, expected in ((0.0, [1.5, 1.75]), (1.0, [1.0, 1.0]), (0.5, [1.25, 1.375])):
        answer = guided(denoise, positive, negative, 2.0, rescale=rescale)(x_t, t)
        np.testing.assert_allclose(answer.std((1, 2, 3)) / pattern.std((1, 2, 3)), expected, 1e-5)


@every_sampler
def test_guiding_away_from_nothing_at_scale_1_is_plain_conditioning(denoise_base, sampler):
    denoise = denoise_base
    silent = nothing(2, LENGTH, True)
    plain = draw(conditioned(denoise, condition()), sampler)
    wrapped = draw(guided(denoise, condition(), silent, 1.0, T=T), sampler)
    np.testing.assert_allclose(wrapped, plain, atol=2e-4)
    assert (
        np.abs(draw(guided(denoise, condition(), silent, 4.0, T=T), sampler) - plain).max() > 0.05
    )
    assert np.abs(draw(conditioned(denoise, condition(seed=1)), sampler) - plain).max() > 0.01


@every_sampler
def test_control_of_strength_0_is_the_base_bit_for_bit(denoise_base, denoise_branch, sampler):
    base, branch = denoise_base, denoise_branch
    silent = {**condition(), **hints(), "strengths": np.zeros((2, len(KINDS)), "float32")}
    plain = draw(conditioned(base, condition()), sampler)
    np.testing.assert_array_equal(draw(conditioned(branch, silent), sampler), plain)
    np.testing.assert_array_equal(draw(conditioned(branch, condition()), sampler), plain)
    assert (
        np.abs(draw(conditioned(branch, {**condition(), **hints()}), sampler) - plain).max() > 0.05
    )


@every_sampler
def test_words_windows_and_control_stack_on_every_sampler(denoise_branch, sampler):
    denoise = denoise_branch
    positive = {**condition(), **hints()}
    negative = {**positive, **nothing(2, LENGTH)}
    whole, shut = [(0.0, 1.0)] * 4, [(2.0, 3.0)] * 4
    pictures = {
        "open": draw(guided(scheduled(denoise, whole, T), positive, negative, 3.0, T=T), sampler),
        "bare": draw(guided(denoise, positive, negative, 3.0, T=T), sampler),
        "shut": draw(guided(scheduled(denoise, shut, T), positive, negative, 3.0, T=T), sampler),
        "early": draw(
            guided(scheduled(denoise, [(0, 0.5)] * 4, T), positive, negative, 3.0, T=T), sampler
        ),
    }
    plain, away = condition(), {**condition(), **nothing(2, LENGTH)}
    pictures["uncontrolled"] = draw(guided(denoise, plain, away, 3.0, T=T), sampler)
    np.testing.assert_array_equal(pictures["open"], pictures["bare"])
    np.testing.assert_allclose(pictures["shut"], pictures["uncontrolled"], atol=2e-4)
    assert np.abs(pictures["early"] - pictures["open"]).max() > 0.01
    assert np.abs(pictures["early"] - pictures["shut"]).max() > 0.01
    assert all(np.isfinite(picture).all() for picture in pictures.values())


@pytest.mark.parametrize("policy", ("float32", "mixed_bfloat16"))
def test_strength_0_within_a_batch_is_the_base_too(policy):
    base = UNet(**TOLD, dtype=policy)
    randomise(base)
    controlled = Controlled(base)
    randomise(controlled.branch)
    x_t = np.random.default_rng(2).normal(size=(2, SIZE, SIZE, 3)).astype("float32")
    t = np.array([20, 70], "int32")
    told = {**condition(), **hints()}
    told["strengths"][1] = 0
    plain = ops.convert_to_numpy(base(x_t, t, condition()))
    seen = ops.convert_to_numpy(controlled(x_t, t, told))
    np.testing.assert_array_equal(seen[1], plain[1])
    assert np.abs(seen[0] - plain[0]).max() > 1e-3
    np.testing.assert_array_equal(ops.convert_to_numpy(controlled(x_t, t, condition())), plain)


def test_a_window_opens_and_shuts_each_kind_by_itself():
    seen = {}

    def denoise(x_t, t, condition):
        seen[int(t[0])] = condition["strengths"].copy()
        return x_t

    told = {"strengths": np.array([[0.5, 1.0, 0.0, 0.25]], "float32")}
    wrapped = scheduled(denoise, [(0, 0.5), (0.5, 1), (0, 1), (0, 1)], T=101)
    for t in (100, 51, 50, 49, 0):
        wrapped(np.zeros((1, 2, 2, 3)), np.full(1, t), told)
    early, late, both = [0.5, 0, 0, 0.25], [0, 1, 0, 0.25], [0.5, 1, 0, 0.25]
    for t, expected in ((100, early), (51, early), (50, both), (49, late), (0, late)):
        np.testing.assert_array_equal(seen[t], [expected])
    np.testing.assert_array_equal(told["strengths"], [[0.5, 1.0, 0.0, 0.25]])


def test_the_strength_scales_what_a_single_hint_adds(network, controlled):
    x_t = np.random.default_rng(0).normal(size=(2, SIZE, SIZE, 3)).astype("float32")
    t = np.array([10, 80], "int32")
    told = controlled.base.embed(t, condition())
    one = np.eye(len(KINDS), dtype="float32")[[1, 1]]
    full = controlled.branch(x_t, told, hints()["hints"], one)
    third = controlled.branch(x_t, told, hints()["hints"], one / 3)
    for a, b in zip(full, third, strict=True):
        assert np.abs(ops.convert_to_numpy(a)).max() > 1e-3
        np.testing.assert_allclose(
            ops.convert_to_numpy(b), ops.convert_to_numpy(a) / 3, rtol=1e-3, atol=1e-5
        )


def test_each_kind_of_hint_is_seen_and_black_is_not_absent(denoise_branch):
    x_t, t = np.zeros((2, SIZE, SIZE, 3), "float32"), np.array([50, 50], "int32")

    def predict(pictures, strengths):
        told = {"hints": pictures, "strengths": strengths.astype("float32")}
        return denoise_branch(x_t, t, {**condition(), **told})

    full, all_there = hints()["hints"], np.ones((2, len(KINDS)))
    for k in range(len(KINDS)):
        without = all_there.copy()
        without[:, k] = 0
        other = full.copy()
        other[..., 3 * k : 3 * k + 3] = -1
        seen = predict(full, all_there)
        assert np.abs(predict(full, without) - seen).max() > 1e-4
        assert np.abs(predict(other, all_there) - seen).max() > 1e-4
        assert np.abs(predict(other, all_there) - predict(other, without)).max() > 1e-4
        # What a hint of strength 0 shows does not matter.
        np.testing.assert_array_equal(predict(other, without), predict(full, without))


def test_a_new_branch_changes_nothing_and_training_leaves_the_base_alone(network):
    fresh = Controlled(network)
    before = [ops.convert_to_numpy(v).copy() for v in network.variables]
    x_t = np.random.default_rng(1).normal(size=(2, SIZE, SIZE, 3)).astype("float32")
    t = np.array([10, 80], "int32")
    told = {**condition(), **hints()}
    np.testing.assert_array_equal(
        ops.convert_to_numpy(fresh(x_t, t, told)),
        ops.convert_to_numpy(network(x_t, t, condition())),
    )
    inputs = {"x_t": x_t, "t": t, **told}

    class Probe(keras.Model):
        def __init__(self):
            super().__init__()
            self.network = fresh

        def call(self, inputs):
            inputs = dict(inputs)
            return self.network(inputs.pop("x_t"), inputs.pop("t"), inputs)

    probe = Probe()
    probe.compile(keras.optimizers.Adam(1e-2), "mse", jit_compile=keras.backend.backend() == "jax")
    losses = [float(probe.train_on_batch(inputs, np.zeros_like(x_t))) for _ in range(15)]
    assert losses[-1] < 0.9 * losses[0]
    for v, old in zip(network.variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(v), old)
    moved = [v.path for v in fresh.branch.trainable_variables]
    assert len(probe.trainable_variables) == len(moved) > 50


def test_other_words_strengths_and_steps_are_values_of_the_same_compiled_step(controlled):
    traced = []

    class Counted(Step):
        def call(self, inputs):
            traced.append(1)
            return super().call(inputs)

    schedule = cosine_schedule(T)
    step = Counted(controlled, schedule, "x0", True)
    step.jit_compile = keras.backend.backend() == "jax"

    def denoise(x_t, t, condition):
        return step.predict_on_batch((x_t, t, condition))

    def ask(seed, strength, t):
        told = {**condition(seed=seed), **hints(seed=seed)}
        told["strengths"] = told["strengths"] * np.float32(strength)
        x_t = np.random.default_rng(0).normal(size=(2, SIZE, SIZE, 3)).astype("float32")
        return np.asarray(denoise(x_t, np.full(2, t, "int32"), told)), (x_t, t, told)

    first, _ = ask(0, 1.0, 50)
    compiled = len(traced)
    for seed, strength, t in ((1, 1.0, 50), (0, 0.5, 50), (0, 1.0, 20), (2, 0.0, 99)):
        answer, (x_t, at, told) = ask(seed, strength, t)
        assert np.abs(answer - first).max() > 1e-4
        # No stale constant: the eager network says the same.
        eager = Step(controlled, schedule, "x0", True)
        expected = ops.convert_to_numpy(eager((x_t, np.full(2, at, "int32"), told)))
        np.testing.assert_allclose(answer, expected, atol=2e-3)
    assert len(traced) == compiled


def test_a_batch_in_parts_is_told_the_same(controlled):
    schedule = cosine_schedule(T)
    x_t = np.random.default_rng(0).normal(size=(4, SIZE, SIZE, 3)).astype("float32")
    told = {**condition(4), **hints(4)}
    whole, halves = (
        np.asarray(x0_denoiser(controlled, schedule, "x0", parts=parts)(x_t, np.full(4, 50), told))
        for parts in (1, 2)
    )
    np.testing.assert_allclose(halves, whole, atol=1e-4)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("canny=a.png", ("canny", "a.png", 1.0, (0.0, 1.0))),
        ("colour=b:c.jpg:0.8", ("colour", "b:c.jpg", 0.8, (0.0, 1.0))),
        ("points=x=y.png:.5:0.1-0.9", ("points", "x=y.png", 0.5, (0.1, 0.9))),
    ],
)
def test_the_form_of_a_control(words, expected):
    control = Control.parse(words)
    assert (control.kind, str(control.path), control.strength, control.window) == expected


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("canny", "KIND=FILE"),
        ("canny=", "KIND=FILE"),
        ("depth=a.png", "unknown kind of control 'depth'.*canny"),
        ("canny=a.png:3", "strength of a control is from 0 to 2"),
        ("canny=a.png:1:0.5-0.5", "window of a control"),
        ("canny=a.png:1:0.5-1.5", "window of a control"),
    ],
)
def test_other_forms_are_refused(words, sentence):
    with pytest.raises(ValueError, match=sentence):
        Control.parse(words)


def test_control_pictures_are_read_resized_and_refused(tmp_path):
    picture = np.zeros((128, 192, 3), np.uint8)
    picture[:, 70] = 255  # a line a pixel wide, in the middle square
    Image.fromarray(picture).save(tmp_path / "line.png")
    edges = Control("canny", tmp_path / "line.png", 0.5, (0, 0.5))
    arrays, strengths, windows = stack([edges], (16, 16))
    assert arrays.shape == (16, 16, 12) and strengths.tolist() == [0.5, 0, 0, 0]
    assert windows == [(0, 0.5), (0, 1), (0, 1), (0, 1)]
    # However much it shrinks, a line stays white: (70 - 32) / 8 is column 4.
    assert (arrays[..., 0].max(axis=1) == 1).all() and (arrays[:, 4, 0] == 1).all()
    for side in range(17, 60):  # whatever the ratio
        for place in (side // 3, side // 2):
            picture = np.zeros((side, side, 3), np.uint8)
            picture[:, place] = 255
            Image.fromarray(picture).save(tmp_path / "thin.png")
            found = Control("canny", tmp_path / "thin.png").load((16, 16))
            assert (found.max(axis=1) == 255).all(), (side, place)
    with pytest.raises(ValueError, match="more than one control of the kind canny"):
        stack([edges, edges], (16, 16))
    (tmp_path / "text.png").write_text("no picture")
    for name, sentence in (("text.png", "cannot be read"), ("none.png", "there is no control")):
        with pytest.raises(ValueError, match=sentence):
            stack([Control("canny", tmp_path / name)], (16, 16))


def test_transparent_and_deep_control_pictures(tmp_path):
    clear = np.zeros((16, 16, 4), np.uint8)
    clear[8:] = (200, 100, 0, 255)
    Image.fromarray(clear).save(tmp_path / "clear.png")
    for kind, ground in (("canny", 0), ("points", 0), ("colour", 255), ("tile", 255)):
        found = Control(kind, tmp_path / "clear.png").load((16, 16))
        assert (found[:8] == ground).all() and (found[8:] == (200, 100, 0)).all()
    deep = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    found = Control("tile", tmp_path / "deep.png").load((16, 16))
    assert np.abs(found[..., 0].ravel() - np.arange(256.0)).max() <= 1
