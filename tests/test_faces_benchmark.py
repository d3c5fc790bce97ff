"""The measurement of the rendered faces: its sums against sums done another way."""

import json
from itertools import product

import numpy as np
import pytest

from benchmarks.common import merge_json
from benchmarks.faces_balance import balance, numeric, share_of
from benchmarks.faces_making import Moment, digests, memory, pace
from benchmarks.faces_recognised import auc, closest_people, point_errors
from docs.pages.faces import balance_tables


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(rng):
    same, different = rng.integers(0, 12, 40), rng.integers(5, 20, 70)
    pairs = [1 if a < b else 0.5 if a == b else 0 for a, b in product(same, different)]
    assert auc(same, different) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_the_area_under_the_curve_of_two_normals(rng):
    """Two normals of variance 1 whose means are d apart: Phi(d / sqrt(2)), here 0.92135."""
    close, far = rng.normal(0, 1, 20_000), rng.normal(2, 1, 20_000)
    assert auc(close, far) == pytest.approx(0.92135, abs=0.004)
    assert auc(far, close) == pytest.approx(1 - 0.92135, abs=0.004)
    assert auc([1, 2], [3, 4]) == 1 and auc([1, 1], [1, 1]) == 0.5


def test_errors_are_in_parts_of_the_true_eye_distance():
    true = np.array([[10, 20], [50, 50], [30, 60], [20, 80], [45, 85]])  # eyes 50 apart
    found = true + [[0, 5], [0, 0], [3, 4], [-10, 0], [0, -50]]
    assert point_errors(found, true) == pytest.approx([0.1, 0, 0.1, 0.2, 1])
    assert point_errors([found, true], [true, true]).shape == (2, 5)


def test_the_closest_people_come_first_with_what_stays_of_them():
    who = np.array([0, 0, 1, 1, 2, 2])
    place = np.array([0.0, 0.2, 1, 1.2, 9, 9.2])
    records = [{"attributes": {"hair": f"hair {w // 2}", "smile": i}} for i, w in enumerate(who)]
    found = closest_people(np.abs(place[:, None] - place), who, records, count=2)
    assert [pair["people"] for pair in found] == [[0, 1], [1, 2]]
    assert found[0]["distance"] == pytest.approx(1)
    assert found[0]["attributes"] == {"hair": ["hair 0", "hair 0"]}


def test_a_part_replaces_itself_and_leaves_the_others(tmp_path):
    path = tmp_path / "results" / "faces.json"
    merge_json({"identity": {"auc": 0.9}}, path)
    merge_json({"balance": {"people": 3}, "kill": {"equal": True}}, path)
    merge_json({"identity": {"auc": 0.99}}, path)
    assert json.loads(path.read_text()) == {
        "balance": {"people": 3},
        "identity": {"auc": 0.99},
        "kill": {"equal": True},
    }


def moments(counts, megabytes):
    """A look each second at two workers, the second of which holds 100 MB."""
    return [
        Moment(float(k), n, 1.5 * k, (mb, 100.0))
        for k, (n, mb) in enumerate(zip(counts, megabytes, strict=True))
    ]


def test_the_pace_leaves_the_start_and_the_wait_at_the_end_out():
    run = moments([0, 0, 16, 32, 48, 64, 64, 64], [200.0] * 8)
    assert pace(run) == pytest.approx((16, 1.5 / 16))


def test_memory_is_a_line_through_the_settled_part():
    counts = list(range(0, 10_000, 250))
    found = memory(moments(counts, [400 + 0.002 * n for n in counts]))
    assert found["slope_per_1000"] == pytest.approx(2)
    assert found["start"] == pytest.approx(401) and found["maximum"] == pytest.approx(419.5)
    with pytest.raises(ValueError, match="500 pictures"):
        memory(moments([16, 32], [1.0, 1.0]))


def test_one_bit_changes_a_digest(tmp_path):
    for name in ("images.npy", "labels.npy", "faces.jsonl", "dataset.json"):
        (tmp_path / name).write_bytes(b"abc")
    before = digests(tmp_path)
    assert before["images.npy"].startswith("ba7816bf8f01cfea")  # FIPS 180-2's example
    (tmp_path / "labels.npy").write_bytes(b"abb")
    after = digests(tmp_path)
    assert [name for name in before if before[name] != after[name]] == ["labels.npy"]


def test_whatever_attribute_there_is_gets_counted():
    assert share_of(["cap", "", "cap", None]) == {"cap": 0.5, "none": 0.5}
    assert share_of([True, False, False, False]) == {"no": 0.75, "yes": 0.25}
    assert share_of([["ring", "scarf"], []]) == {"ring": 0.5, "scarf": 0.5, "none": 0.5}
    assert numeric("gaze", [[1, 2], [3, 4]]) == {"gaze 1": [1, 3], "gaze 2": [2, 4]}
    assert numeric("freckles", [True, False]) == {} == numeric("cut", ["bob", "bun"])


def test_the_balance_covers_all_attributes_and_poses():
    found = balance(40, {"n": 40, "identities": 40, "seed": 3, "drawn": 0.5})
    assert {"sex", "age", "main origin", "cut", "expression", "style"} <= set(found["shares"])
    assert {"yaw", "pitch", "roll", "age", "skin_tone"} <= set(found["quantiles"])
    assert sum(found["shares"]["age"].values()) == pytest.approx(1)
    assert found["shares"]["style"]["photo"] < 1


def test_what_is_counted_of_people_makes_rows_that_can_be_read():
    """Every row of the tables stays short, whatever kind of value a fact has."""
    found = balance(60, {"n": 60, "identities": 60, "seed": 5, "drawn": 0.5})
    tables = balance_tables(found)
    assert max(map(len, (tables["shares"] + tables["quantiles"]).splitlines())) < 2000
    assert found["quantiles"]["light_strengths key"]["50"] > 0
