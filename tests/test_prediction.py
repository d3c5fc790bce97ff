"""Conversions among eps, x0 and v, and the weights of their errors."""

import numpy as np
import pytest
from keras import ops

from ddpm.core.prediction import PREDICTIONS, WEIGHTINGS, loss_weights, target, to_eps, to_x0
from ddpm.core.schedule import SCHEDULES

all_predictions = pytest.mark.parametrize("prediction", PREDICTIONS)
all_schedules = pytest.mark.parametrize("name", SCHEDULES)


def every_level(name, rng, T=1000):
    """One small picture at each level: x0, eps, x_t, alpha, sigma."""
    schedule = SCHEDULES[name](T)
    x0 = rng.uniform(-1, 1, (T, 2, 2, 3))
    eps = rng.standard_normal(x0.shape)
    alpha, sigma = (v.reshape(-1, 1, 1, 1) for v in (schedule.alpha, schedule.sigma))
    return x0, eps, alpha * x0 + sigma * eps, alpha, sigma


@all_schedules
@all_predictions
def test_the_target_gives_the_picture_and_the_noise_back_at_every_level(prediction, name, rng):
    x0, eps, x_t, alpha, sigma = every_level(name, rng)
    answer = target(prediction, x0, eps, alpha, sigma)
    back = to_x0(prediction, answer, x_t, alpha, sigma)
    # Dividing by alpha magnifies rounding: 1e-16 / alpha for eps.
    assert (np.abs(back - x0) * alpha).max() < 1e-14
    assert (np.abs(to_eps(x_t, back, alpha, sigma) - eps) * sigma).max() < 1e-14


def test_v_is_the_formula_of_the_paper(rng):
    x0, eps, _, alpha, sigma = every_level("cosine", rng)
    angle = np.arctan2(sigma, alpha)  # Salimans & Ho 2022, appendix D: z = cos x + sin eps
    np.testing.assert_allclose(
        target("v", x0, eps, alpha, sigma), np.cos(angle) * eps - np.sin(angle) * x0, atol=1e-14
    )


@all_predictions
def test_tensors_of_the_backend_work_as_arrays_do(prediction, rng):
    arrays = [a.astype(np.float32) for a in every_level("linear", rng, T=10)]
    x0, eps, x_t, alpha, sigma = arrays
    tensors = [ops.convert_to_tensor(a) for a in arrays]
    answer = target(prediction, x0, eps, alpha, sigma)
    answer_tensor = target(prediction, tensors[0], tensors[1], *tensors[3:])
    np.testing.assert_allclose(ops.convert_to_numpy(answer_tensor), answer, atol=1e-6)
    back = to_x0(prediction, answer_tensor, tensors[2], *tensors[3:])
    np.testing.assert_allclose(
        ops.convert_to_numpy(back), to_x0(prediction, answer, x_t, alpha, sigma), rtol=1e-4
    )


@all_schedules
@pytest.mark.parametrize("gamma", (1.0, 5.0, 20.0))
def test_min_snr_weighs_the_same_mistake_the_same_in_every_prediction(name, gamma, rng):
    x0, eps, x_t, alpha, sigma = every_level(name, rng)
    log_snr = SCHEDULES[name](1000).log_snr
    wrong_x0 = x0 + rng.standard_normal(x0.shape)
    wrong_eps = to_eps(x_t, wrong_x0, alpha, sigma)
    losses = []
    for prediction in PREDICTIONS:
        error = target(prediction, wrong_x0, wrong_eps, alpha, sigma) - target(
            prediction, x0, eps, alpha, sigma
        )
        weight = loss_weights("min_snr", prediction, log_snr, gamma)
        losses.append(weight * np.square(error).mean((1, 2, 3)))
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
    np.testing.assert_allclose(losses[2], losses[1], rtol=1e-6)


def test_min_snr_of_x0_is_the_snr_up_to_gamma():
    log_snr = np.log([0.01, 4.9, 5.1, 1e4])
    np.testing.assert_allclose(loss_weights("min_snr", "x0", log_snr), [0.01, 4.9, 5, 5])


@all_predictions
def test_plain_weights_are_one(prediction):
    assert loss_weights("plain", prediction, np.array([-9.0, 0.0, 9.0])).tolist() == [1, 1, 1]


def test_unknown_words_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="eps, x0, v. Received: 'score'"):
        target("score", 0, 0, 0, 0)
    with pytest.raises(ValueError, match="eps, x0, v. Received: 'score'"):
        to_x0("score", 0, 0, 0, 0)
    with pytest.raises(ValueError, match="eps, x0, v. Received: 'score'"):
        loss_weights("plain", "score", np.zeros(1))
    with pytest.raises(ValueError, match=f"{', '.join(WEIGHTINGS)}. Received: 'p2'"):
        loss_weights("p2", "eps", np.zeros(1))
