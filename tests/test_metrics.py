"""Distances between sets of features, against closed forms, SciPy and the very definitions."""

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial

from ddpm.core import metrics
from ddpm.core.metrics import (
    bootstrap,
    frechet_distance,
    kernel_distance,
    nearest,
    precision_recall,
)

RNG = np.random.default_rng


def test_frechet_of_gaussians_is_the_closed_form():
    rng = RNG(0)
    mix_a, mix_b = rng.standard_normal((2, 5, 5))
    shift = np.arange(5) / 2
    a = rng.standard_normal((200_000, 5)) @ mix_a
    b = rng.standard_normal((200_000, 5)) @ mix_b + shift
    cov_a, cov_b = mix_a.T @ mix_a, mix_b.T @ mix_b
    cross = np.real(np.trace(scipy.linalg.sqrtm(cov_a @ cov_b)))
    expected = shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * cross
    assert frechet_distance(a, b) == pytest.approx(expected, rel=0.02)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_frechet_where_features_are_fewer_than_dimensions():
    a, b = RNG(1).standard_normal((2, 10, 40))
    product = np.cov(a.T) @ np.cov(b.T)
    cross = np.real(np.sqrt(np.linalg.eigvals(product).astype(complex))).sum()
    expected = np.square(a.mean(0) - b.mean(0)).sum() - 2 * cross
    expected += np.trace(np.cov(a.T)) + np.trace(np.cov(b.T))
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)


def test_the_kernel_distance_is_its_definition(monkeypatch):
    monkeypatch.setattr(metrics, "BLOCK", 4)
    rng = RNG(2)
    a, b = rng.standard_normal((9, 3)), rng.standard_normal((7, 3)) + 1

    def k(x, y):
        return (x @ y / 3 + 1) ** 3

    among_a = np.mean([k(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j])
    among_b = np.mean([k(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j])
    between = np.mean([k(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(among_a + among_b - 2 * between)


def test_the_kernel_distance_of_equals_is_zero_on_average():
    values = [kernel_distance(*RNG(seed).standard_normal((2, 40, 8))) for seed in range(300)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(300)
    assert min(values) < 0 < max(values)
    biased = [frechet_distance(*RNG(seed).standard_normal((2, 40, 8))) for seed in range(20)]
    assert min(biased) > 0


def test_precision_and_recall_are_their_definition(monkeypatch):
    monkeypatch.setattr(metrics, "BLOCK", 7)
    rng = RNG(3)
    real, drawn = rng.standard_normal((40, 2)), rng.standard_normal((30, 2)) * 0.5 + 0.7

    def inside(points, others):
        reach = [sorted(np.linalg.norm(others - y, axis=1))[3] for y in others]
        return [
            any(np.linalg.norm(x - y) <= r for y, r in zip(others, reach, strict=True))
            for x in points
        ]

    precise, recalled = precision_recall(real, drawn, k=3)
    assert precise.tolist() == inside(drawn, real)
    assert recalled.tolist() == inside(real, drawn)
    assert 0 < precise.mean() <= 1 and 0 < recalled.mean() < 1


def test_precision_and_recall_tell_what_is_amiss():
    rng = RNG(4)
    real = np.concatenate([rng.standard_normal((300, 2)), rng.standard_normal((300, 2)) + 50])
    one_half = rng.standard_normal((600, 2))
    beside = np.concatenate([rng.standard_normal((300, 2)), rng.standard_normal((300, 2)) + 500])
    precise, recalled = precision_recall(real, one_half)
    assert precise.mean() > 0.95 and recalled.mean() == pytest.approx(0.5, abs=0.05)
    precise, _ = precision_recall(real, beside)
    assert precise.mean() == pytest.approx(0.5, abs=0.05)


def test_the_nearest_are_those_that_a_tree_finds(monkeypatch):
    monkeypatch.setattr(metrics, "BLOCK", 11)
    a, b = RNG(5).standard_normal((2, 50, 6))
    distances, indices = nearest(a, b, 4)
    expected, at = scipy.spatial.cKDTree(b).query(a, 4)
    np.testing.assert_allclose(distances, expected, atol=1e-6)
    assert np.array_equal(indices, at)


def test_no_picture_is_its_own_neighbour(monkeypatch):
    monkeypatch.setattr(metrics, "BLOCK", 11)
    a = RNG(6).standard_normal((50, 6))
    distances, indices = nearest(a, a, 2, others=True)
    expected, at = scipy.spatial.cKDTree(a).query(a, 3)
    np.testing.assert_allclose(distances, expected[:, 1:], atol=1e-6)
    assert np.array_equal(indices, at[:, 1:])


def test_the_bootstrap_knows_the_error_of_a_mean():
    values = RNG(7).standard_normal(400)
    found = bootstrap(np.mean, values, rounds=2000)
    assert found == pytest.approx(1.96 * values.std() / 20, rel=0.1)
    both = bootstrap(lambda x, y: x.mean() - y.mean(), values, values[:100], rounds=2000)
    assert both > 2 * found


@pytest.mark.parametrize(
    ("a", "b"), [((5, 3), (5, 4)), ((5,), (5, 4)), ((1, 3), (5, 3)), ((5, 3), (0, 3))]
)
def test_what_cannot_be_compared_is_refused(a, b):
    for distance in (frechet_distance, kernel_distance):
        with pytest.raises(ValueError, match=r"Received: shapes"):
            distance(np.zeros(a), np.zeros(b))
