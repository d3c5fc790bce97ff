"""Faces warped and blended: closed forms, OpenCV as an oracle, seams on real photographs."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from facekit import fuse, masks
from facekit.colour import statistics


def psnr(a, b):
    return 10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-12))


def test_a_face_warped_onto_itself_is_itself(photo_faces):
    for image, face in photo_faces.values():
        warped, seen = fuse.warp_face(image, face.mesh, face.mesh, image.shape)
        inside = masks.regions(face, image.shape)["oval"] > 0.99
        assert (seen[inside] > 0.5).mean() > 0.97
        assert psnr(warped[inside], image[inside]) > 40


def test_a_warp_by_an_affine_map_is_that_map(photo_faces):
    image, face = photo_faces["hopper"]
    matrix = np.array([[0.9, 0.15, 30.0], [-0.1, 1.1, 12.0]])
    to = face.mesh @ matrix[:, :2].T + matrix[:, 2]
    warped, seen = fuse.warp_face(image, face.mesh, to, (720, 640))
    centred = matrix.copy()
    centred[:, 2] += centred[:, :2] @ (0.5, 0.5) - 0.5
    theirs = cv2.warpAffine(image, centred, (640, 720), flags=cv2.INTER_CUBIC)
    inside = cv2.erode(seen, np.ones((3, 3))) > 0.5
    assert inside.sum() > 20_000 and psnr(warped[inside], theirs[inside]) > 38


def test_points_of_the_mesh_land_on_points_of_the_mesh(photo_faces):
    """White dots at the corners of eyes and mouth arrive where the other face has them."""
    (image, face), (other, other_face) = photo_faces["hopper"], photo_faces["astronaut"]
    for index in (33, 263, 168, 50, 4):
        dot = np.zeros_like(image)
        x, y = np.round(face.mesh[index] - 0.5).astype(int)
        dot[y - 2 : y + 3, x - 2 : x + 3] = 255
        warped, _ = fuse.warp_face(dot, face.mesh, other_face.mesh, other.shape)
        rows, columns = np.nonzero(warped[..., 0] > 60)
        middle = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
        assert np.linalg.norm(middle - other_face.mesh[index]) < 1.5, index


def test_a_side_that_was_not_seen_is_not_trusted(photo_faces):
    image, face = photo_faces["hopper"]
    folded = face.mesh.copy()
    middle = folded[4, 0]
    folded[:, 0] = np.where(folded[:, 0] > middle, 2 * middle - folded[:, 0], folded[:, 0])
    _, seen = fuse.warp_face(image, folded, face.mesh, image.shape)
    columns = np.arange(image.shape[1])
    oval = masks.regions(face, image.shape)["oval"] > 0.9
    assert seen[oval & (columns > middle + 12)].mean() < 0.1
    assert seen[oval & (columns < middle - 12)].mean() > 0.8


PAIRS = [("hopper", "astronaut"), ("astronaut", "hopper")]


@pytest.mark.parametrize("border", fuse.BORDERS)
@pytest.mark.parametrize("to,source", PAIRS)
def test_a_fused_face_leaves_no_seam(photo_faces, border, to, source):
    (image, face), (other, other_face) = photo_faces[to], photo_faces[source]
    result = fuse.fuse(image, face, other, other_face, share=1.0, border=border)
    ring = masks.ring(face, image.shape, feather=0)
    assert fuse.seam_energy(result, ring) <= 1.1 * fuse.seam_energy(image, ring)
    outside = masks.regions(face, image.shape)["oval"] == 0
    assert (result[outside] == image[outside]).all()
    inside = masks.regions(face, image.shape)["oval"] > 0.99
    assert np.abs(result[inside].astype(int) - image[inside]).mean() > 4  # it did happen


def test_renders_fuse_without_a_seam(rendered):
    from facekit.detect import detect, largest

    images, _, _ = rendered
    faces = [largest(detect(image)) for image in images[:8]]
    ratios = []
    for i in range(8):
        j = (i + 3) % 8
        result = fuse.fuse(images[i], faces[i], images[j], faces[j], share=1.0)
        ring = masks.ring(faces[i], images[i].shape, feather=0)
        ratios.append(fuse.seam_energy(result, ring) / fuse.seam_energy(images[i], ring))
    assert max(ratios) <= 1.1, ratios


def test_a_hard_paste_does_leave_a_seam_and_is_measured_so(photo_faces):
    (image, face), (other, other_face) = photo_faces["hopper"], photo_faces["astronaut"]
    warped, seen = fuse.warp_face(other, other_face.mesh, face.mesh, image.shape)
    pasted = np.where((seen > 0)[..., None], 255 - warped, image)
    ring = masks.ring(face, image.shape, feather=0)
    assert fuse.seam_energy(pasted, ring) > 1.3 * fuse.seam_energy(image, ring)


def test_the_share_goes_from_nothing_to_all(photo_faces):
    (image, face), (other, other_face) = photo_faces["hopper"], photo_faces["astronaut"]
    made = [fuse.fuse(image, face, other, other_face, share=share) for share in (0, 0.3, 0.6, 1)]
    assert (made[0] == image).all()
    change = [np.abs(one.astype(int) - image).sum() for one in made]
    assert change[1] < change[2] < change[3]
    assert abs(change[2] / change[3] - 0.6) < 0.05


def test_the_new_face_takes_the_light_of_the_template(photo_faces):
    (image, face), (other, other_face) = photo_faces["hopper"], photo_faces["astronaut"]
    skin = masks.regions(face, image.shape)["skin"]
    blue = np.clip(other * np.array([0.6, 0.8, 1.3]), 0, 255).astype(np.uint8)
    apart = []
    for match in (0.0, 1.0):
        result = fuse.fuse(image, face, blue, other_face, share=1.0, match=match, border="soft")
        apart.append(np.linalg.norm(statistics(result, skin)[0] - statistics(image, skin)[0]))
    assert apart[1] < 3 < apart[0]


def test_an_open_mouth_keeps_its_teeth_where_the_other_is_closed(photo_faces):
    (image, face), (other, other_face) = photo_faces["astronaut"], photo_faces["hopper"]
    assert fuse.mouth_opening(face) > fuse.mouth_opening(other_face) + 0.03
    teeth = masks.regions(face, image.shape)["inner mouth"] > 0.9
    result = fuse.fuse(image, face, other, other_face, share=1.0, border="soft", match=0)
    assert np.abs(result[teeth].astype(int) - image[teeth]).mean() < 25


def test_bands_add_up(photo_faces):
    below, above = photo_faces["hopper"][0][:512], photo_faces["astronaut"][0]
    ones, zeros = np.ones((512, 512), np.float32), np.zeros((512, 512), np.float32)
    assert np.abs(fuse.multiband(below, above, zeros).astype(int) - below).max() <= 1
    assert np.abs(fuse.multiband(below, above, ones).astype(int) - above).max() <= 1
    assert np.abs(fuse.multiband(below, below, ones * 0.5).astype(int) - below).max() <= 1


def test_bands_make_wide_transitions_of_coarse_and_narrow_ones_of_fine():
    below, above = np.full((128, 128, 3), 60, np.uint8), np.full((128, 128, 3), 180, np.uint8)
    above[:, ::2] += 20
    mask = np.zeros((128, 128), np.float32)
    mask[:, 64:] = 1
    row = fuse.multiband(below, above, mask)[64, :, 0].astype(int)
    smooth = (row[:-1] + row[1:]) / 2
    assert ((smooth > 75) & (smooth < 165)).sum() > 12  # the brightness takes its time
    stripes = np.abs(np.diff(row))
    assert stripes[70:100].mean() > 15 and stripes[20:58].mean() < 4  # the stripes do not


@pytest.mark.parametrize("corner", [(0, 0), (300, 280)])
def test_a_face_at_the_border_of_its_picture_can_be_fused(photo_faces, corner):
    (image, face), (other, other_face) = photo_faces["hopper"], photo_faces["astronaut"]
    left, top = corner
    x, y = face.points5[2].astype(int)
    cut = image[y - 60 :, x - 50 :] if corner == (0, 0) else image[: y + 40, : x + 40]
    moved = face.moved(-(x - 50), -(y - 60)) if corner == (0, 0) else face
    for border in fuse.BORDERS:
        result = fuse.fuse(cut, moved, other, other_face, border=border)
        assert result.shape == cut.shape


def test_the_plain_paste_puts_points_on_points(photo_faces):
    (image, face), (other, other_face) = photo_faces["hopper"], photo_faces["astronaut"]
    mask = fuse.inset_mask(face, image.shape)
    result = fuse.paste_by_points(image, face.points5, other, other_face.points5, mask)
    assert (result[mask == 0] == image[mask == 0]).all() and (result != image).any()
    from facekit.detect import detect, largest

    found = largest(detect(result))
    eyes = np.linalg.norm(face.points5[1] - face.points5[0])
    assert np.linalg.norm(found.points5[:2] - face.points5[:2], axis=1).max() < 0.1 * eyes


@pytest.mark.parametrize(
    "wrong", [{"share": 1.5}, {"share": -0.1}, {"match": 2}, {"border": "glue"}]
)
def test_settings_that_make_no_sense_are_refused(photo_faces, wrong):
    image, face = photo_faces["hopper"]
    with pytest.raises(ValueError, match="Received"):
        fuse.fuse(image, face, image, face, **wrong)


def test_a_face_takes_the_shape_of_another_and_keeps_its_pose(photo_faces):
    (_, a), (_, b) = photo_faces["astronaut"], photo_faces["hopper"]
    whole, half, none = (fuse.shaped(a, b, share) for share in (1, 0.5, 0))
    np.testing.assert_allclose(none.mesh, a.mesh, atol=1e-3)
    np.testing.assert_allclose(half.mesh, (whole.mesh + a.mesh) / 2, atol=1e-2)
    # Where it is and how large it is stay, and so does the tilt of the eyes.
    assert np.abs(whole.mesh.mean(0) - a.mesh.mean(0)).max() < 0.03 * a.box[2]
    assert 0.85 < masks.face_width(whole) / masks.face_width(a) < 1.15
    eyes = [face.points5[1] - face.points5[0] for face in (a, whole)]
    angles = [np.degrees(np.arctan2(y, x)) for x, y in eyes]
    assert abs(angles[0] - angles[1]) < 4

    # Up to a similarity in space, a shape is the same: nothing of pose or place comes along.
    def moved(face, turn):
        c, s = np.cos(turn), np.sin(turn)
        x, z = face.mesh[:, 0], face.depth
        mesh = np.column_stack([1.3 * (c * x + s * z) + 40, 1.3 * face.mesh[:, 1] - 7])
        return replace(face, mesh=mesh.astype(np.float32), depth=np.float32(1.3 * (c * z - s * x)))

    np.testing.assert_allclose(fuse.shaped(a, moved(b, 0.4)).mesh, whole.mesh, atol=0.05)
