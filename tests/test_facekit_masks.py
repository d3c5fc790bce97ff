"""Masks against the part maps of renders, and against what each of them means."""

import cv2
import numpy as np
import pytest

from data.shape.parts import PARTS
from facekit import masks
from facekit.detect import detect, largest


@pytest.fixture(scope="module")
def render_faces(rendered):
    images, labels, records = rendered
    return [
        (image, label, largest(detect(image)), record)
        for image, label, record in zip(images, labels, records, strict=True)
    ]


def overlap(mask, truth):
    mask = mask > 0.5
    return (mask & truth).sum() / max(1, (mask | truth).sum())


def test_every_mask_is_what_masks_are(photo_faces):
    for image, face in photo_faces.values():
        found = {
            **masks.regions(face, image.shape, feather=0.02),
            "inner": masks.inner(face, image.shape),
            "ring": masks.ring(face, image.shape),
            "hair": masks.hair(image, face),
            "person": masks.person(image),
            "person round a face": masks.person(image, face),
        }
        for name, mask in found.items():
            assert mask.shape == image.shape[:2] and mask.dtype == np.float32, name
            assert mask.min() >= 0 and mask.max() <= 1, name
            assert mask.max() > 0.5 or name == "inner mouth", name  # lips may be closed


def test_the_parts_share_no_pixel_and_lie_in_the_oval(photo_faces):
    for image, face in photo_faces.values():
        parts = masks.regions(face, image.shape)
        apart = [parts[name] > 0.5 for name in ("skin", "brows", "eyes", "lips", "inner mouth")]
        assert np.sum(apart, axis=0).max() == 1
        for name, mask in parts.items():
            assert (mask[parts["oval"] == 0] == 0).mean() > 0.999, name


def test_a_feather_softens_and_moves_nothing(photo_faces):
    image, face = photo_faces["hopper"]
    hard = masks.regions(face, image.shape)["oval"]
    soft = masks.regions(face, image.shape, feather=0.05)["oval"]
    assert abs(soft.sum() - hard.sum()) < 0.01 * hard.sum()
    assert np.abs(np.gradient(soft)).max() < 0.5 * np.abs(np.gradient(hard)).max()


def test_inner_mask_and_ring_have_the_widths_they_are_told(photo_faces):
    image, face = photo_faces["hopper"]
    width = masks.face_width(face)
    oval = masks.regions(face, image.shape)["oval"] > 0.5
    outside = cv2.distanceTransform((~oval).astype(np.uint8), cv2.DIST_L2, 5)
    inside = cv2.distanceTransform(oval.astype(np.uint8), cv2.DIST_L2, 5)
    inner = masks.inner(face, image.shape, close=0, dilate=0.2, feather=0) > 0.5
    assert abs(outside[inner].max() - 0.1 * width) < 2.5 and inner[oval].all()
    ring = masks.ring(face, image.shape, outwards=0.2, inwards=0.1, feather=0) > 0.5
    assert abs(outside[ring].max() - 0.1 * width) < 2.5
    assert abs(inside[ring].max() - 0.05 * width) < 2.5
    assert not ring[inside > 0.06 * width].any() and ring[(inside > 0) & (inside < 2)].all()


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_widths_follow_the_size_of_the_picture(photo_faces, scale):
    image, face = photo_faces["astronaut"]
    large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    as_large = face.through([[scale, 0, 0], [0, scale, 0]])
    for make in (masks.inner, masks.ring):
        expected = cv2.resize(make(face, image.shape), large.shape[1::-1])
        assert np.abs(make(as_large, large.shape) - expected).mean() < 0.01


def test_parts_agree_with_the_renderer(render_faces):
    shares = {name: [] for name in ("face", "eyes", "lips", "person")}
    for image, label, face, _ in render_faces:
        parts = masks.regions(face, image.shape)
        named = {name: label == i for i, name in enumerate(PARTS)}
        shares["eyes"].append(overlap(parts["eyes"], named["eyes"]))
        mouth = named["lips"] | named["inner mouth"]
        shares["lips"].append(overlap(parts["lips"] + parts["inner mouth"], mouth))
        bare = named["skin"] | named["brows"] | named["eyes"] | named["nose"] | mouth
        inside = (parts["oval"] > 0.5) & (label > 0)
        covered = bare | named["glasses"] | named["facial hair"] | named["hair"]
        shares["face"].append((inside & covered).sum() / max(1, inside.sum()))
        shares["person"].append(overlap(masks.person(image, face), label > 0))
    medians = {name: float(np.median(values)) for name, values in shares.items()}
    assert medians["eyes"] > 0.5 and medians["lips"] > 0.5, medians
    assert medians["face"] > 0.9 and medians["person"] > 0.9, medians


def test_hair_agrees_with_the_renderer(render_faces):
    shares = [
        overlap(masks.hair(image, face), label == PARTS.index("hair"))
        for image, label, face, record in render_faces
        if not record["attributes"]["hat"] and (label == PARTS.index("hair")).mean() > 0.03
    ]
    assert len(shares) >= 8
    assert np.median(shares) > 0.72, shares


def test_hair_is_the_same_each_time(photo_faces):
    image, face = photo_faces["astronaut"]
    assert (masks.hair(image, face) == masks.hair(image, face)).all()


def test_hair_lies_round_the_face_and_not_in_it(photo_faces):
    image, face = photo_faces["astronaut"]
    hair = masks.hair(image, face)
    oval = masks.inner(face, image.shape, close=0, dilate=0, feather=0)
    top = face.mesh[10]
    assert hair[int(top[1]) - 25, int(top[0])] > 0.8  # above the forehead
    assert (hair * (oval > 0.99)).sum() < 0.15 * hair.sum()
    assert hair[:, 330:].max() < 0.2  # nor in the space shuttle


def test_parts_of_a_face_to_learn_to_fill(photo_faces):
    image, face = photo_faces["astronaut"]
    near = masks.inner(face, image.shape, dilate=0.5, feather=0) > 0
    rng = np.random.default_rng(0)
    found = np.stack([masks.random_part(face.mesh, image.shape, rng) for _ in range(60)])
    assert found.dtype == np.float32 and set(np.unique(found)) <= {0, 1}
    sizes = found.sum((1, 2))
    assert sizes.min() > 0 and sizes.max() > 10 * sizes.min()
    assert not found[:, ~near].any()
    assert (found.mean(0)[masks.regions(face, image.shape)["oval"] > 0.5] > 0.1).all()
