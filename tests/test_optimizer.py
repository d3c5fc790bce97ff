"""The learning rate over the steps, and averaged weights."""

import keras
import numpy as np
import pytest
from keras import ops

from ddpm.training.optimizer import AveragedAdam, WarmUp


def test_the_rate_rises_stays_and_falls_as_the_root_of_the_step():
    rate = WarmUp(0.5, warmup_steps=10, decay_steps=40)
    steps = np.arange(200)
    expected = 0.5 * np.minimum(1, (steps + 1) / 10) / np.sqrt(np.maximum(1, steps / 40))
    np.testing.assert_allclose([float(rate(step)) for step in steps], expected, rtol=1e-6)
    assert float(rate(0)) == pytest.approx(0.05)
    assert float(rate(40)) == 0.5
    assert float(rate(160)) == pytest.approx(0.25)


def test_without_warm_up_and_decay_the_rate_is_constant():
    assert {float(WarmUp(0.25)(step)) for step in (0, 1, 10**6)} == {0.25}


def test_the_rate_can_be_saved():
    rate = WarmUp(0.5, warmup_steps=10, decay_steps=40)
    back = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rate))
    assert [float(back(s)) for s in (0, 20, 99)] == [float(rate(s)) for s in (0, 20, 99)]


def take_steps(optimizer, n, rng):
    """n steps on two variables along gradients of their own; the value after each step."""
    starts = (rng.standard_normal((3, 2)), np.ones(4))
    variables = [keras.Variable(start, dtype="float32") for start in starts]
    values = [[np.array(v) for v in variables]]
    optimizer.build(variables)
    for _ in range(n):
        grads = [ops.convert_to_tensor(rng.standard_normal(v.shape), "float32") for v in variables]
        optimizer.apply(grads, variables)
        values.append([np.array(v) for v in variables])
    return values


def test_the_average_is_the_exponential_one_with_its_warm_up():
    optimizer = AveragedAdam(0.1, ema_decay=0.5)
    history = take_steps(optimizer, 20, np.random.default_rng(0))
    for i in range(2):
        average = history[0][i].astype(np.float64)
        for n, values in enumerate(history[1:], start=1):
            decay = min(0.5, (1 + n) / (10 + n))
            average = decay * average + (1 - decay) * values[i]
        assert np.abs(np.array(optimizer.averages[i]) - average).max() < 1e-6


def test_a_long_average_follows_its_own_decay_in_the_end():
    optimizer = AveragedAdam(0.1, ema_decay=0.2)
    take_steps(optimizer, 3, np.random.default_rng(0))
    average = np.array(optimizer.averages[0])
    variables = optimizer._trainable_variables
    optimizer.apply([ops.zeros(v.shape) for v in variables], variables)
    expected = 0.2 * average + 0.8 * np.array(variables[0])
    assert np.abs(np.array(optimizer.averages[0]) - expected).max() < 1e-6


def test_averaging_leaves_adam_as_it_is():
    averaged = AveragedAdam(0.1, ema_decay=0.9, global_clipnorm=1.0)
    plain = keras.optimizers.Adam(0.1, epsilon=1e-8, global_clipnorm=1.0)
    ours = take_steps(averaged, 10, np.random.default_rng(0))
    theirs = take_steps(plain, 10, np.random.default_rng(0))
    for a, b in zip(ours, theirs, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_the_optimizer_can_be_saved():
    optimizer = AveragedAdam(WarmUp(0.5, 10), ema_decay=0.7, global_clipnorm=1.0)
    back = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert (back.ema_decay, back.global_clipnorm, back.epsilon) == (0.7, 1.0, 1e-8)


def test_averages_can_be_restarted_from_the_weights():
    optimizer = AveragedAdam(0.1, ema_decay=0.9)
    take_steps(optimizer, 5, np.random.default_rng(0))
    variables = optimizer._trainable_variables
    assert not np.array_equal(np.array(optimizer.averages[0]), np.array(variables[0]))
    optimizer.restart_averages()
    for average, variable in zip(optimizer.averages, variables, strict=True):
        np.testing.assert_array_equal(np.array(average), np.array(variable))


def test_weights_that_are_no_unit_kernels_learn_at_their_own_share_of_the_rate():
    """Adam's first step is the rate along the gradient's sign, whatever its size."""
    from ddpm.nets.mp_layers import UnitKernels

    kernel, plain = (keras.Variable(np.ones((4, 2)), dtype="float32") for _ in range(2))
    kernel.constraint = UnitKernels()
    optimizer = AveragedAdam(0.1, plain_rate=0.05)
    optimizer.build([kernel, plain])
    grad = ops.convert_to_tensor([[1.0, -1.0]] * 2 + [[-1.0, 1.0]] * 2)
    optimizer.apply([grad, grad], [kernel, plain])
    np.testing.assert_allclose(np.array(plain), 1 - 0.005 * np.sign(grad), atol=1e-5)
    moved = 1 - 0.1 * np.sign(grad)
    moved = moved / np.sqrt(np.mean(moved**2, axis=0))
    np.testing.assert_allclose(np.array(kernel), moved, atol=1e-3)
