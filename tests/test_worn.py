"""What people wear: it stands clear of the face, covers what it should, and is told truly."""

import json
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from data.people.captions import describe
from data.people.person import sample_person
from data.people.view import attributes, sample_view
from data.people.wardrobe import EARRINGS, GLASSES, HATS
from data.shape import hats, worn
from data.shape.cuts import CUTS
from data.shape.hair import grow
from data.shape.head import load_head, shape_vertices
from data.shape.parts import PART


def somebody(seed, **fields):
    """A person with some fields set, a view of them, and their neutral face."""
    rng = np.random.default_rng(seed)
    person = sample_person(rng)
    view = sample_view(person, rng)
    return replace(person, **fields), view, shape_vertices(load_head(), person.shape)


def is_sound(mesh):
    lengths = np.linalg.norm(mesh.normals, axis=1)
    return (
        np.isfinite(mesh.points).all()
        and np.allclose(lengths, 1, atol=1e-3)
        and mesh.triangles.min() == 0
        and mesh.triangles.max() == len(mesh.points) - 1
        and mesh.known.shape == mesh.points.shape
    )


@pytest.mark.parametrize("shape", GLASSES)
def test_glasses_stand_in_front_of_the_eyes_and_clear_of_them(shape):
    head = load_head()
    eyes = np.concatenate([head.of_group("l-eye"), head.of_group("r-eye")])
    for seed in range(4):
        person, _, face = somebody(seed, glasses=shape, frame="black", dark_lenses=True)
        mesh = worn.glasses(person, face)
        assert is_sound(mesh)
        lenses = mesh.points[mesh.known[:, 0] > 0.5]
        assert lenses[:, 2].min() > face[eyes, 2].max() - 0.02
        assert lenses[:, 2].max() < face[eyes, 2].max() + 0.35  # nor far from them
        assert lenses[:, 0].min() < -0.3 and lenses[:, 0].max() > 0.3


@pytest.mark.parametrize("kind", HATS)
def test_hair_under_a_hat_stays_under_it(kind):
    _, _, face = somebody(3)
    normals = load_head().normals(face)
    strands = grow(face, normals, replace(CUTS["afro"], strands=300), np.random.default_rng(0))
    hat = hats.hat(kind, face)
    assert is_sound(hat.mesh)
    pressed = hats.press(strands, hat)
    top = pressed.points[..., 1] > hat.mesh.points[:, 1].max() - 0.4
    before = strands.points[..., 1] > hat.mesh.points[:, 1].max() - 0.4
    assert before.any() and hat.skull.gap(strands.points[before]).max() > 0.2
    assert hat.skull.gap(pressed.points[top]).max() < 0.06


def test_headscarves_earrings_and_scarves_are_sound():
    for seed in range(3):
        person, _, face = somebody(seed)
        assert is_sound(hats.headscarf(face, seed)) and is_sound(worn.scarf(face, seed))
        for kind in EARRINGS:
            mesh = worn.earrings(replace(person, earrings=kind, jewel="gold"), face)
            assert is_sound(mesh) and np.abs(mesh.points[:, 0]).min() > 0.4


def test_captions_name_what_is_seen_and_only_that():
    labels = np.zeros((32, 32), np.uint8)
    labels[8:], labels[:8] = PART["skin"], PART["hair"]
    person, view, _ = somebody(5, frame="gold")
    person = replace(person, glasses="round", dark_lenses=False, earrings="", dyed=False)
    view = replace(view, glasses=True, hat="beanie", hat_cloth="red", cut="bob", scarf="")

    def said(labels):
        return [describe(person, view, labels, np.random.default_rng(k)) for k in range(40)]

    assert not any("glasses" in text or "beanie" in text for text in said(labels))
    labels[10:14], labels[:4] = PART["glasses"], PART["hat"]
    texts = said(labels)
    assert any("round glasses" in text for text in texts)
    assert any("a red beanie" in text for text in texts)
    assert not any("bob" in text for text in texts)  # nobody can see that


def test_records_and_shares():
    drawn = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        person = sample_person(rng)
        view = sample_view(person, rng)
        known = attributes(person, view)
        assert bool(known["glasses"]) == view.glasses <= bool(person.glasses)
        assert known["hat"] == view.hat and known["earrings"] == person.earrings
        json.dumps(known)
        drawn.append((bool(person.glasses), bool(view.hat), bool(person.earrings)))
    owners, hatted, jewelled = np.mean(drawn, 0)
    assert 0.2 < owners < 0.42 and 0.03 < hatted < 0.15 and 0.15 < jewelled < 0.4


def test_the_part_map_shows_what_is_worn(rendered, rendered_small):
    hats_seen = set()
    pairs = [zip(maps, records, strict=True) for _, maps, records in (rendered, rendered_small)]
    for labels, record in chain(*pairs):
        known = record["attributes"]
        hats_seen.add(known["hat"])
        assert (labels == PART["hat"]).any() == bool(known["hat"])
        if not known["glasses"]:
            assert not (labels == PART["glasses"]).any()
            assert "glasses" not in record["caption"]
    assert len(hats_seen) > 2  # the sets show some


@pytest.mark.parametrize(("flat", "share"), [(False, 0.6), (True, 0.85)])
def test_a_flat_tube_fills_its_rectangle_and_faces_outwards(flat, share):
    path = np.stack([np.linspace(0, 1, 9), np.zeros(9), np.zeros(9)], 1)
    mesh = worn.tube(path, (0.2, 0.1), (0, 0, 1.0), flat=flat)
    rings = mesh.points.reshape(9, -1, 3)
    y, z = rings[4, :, 1], rings[4, :, 2]
    assert np.abs(y).max() <= 0.2 + 1e-6 and np.abs(z).max() <= 0.1 + 1e-6
    area = 0.5 * abs((y * np.roll(z, -1) - z * np.roll(y, -1)).sum())
    assert share < area / (0.4 * 0.2) < share + 0.1
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-5)
    assert ((mesh.points - np.repeat(path, len(y), 0)) * mesh.normals).sum(1).min() > 0
