"""What covers a face: who says so, the face behind it, and that it does not travel."""

import numpy as np
import pytest

from facekit import cover, masks, parsing
from facekit.fuse import fuse, warp_mask
from portrait import checks, stages
from portrait.settings import Settings

GREEN = (0, 255, 0)


def block(image, face, side):
    """A green block over a cheek, "left" or "right" in the picture, or both: (picture, mask)."""
    width, mask = masks.face_width(face), np.zeros(image.shape[:2], np.float32)
    corners = {"left": face.points5[3], "right": face.points5[4]}
    for name in corners if side == "both" else (side,):
        outwards = -1 if name == "left" else 1
        x, y = corners[name] + (outwards * 0.11 * width, -0.12 * width)
        half = int(0.09 * width)
        mask[int(y) - half : int(y) + half, int(x) - half : int(x) + half] = 1
    return np.where(mask[..., None] > 0, np.uint8(GREEN), image), mask


def is_green(image):
    return (image[..., 1] > 150) & (image[..., 0] < 90) & (image[..., 2] < 90)


def test_without_a_trained_parser_nothing_is_known_to_cover_a_face(photo_faces, monkeypatch):
    image, face = photo_faces["astronaut"]
    monkeypatch.setattr(parsing, "WEIGHTS", parsing.WEIGHTS.with_name("nowhere.weights.h5"))
    assert cover.covered(image, face) is None
    scene = stages.crop(image, face, [], image, face, Settings())
    assert scene.hidden is None


def test_what_the_parser_sees_in_front_counts_within_the_oval(photo_faces, monkeypatch, tmp_path):
    image, face = photo_faces["astronaut"]
    _, mask = block(image, face, "left")
    seen = {"hair": mask * 0.75, "glasses": mask * 0.5, "hat": mask * 0, "occluder": mask * 0 + 0.1}
    monkeypatch.setattr(parsing, "part_masks", lambda picture, one, names: seen)
    monkeypatch.setattr(parsing, "WEIGHTS", tmp_path)
    found = cover.covered(image, face)
    oval = masks.regions(face, image.shape)["oval"]
    assert found.dtype == np.float32 and not found[oval == 0].any()
    np.testing.assert_allclose(found[mask > 0], oval[mask > 0], atol=1e-6)
    assert not found[(mask == 0) & (oval == 1)].any()  # a probability of 0.1 is none


@pytest.mark.parametrize("side", ("left", "right"))
@pytest.mark.parametrize("name", ("astronaut", "hopper"))
def test_a_covered_cheek_comes_back_from_the_other_one(photo_faces, name, side):
    image, face = photo_faces[name]
    broken, mask = block(image, face, side)
    mended, hidden = cover.uncovered(broken, face, mask)
    before, after = (np.abs(np.float64(one) - image)[mask > 0].mean() for one in (broken, mended))
    assert after < 0.25 * before
    assert not is_green(mended)[mask > 0].any() and hidden.mean() < 0.05 * mask.mean()
    far = np.abs(face.mesh.mean(0) - np.indices(mask.shape)[::-1].transpose(1, 2, 0)).max(-1)
    outside = far > 0.8 * masks.face_width(face)
    np.testing.assert_array_equal(mended[outside], broken[outside])


def test_what_is_covered_on_both_sides_stays_hidden(photo_faces):
    image, face = photo_faces["astronaut"]
    broken, mask = block(image, face, "both")
    mended, hidden = cover.uncovered(broken, face, mask)
    assert hidden[mask > 0].mean() > 0.6
    same, nothing = cover.uncovered(image, face, mask * 0)
    assert same is image and not nothing.any()


def test_what_is_hidden_does_not_travel(photo_faces):
    template, face_to = photo_faces["hopper"]
    image, face = photo_faces["astronaut"]
    broken, mask = block(image, face, "left")
    plain = fuse(template, face_to, broken, face, 1.0, match=0)
    spared = fuse(template, face_to, broken, face, 1.0, match=0, hidden=mask)
    there = warp_mask(mask, face.mesh, face_to.mesh, template.shape)
    assert is_green(plain)[there > 0.99].mean() > 0.4 and there.max() == 1
    assert not is_green(spared).any()
    away = warp_mask(
        np.minimum(1, 3 * masks.soften(mask, 12)), face.mesh, face_to.mesh, there.shape
    )
    oval = masks.regions(face_to, template.shape)["oval"]
    calm = (oval > 0) & (away == 0)
    assert np.abs(np.float64(spared) - plain)[calm].mean() < 3  # the rest of the face does


def test_what_covers_the_template_stays_in_front(photo_faces, monkeypatch):
    template, face = photo_faces["hopper"]
    image, reference = photo_faces["astronaut"]
    broken, mask = block(template, face, "right")
    covered = {id(broken): mask, id(image): np.zeros(image.shape[:2], np.float32)}
    monkeypatch.setattr(cover, "covered", lambda picture, one: covered[id(picture)])
    scene, bare = (
        stages.crop(broken, face, [], image, reference, Settings(front=front))
        for front in (1.0, 0.0)
    )
    green = is_green(scene.view)
    assert green.sum() > 100
    assert scene.mask[green].mean() < 0.02 < 0.8 < bare.mask[green].mean()
    fused = stages.fused(scene, Settings())
    kept = np.where(scene.mask[..., None] > 0.5, fused, scene.view)
    assert is_green(kept)[green].mean() > 0.9


def test_a_face_that_is_mostly_hidden_is_doubted(photo_faces, monkeypatch):
    image, face = photo_faces["astronaut"]
    half = np.zeros(image.shape[:2], np.float32)
    half[: int(face.points5[2, 1])] = 1
    monkeypatch.setattr(cover, "covered", lambda picture, one: half)
    (doubt,) = checks.of_template(image, face, "a.jpg")
    assert doubt.startswith("a.jpg: only ") and "of the face is seen" in doubt


def test_the_colours_of_what_is_in_front_are_not_taken(photo_faces):
    template, face = photo_faces["hopper"]
    image, reference = photo_faces["astronaut"]
    parts = masks.regions(face, template.shape)
    black = (parts["oval"] > 0) & (np.arange(len(template))[:, None] < face.points5[2, 1])
    broken = np.where(black[..., None], np.uint8(10), template)
    clean, plain, spared = (
        fuse(one, face, image, reference, 1.0, skin=skin)
        for one, skin in ((template, None), (broken, None), (broken, parts["skin"] * ~black))
    )
    seen = (parts["skin"] > 0.9) & ~black
    off, less = (np.abs(np.float64(one) - clean)[seen].mean() for one in (plain, spared))
    assert less < 0.5 * off
