"""Power-function averages: widths, steps and reconstruction in closed form."""

import numpy as np
import pytest

from ddpm.core.averages import coefficients, decay, power_of, reconstruct


def average(power, sigma_rel, t):
    """The average of weights that move as (tau / 100)^power, in closed form."""
    gamma = power_of(sigma_rel)
    return (gamma + 1) / (gamma + 1 + power) * (t / 100) ** power


@pytest.mark.parametrize(("sigma_rel", "gamma"), [(0.05, 16.97), (0.10, 6.94)])
def test_the_powers_are_those_of_the_paper(sigma_rel, gamma):
    assert power_of(sigma_rel) == pytest.approx(gamma, abs=0.01)


def test_steps_of_the_decay_make_the_profile():
    gamma, value = power_of(0.10), 0.0
    for step in range(1, 2001):
        keep = decay(gamma, step)
        value = keep * value + (1 - keep) * step / 100
    assert value == pytest.approx(average(1, 0.10, 2000), rel=1e-3)


def test_a_stored_average_is_itself():
    np.testing.assert_allclose(coefficients([(0.05, 50), (0.1, 100)], 0.1, 100), [0, 1], atol=1e-9)


@pytest.mark.parametrize("sigma_rel", [0.07, 0.15])
def test_other_widths_are_reconstructed(sigma_rel):
    stored = [(s, t) for t in range(10, 101, 10) for s in (0.05, 0.10)]
    snapshots = [(s, t, [np.array([average(k, s, t) for k in (0, 1, 3)])]) for s, t in stored]
    (found,) = reconstruct(snapshots, sigma_rel, 100)
    expected = [average(k, sigma_rel, 100) for k in (0, 1, 3)]
    np.testing.assert_allclose(found, expected, rtol=0.01)


def test_a_width_that_no_profile_has_is_refused():
    with pytest.raises(ValueError, match="sigma_rel must lie"):
        power_of(0.5)
