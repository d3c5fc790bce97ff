"""Wrappers round a denoiser and the control branch: alone, stacked, and with every sampler."""

import keras
import numpy as np
import pytest
from keras import ops
from layer_checks import FEW_STEPS, SignDescent, randomise

from ddpm.conditions import NoSettings, null_condition
from ddpm.conditions.hints import KINDS, drop_inactive_hints
from ddpm.conditions.size_crop import size_crop
from ddpm.conditions.text import TextSettings
from ddpm.core.denoiser import DenoisingStep, x0_denoiser
from ddpm.core.samplers import SAMPLERS, PictureNoise
from ddpm.core.schedule import cosine_schedule, uniform_timesteps
from ddpm.core.wrappers import clipped, conditioned, guided, progress, scheduled
from ddpm.nets.config import UNetConfig
from ddpm.nets.control import Controlled
from ddpm.nets.unet import UNet

SIZE, LENGTH, T = 16, 6, 100
TEXT = TextSettings(tuple("abcdefghij"), length=LENGTH, width=16, layers=1, head_width=8)
CONFIG = UNetConfig(
    image_size=SIZE,
    widths=(8, 16),
    blocks=1,
    attention=(8,),
    groups=4,
    head_width=8,
    cross_attention_layers=(0, 1),
    conditions={"text": TEXT, "size_crop": NoSettings()},
)

every_sampler = pytest.mark.parametrize("sampler", SAMPLERS)


@pytest.fixture(scope="module")
def network():
    network = UNet(CONFIG)
    randomise(network)
    return network


@pytest.fixture(scope="module")
def controlled(network):
    controlled = Controlled(network)
    randomise(controlled.branch)
    return controlled


@pytest.fixture(scope="module")
def denoise_base(network):
    return drop_inactive_hints(x0_denoiser(network, cosine_schedule(T), "x0"))


@pytest.fixture(scope="module")
def denoise_branch(controlled):
    return drop_inactive_hints(x0_denoiser(controlled, cosine_schedule(T), "x0"))


def condition(n=2, seed=0):
    rng = np.random.default_rng(seed)
    tokens = rng.integers(2, 12, (n, LENGTH)).astype("int32")
    tokens[:, 0] = 1
    return {"tokens": tokens, "size_crop": np.stack([size_crop(SIZE)] * n)}


def hints(n=2, seed=5):
    rng = np.random.default_rng(seed)
    pictures = rng.uniform(-1, 1, (n, SIZE, SIZE, 3 * len(KINDS))).astype("float32")
    return {"hints": pictures, "strengths": np.ones((n, len(KINDS)), "float32")}


def draw(denoise, sampler, n=2, steps=4):
    denoise = clipped(denoise, (-1, 1))
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
    np.testing.assert_allclose(ask(guided(linear, positive, negative, 30.0)), [3.1, -2.8], 1e-5)
    # The result stays a picture however strong it is, where what is diffused has bounds.
    strong = clipped(guided(linear, positive, negative, 30.0), (-1, 1))
    np.testing.assert_allclose(ask(strong), [1.0, -1.0])


def test_latents_have_no_bounds():
    """Neither guidance nor plain conditioning clips; `clipped` does, where there are bounds."""
    far = {"a": np.array([5.0, -7.0])}
    for denoise in (conditioned(linear, far), guided(linear, far, far, 1.0)):
        assert clipped(denoise, None) is denoise
        np.testing.assert_array_equal(ask(denoise), [5, -7])
        np.testing.assert_array_equal(ask(clipped(denoise, (-1, 1))), [1, -1])
        np.testing.assert_array_equal(ask(clipped(denoise, (-2, 6))), [5, -2])
    stretched = guided(linear, far, {"a": np.array([4.0, -6.0])}, 3.0, rescale=0.0)
    np.testing.assert_array_equal(ask(stretched), [7, -9])


def test_an_x0_denoiser_does_not_clip(network):
    x_t = 50 * np.ones((1, SIZE, SIZE, 3), "float32")
    far = x0_denoiser(lambda x_t, t, training: x_t, cosine_schedule(T), "x0")
    assert np.asarray(far(x_t, np.array([3], "int32"))).max() == 50


def test_progress_runs_from_noise_to_the_picture():
    shares = [progress(np.full(2, t, "int32"), 101) for t in (100, 50, 0)]
    np.testing.assert_allclose(shares, [0, 0.5, 1])


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
def test_guidance_of_scale_1_is_plain_conditioning(denoise_base, sampler):
    denoise = denoise_base
    null = null_condition(CONFIG.conditions, 2)
    plain = draw(conditioned(denoise, condition()), sampler)
    wrapped = draw(guided(denoise, condition(), null, 1.0, T=T), sampler)
    np.testing.assert_allclose(wrapped, plain, atol=2e-4)
    assert np.abs(draw(guided(denoise, condition(), null, 4.0, T=T), sampler) - plain).max() > 0.05
    assert np.abs(draw(conditioned(denoise, condition(seed=1)), sampler) - plain).max() > 0.01


@every_sampler
def test_control_of_strength_0_is_the_base_bit_for_bit(denoise_base, denoise_branch, sampler):
    base, branch = denoise_base, denoise_branch
    off = {**condition(), **hints(), "strengths": np.zeros((2, len(KINDS)), "float32")}
    plain = draw(conditioned(base, condition()), sampler)
    np.testing.assert_array_equal(draw(conditioned(branch, off), sampler), plain)
    np.testing.assert_array_equal(draw(conditioned(branch, condition()), sampler), plain)
    assert (
        np.abs(draw(conditioned(branch, {**condition(), **hints()}), sampler) - plain).max() > 0.05
    )


@every_sampler
def test_words_windows_and_control_stack_on_every_sampler(denoise_branch, sampler):
    denoise = denoise_branch
    positive = {**condition(), **hints()}
    negative = {**positive, **null_condition({"text": TEXT}, 2)}
    whole, shut = [(0.0, 1.0)] * 4, [(2.0, 3.0)] * 4
    pictures = {
        "open": draw(guided(scheduled(denoise, whole, T), positive, negative, 3.0, T=T), sampler),
        "bare": draw(guided(denoise, positive, negative, 3.0, T=T), sampler),
        "shut": draw(guided(scheduled(denoise, shut, T), positive, negative, 3.0, T=T), sampler),
        "early": draw(
            guided(scheduled(denoise, [(0, 0.5)] * 4, T), positive, negative, 3.0, T=T), sampler
        ),
    }
    plain, away = condition(), {**condition(), **null_condition({"text": TEXT}, 2)}
    pictures["uncontrolled"] = draw(guided(denoise, plain, away, 3.0, T=T), sampler)
    np.testing.assert_array_equal(pictures["open"], pictures["bare"])
    np.testing.assert_allclose(pictures["shut"], pictures["uncontrolled"], atol=2e-4)
    assert np.abs(pictures["early"] - pictures["open"]).max() > 0.01
    assert np.abs(pictures["early"] - pictures["shut"]).max() > 0.01
    assert all(np.isfinite(picture).all() for picture in pictures.values())


@pytest.mark.parametrize("policy", ("float32", "mixed_bfloat16"))
def test_strength_0_within_a_batch_is_the_base_too(policy):
    base = UNet(CONFIG, dtype=policy)
    randomise(base)
    controlled = Controlled(base)
    randomise(controlled.branch)
    x_t = np.random.default_rng(2).normal(size=(2, SIZE, SIZE, 3)).astype("float32")
    t = np.array([20, 70], "int32")
    given = {**condition(), **hints()}
    given["strengths"][1] = 0
    plain = ops.convert_to_numpy(base(x_t, t, condition()))
    seen = ops.convert_to_numpy(controlled(x_t, t, given))
    np.testing.assert_array_equal(seen[1], plain[1])
    assert np.abs(seen[0] - plain[0]).max() > 1e-3
    np.testing.assert_array_equal(ops.convert_to_numpy(controlled(x_t, t, condition())), plain)


def test_a_window_opens_and_shuts_each_kind_by_itself():
    seen = {}

    def denoise(x_t, t, condition):
        seen[int(t[0])] = condition["strengths"].copy()
        return x_t

    given = {"strengths": np.array([[0.5, 1.0, 0.0, 0.25]], "float32")}
    wrapped = scheduled(denoise, [(0, 0.5), (0.5, 1), (0, 1), (0, 1)], T=101)
    for t in (100, 51, 50, 49, 0):
        wrapped(np.zeros((1, 2, 2, 3)), np.full(1, t), given)
    early, late, both = [0.5, 0, 0, 0.25], [0, 1, 0, 0.25], [0.5, 1, 0, 0.25]
    for t, expected in ((100, early), (51, early), (50, both), (49, late), (0, late)):
        np.testing.assert_array_equal(seen[t], [expected])
    np.testing.assert_array_equal(given["strengths"], [[0.5, 1.0, 0.0, 0.25]])


def test_the_strength_scales_what_a_single_hint_adds(network, controlled):
    x_t = np.random.default_rng(0).normal(size=(2, SIZE, SIZE, 3)).astype("float32")
    t = np.array([10, 80], "int32")
    context = controlled.base.embed(t, condition())
    one = np.eye(len(KINDS), dtype="float32")[[1, 1]]
    full = controlled.branch(x_t, context, hints()["hints"], one)
    third = controlled.branch(x_t, context, hints()["hints"], one / 3)
    for a, b in zip(full, third, strict=True):
        assert np.abs(ops.convert_to_numpy(a)).max() > 1e-3
        np.testing.assert_allclose(
            ops.convert_to_numpy(b), ops.convert_to_numpy(a) / 3, rtol=1e-3, atol=1e-5
        )


def test_each_kind_of_hint_is_seen_and_black_is_not_absent(denoise_branch):
    x_t, t = np.zeros((2, SIZE, SIZE, 3), "float32"), np.array([50, 50], "int32")

    def predict(pictures, strengths):
        given = {"hints": pictures, "strengths": strengths.astype("float32")}
        return denoise_branch(x_t, t, {**condition(), **given})

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
    given = {**condition(), **hints()}
    np.testing.assert_array_equal(
        ops.convert_to_numpy(fresh(x_t, t, given)),
        ops.convert_to_numpy(network(x_t, t, condition())),
    )
    inputs = {"x_t": x_t, "t": t, **given}

    class Probe(keras.Model):
        def __init__(self):
            super().__init__()
            self.network = fresh

        def call(self, inputs):
            inputs = dict(inputs)
            return self.network(inputs.pop("x_t"), inputs.pop("t"), inputs)

    probe = Probe()
    probe.compile(SignDescent(1e-2), "mse", **FEW_STEPS)
    losses = [float(probe.train_on_batch(inputs, np.zeros_like(x_t))) for _ in range(4)]
    assert losses[-1] < 0.9 * losses[0]
    for v, old in zip(network.variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(v), old)
    moved = [v.path for v in fresh.branch.trainable_variables]
    assert len(probe.trainable_variables) == len(moved) > 50


def test_other_words_strengths_and_steps_are_values_of_the_same_compiled_step(controlled):
    traced = []

    class Counted(DenoisingStep):
        def call(self, inputs):
            traced.append(1)
            return super().call(inputs)

    schedule = cosine_schedule(T)
    step = Counted(controlled, schedule, "x0")
    step.jit_compile = keras.backend.backend() == "jax"

    def denoise(x_t, t, condition):
        return step.predict_on_batch((x_t, t, condition))

    def ask(seed, strength, t):
        given = {**condition(seed=seed), **hints(seed=seed)}
        given["strengths"] = given["strengths"] * np.float32(strength)
        x_t = np.random.default_rng(0).normal(size=(2, SIZE, SIZE, 3)).astype("float32")
        return np.asarray(denoise(x_t, np.full(2, t, "int32"), given)), (x_t, t, given)

    first, _ = ask(0, 1.0, 50)
    compiled = len(traced)
    for seed, strength, t in ((1, 1.0, 50), (0, 0.5, 50), (0, 1.0, 20), (2, 0.0, 99)):
        answer, (x_t, at, given) = ask(seed, strength, t)
        assert np.abs(answer - first).max() > 1e-4
        # No stale constant: the eager network says the same.
        eager = DenoisingStep(controlled, schedule, "x0")
        expected = ops.convert_to_numpy(eager((x_t, np.full(2, at, "int32"), given)))
        np.testing.assert_allclose(answer, expected, atol=2e-3)
    assert len(traced) == compiled


def test_a_batch_in_micro_batches_is_conditioned_the_same(controlled):
    schedule = cosine_schedule(T)
    x_t = np.random.default_rng(0).normal(size=(4, SIZE, SIZE, 3)).astype("float32")
    given = {**condition(4), **hints(4)}
    whole, halves = (
        np.asarray(
            x0_denoiser(controlled, schedule, "x0", micro_batches=parts)(x_t, np.full(4, 50), given)
        )
        for parts in (1, 2)
    )
    np.testing.assert_allclose(halves, whole, atol=1e-4)
