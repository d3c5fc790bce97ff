"""The learning rate over the steps, and averaged weights."""

import keras
import numpy as np
import pytest
from keras import ops

from ddpm.nets.mp_layers import UnitKernels
from ddpm.training.optimizer import AveragedAdam, AveragedMuon, WarmUp, orthogonalized


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


@pytest.mark.parametrize("shape", [(24, 10), (10, 24), (16, 16)])
def test_an_orthogonalized_matrix_has_singular_values_near_one_and_the_same_axes(shape):
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=shape).astype(np.float32) @ np.diag(np.geomspace(1, 5, shape[1]))
    found = ops.convert_to_numpy(orthogonalized(ops.convert_to_tensor(matrix, "float32")))
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    values = np.diag(u.T @ found @ v.T)
    assert values.min() > 0.6 and values.max() < 1.3 and s.max() > 4 * s.min()
    away = found - (u * values) @ v
    assert np.abs(away).max() < 0.06  # bfloat16


def test_muon_steps_kernels_of_unit_length_and_leaves_others_to_adam():
    rng = np.random.default_rng(0)
    kernel = keras.Variable(rng.normal(size=(3, 3, 4, 6)), dtype="float32", name="kernel")
    kernel.constraint = UnitKernels()
    kernel.assign(kernel.constraint(kernel))
    gain = keras.Variable(np.ones(5), dtype="float32", name="gain")
    twin = keras.Variable(np.ones(5), dtype="float32", name="gain")
    muon = AveragedMuon(0.2, plain_rate=0.5)
    adam = AveragedAdam(0.2, plain_rate=0.5)
    muon.build([kernel, gain])
    adam.build([twin])
    wanted = ops.convert_to_numpy(UnitKernels()(rng.normal(size=(3, 3, 4, 6)).astype("float32")))
    apart = []
    for _ in range(60):
        apart.append(float(np.mean((ops.convert_to_numpy(kernel) - wanted) ** 2)))
        slope = ops.convert_to_tensor(rng.standard_normal(5), "float32")
        muon.apply([ops.convert_to_tensor(kernel) - wanted, slope], [kernel, gain])
        adam.apply([slope], [twin])
    assert apart[-1] < 0.05 * apart[0]
    lengths = np.mean(ops.convert_to_numpy(kernel) ** 2, axis=(0, 1, 2))
    np.testing.assert_allclose(lengths, 1, atol=1e-3)
    np.testing.assert_allclose(ops.convert_to_numpy(gain), ops.convert_to_numpy(twin), atol=1e-6)


def test_a_first_step_of_muon_is_as_long_in_every_direction():
    rng = np.random.default_rng(0)
    kernel = keras.Variable(rng.normal(size=(32, 8)), dtype="float32", name="kernel")
    kernel.constraint = UnitKernels()
    before = np.array(kernel.assign(kernel.constraint(kernel)))
    muon = AveragedMuon(1e-4)
    muon.build([kernel])
    gradient = rng.normal(size=(32, 8)) @ np.diag(np.geomspace(1, 30, 8))
    muon.apply([ops.convert_to_tensor(gradient, "float32")], [kernel])
    moved = np.linalg.svd(np.array(kernel) - before, compute_uv=False) / 1e-4
    steepness = np.linalg.svd(gradient, compute_uv=False)
    assert steepness.max() > 15 * steepness.min() and moved.max() < 2.5 * moved.min()
    assert np.median(moved) == pytest.approx(0.2 * np.sqrt(32), rel=0.2)
