"""Captions of what differs between pictures of one person."""

import json
import re

import numpy as np
import pytest

from data import load_images, make_faces
from data.people import wording
from data.people.changes import captions_of, describe_changes

N = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_faces(tmp_path_factory.mktemp("faces") / "set", N, 4, 32, 7, drawn=0.4)


def said_of(record, times=40):
    """Captions of a picture in as many wordings."""
    return [describe_changes(record, np.random.default_rng(i)) for i in range(times)]


def test_nothing_that_stays_the_same_is_said(folder):
    colours = "|".join(wording.HAIR_NAMES)
    stays = re.compile(
        rf"\b(hair|beard|skin|eyebrows|nose|young|old|elderly|his \w+ties|({colours}) eyes)\b"
    )
    for line in (folder / "faces.jsonl").read_text().splitlines():
        for caption in said_of(json.loads(line)):
            assert not stays.search(caption), caption


def test_what_differs_is_said(folder):
    records = [json.loads(line) for line in (folder / "faces.jsonl").read_text().splitlines()]
    record = next(r for r in records if r["style"] == "photo")
    record["pose"] = [30.0, 0.0, 0.0]
    seen = {"expression": "laugh", "glasses": "round", "sunglasses": False, "hat": "beanie"}
    seen |= {"hat_cloth": "orange", "backdrop": "sweep", "backdrop_colour": "green", "scarf": ""}
    record["attributes"] |= seen
    for caption in said_of(record):
        assert "laugh" in caption and "glasses" in caption and "right" in caption
        assert re.search("an orange (beanie|knitted hat|woolly hat|hat)", caption)
    assert any("green" in caption for caption in said_of(record))
    noun = record["attributes"]["sex"]
    triggered = [f"{noun}, a {noun}" in caption for caption in said_of(record, 200)]
    assert 60 < sum(triggered) < 140


def test_a_set_has_them_and_a_plain_folder_has_none(folder, tmp_path):
    pictures = load_images(folder, 32)
    changes = captions_of(pictures.records)
    assert len(changes) == N and changes != pictures.captions
    assert captions_of(load_images(folder, 32).records) == changes
    from common.images import write_image

    write_image(pictures.images[0], tmp_path / "a.png")
    assert captions_of(load_images(tmp_path, 32).records) is None


def test_records_of_another_kind_have_none(folder, tmp_path):
    records = [json.loads(line) for line in (folder / "faces.jsonl").read_text().splitlines()]
    records[3].pop("attributes")
    other = tmp_path / "faces.jsonl"
    other.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    assert captions_of(other) is None
