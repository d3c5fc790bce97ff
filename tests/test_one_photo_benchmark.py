"""The measurement of ways to learn a person from one photo: its rows and its sums."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import one_photo
from benchmarks.one_photo import (
    LONG,
    SHORT,
    OnePhoto,
    made,
    parse_snapshot,
    picture_similarity,
    rows_of,
    split,
)

PERSON = SimpleNamespace(noun="woman", looks="a young woman", subject="anna, a woman", number=0)


def test_rows_name_a_way_and_a_share_of_the_steps():
    rows = rows_of((0.1, 1.0))
    assert len(rows) == len(set(rows)) and {"words", "identity", "hyper", "fast"} <= set(rows)
    assert "dreambooth 0.1" in rows and "lora full 1" in rows
    assert {split(row)[0] for row in rows if row[-1].isdigit()} == set(LONG)
    assert split("lora full 0.25") == ("lora full", 0.25)


def test_snapshots_are_named_by_what_they_have_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(one_photo, "find_hyper", lambda path: path)
    assert parse_snapshot("16000=a=b.h5") == ("hyper after 16000", Path("a=b.h5"))
    for words in ("a.h5", "=a.h5", "16000=", "-1=a.h5"):
        with pytest.raises(ValueError, match="PICTURES=FILE"):
            parse_snapshot(words)


def test_pictures_are_like_views_by_the_cosine_of_their_features():
    one = np.eye(3)[:1]
    assert picture_similarity(5 * one, one) == pytest.approx(1)
    assert picture_similarity(one, -2 * one) == pytest.approx(-1)
    assert picture_similarity(np.eye(3)[:2], np.eye(3)[1:]) == pytest.approx(0.25)


class Noting:
    """In the place of `OnePhoto`: what is asked of it."""

    def __init__(self, face=True, conditions=("identity",)):
        self.hypers, self.fast_steps, self.calls = {"hyper": "h"}, 40, []
        self.settings = SimpleNamespace(steps=320)
        network = SimpleNamespace(conditions=conditions)
        self.preset, self.face = SimpleNamespace(network=network), face

    def face_of(self, person):
        return np.ones(2) if self.face else None

    def predict(self, person, row):
        return ("a.safetensors", {"seconds": 1.0}) if self.face else None

    def refine(self, person):
        return ({"adapters": []}, {"seconds": 2.0}) if self.face else None

    def train_one(self, person, run, how, steps):
        self.calls.append((run, how, steps))
        return {"adapters": []}, {"seconds": 3.0}


def test_each_row_draws_in_its_way():
    bench = Noting()
    assert made(bench, PERSON, "words")[0] == "a young woman"
    assert made(bench, PERSON, "identity")[0] == "a woman"
    assert made(bench, PERSON, "hyper")[1] == {"adapters": [("a.safetensors", 1.0)]}
    assert made(bench, PERSON, "hyper once") is None  # none was named
    bench.hypers["hyper after 16000"] = "h"
    assert made(bench, PERSON, "hyper after 16000")[1] == {"adapters": [("a.safetensors", 1.0)]}
    assert made(bench, PERSON, "fast")[2] == {"seconds": 2.0}
    for row, steps in (("light", 40), ("lora", 40), ("dreambooth 0.1", 32), ("inversion 1", 320)):
        assert made(bench, PERSON, row)[0] == "anna, a woman"
        assert bench.calls[-1][2] == steps
    assert [how for _, how, _ in bench.calls[:2]] == [SHORT["light"], SHORT["lora"]]


def test_a_photo_without_a_face_has_no_row_of_those_that_look_at_it():
    bench = Noting(face=False)
    assert [made(bench, PERSON, row) for row in ("identity", "hyper", "fast")] == [None] * 3
    assert made(Noting(conditions=()), PERSON, "identity") is None


def test_files_of_a_hypernetwork_are_called_by_it(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    bench = SimpleNamespace(hypers={"hyper": tmp_path / "a", "hyper once": tmp_path / "b"})
    keys = [OnePhoto.key(bench, row) for row in ("hyper", "hyper once", "fast", "lora full 1")]
    assert keys[3] == "lora_full_1" and len(set(keys)) == 4
    assert keys[0].split("_")[-1] == keys[2].split("_")[-1] != keys[1].split("_")[-1]


def test_what_was_measured_is_not_measured_again(tmp_path, monkeypatch):
    bench, calls = Noting(), []
    bench.key = lambda row: row
    bench.folder_of = lambda person: tmp_path
    bench.held = lambda person: None
    bench.draw = lambda path, who, seed, **given: calls.append(who) or np.zeros((2, 8, 8, 3))
    bench.measured = lambda images, held: {"likeness": {"encoder": 0.5}}
    bench.picture_features = lambda images: np.ones((len(images), 3))
    bench.preset.size = 8
    person = SimpleNamespace(**vars(PERSON), held=np.zeros((3, 8, 8, 3), np.uint8))
    rows = ["words", "hyper once"]
    first = one_photo.measure(bench, person, rows)
    assert first == one_photo.measure(bench, person, rows) and len(calls) == 1
    assert first["words"]["picture"] == pytest.approx(1) and "hyper once" not in first
