"""Colour transfer and control pictures."""

import cv2
import numpy as np
import pytest

from facekit import colour, control, masks


def skin(photo_faces, name):
    image, face = photo_faces[name]
    return image, masks.regions(face, image.shape)["skin"]


LIGHTS = {
    "as it is": lambda a: a,
    "warm": lambda a: a * (1.15, 1.0, 0.75),
    "cold": lambda a: a * (0.8, 0.95, 1.15),
    "dim": lambda a: a * 0.45,
    "flat": lambda a: a * 0.4 + 120,
    "gamma": lambda a: 255 * (a / 255.0) ** 1.8,
}


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("source,target", [("hopper", "astronaut"), ("astronaut", "hopper")])
def test_mean_and_deviation_come_within_one_unit(photo_faces, source, target, light):
    image, mask = skin(photo_faces, source)
    image = np.clip(LIGHTS[light](image.astype(float)), 0, 255).astype(np.uint8)
    wanted, wanted_mask = skin(photo_faces, target)
    result = colour.transfer(image, wanted, mask, wanted_mask)
    mean, deviation = colour.statistics(result, mask)
    goal_mean, goal_deviation = colour.statistics(wanted, wanted_mask)
    assert np.abs(mean - goal_mean).max() <= 1, mean - goal_mean
    assert np.abs(deviation - goal_deviation).max() <= 1, deviation - goal_deviation
    assert (result[mask == 0] == image[mask == 0]).all()


def test_statistics_are_those_of_scikit_image(photo_faces):
    from skimage.color import rgb2lab

    image, mask = skin(photo_faces, "hopper")
    inside = rgb2lab(image)[mask == 1]
    mean, deviation = colour.statistics(image, (mask == 1).astype(np.float32))
    assert np.abs(mean - inside.mean(0)).max() < 0.15  # OpenCV's cube roots are tables
    assert np.abs(deviation - inside.std(0)).max() < 0.15


def test_a_shift_of_colour_is_undone(photo_faces):
    """Reinhard's transfer is exact where one picture is the other under a linear change of LAB."""
    image, mask = skin(photo_faces, "astronaut")
    lab = colour.to_lab(image) * (0.9, 0.8, 0.8) + (4, 5, -6)
    changed = np.round(colour.from_lab(lab)).astype(np.uint8)
    back = colour.transfer(changed, image, mask, mask)
    assert np.abs(back[mask == 1].astype(int) - image[mask == 1]).mean() < 3


def test_strength_goes_from_nothing_to_all(photo_faces):
    image, mask = skin(photo_faces, "hopper")
    wanted, wanted_mask = skin(photo_faces, "astronaut")
    goal = colour.statistics(wanted, wanted_mask)[0]
    left = []
    for strength in (0, 0.5, 1):
        result = colour.transfer(image, wanted, mask, wanted_mask, strength=strength)
        left.append(np.linalg.norm(colour.statistics(result, mask)[0] - goal))
        assert strength or (result == image).all()
    assert left[2] < 1 and 0.3 < left[1] / left[0] < 0.7


def test_lips_and_eyes_keep_their_colours(photo_faces):
    image, face = photo_faces["astronaut"]
    wanted, wanted_mask = skin(photo_faces, "hopper")
    parts = masks.regions(face, image.shape)
    protect = np.clip(parts["lips"] + parts["eyes"] + parts["inner mouth"], 0, 1)
    result = colour.transfer(image, wanted, parts["oval"], wanted_mask, protect=protect)
    kept = protect > 0.99
    assert (result[kept] == image[kept]).all()
    assert np.abs(result[parts["skin"] > 0.99].astype(int) - image[parts["skin"] > 0.99]).mean() > 5


def test_a_highlight_does_not_drag_the_skin_along(photo_faces):
    """A white glint on the target's forehead must not make the result brighter."""
    image, mask = skin(photo_faces, "hopper")
    wanted, wanted_mask = skin(photo_faces, "astronaut")
    light = np.median(
        colour.to_lab(colour.transfer(image, wanted, mask, wanted_mask))[mask == 1], 0
    )
    rows, columns = np.nonzero(wanted_mask == 1)
    near = np.hypot(rows - np.median(rows), columns - np.median(columns)) < 9
    glint = wanted.copy()
    glint[rows[near], columns[near]] = 255
    share = near.mean()
    again = np.median(colour.to_lab(colour.transfer(image, glint, mask, wanted_mask))[mask == 1], 0)
    assert 0.02 < share < 0.1 and abs(again[0] - light[0]) < 3


def test_masks_that_leave_nothing_are_refused(photo_faces):
    image, mask = skin(photo_faces, "hopper")
    for wrong in (np.zeros_like(mask), mask[:50], mask * 255):
        with pytest.raises(ValueError, match="mask"):
            colour.transfer(image, image, wrong)


SIZES = [None, 64, 97, (50, 130), 1, 1024]


@pytest.mark.parametrize("size", SIZES)
def test_control_pictures_have_the_size_asked_for(photo_faces, size):
    image, face = photo_faces["astronaut"]
    shape = image.shape[:2] if size is None else (size, size) if isinstance(size, int) else size
    for made in (
        control.canny(image, size),
        control.colour_grid(image, size),
        control.tile(image, size),
        control.face_points(image.shape, face.mesh, size),
    ):
        assert made.shape == (*shape, 3) and made.dtype == np.uint8


def test_canny_uses_the_median_and_survives_any_exposure(photo_faces, rng):
    grey = np.clip(rng.normal(100, 14, (90, 120)), 0, 255).astype(np.uint8)
    median = np.median(grey)  # such a picture has 4 to 15 strong edges in 100 by this rule
    assert control.canny_thresholds(grey) == pytest.approx((0.67 * median, 1.33 * median))
    image, _ = photo_faces["astronaut"]
    theirs = cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 60, 120) > 0
    near = cv2.dilate(theirs.astype(np.uint8), np.ones((5, 5))) > 0
    for gain in (0.3, 0.6, 1.0, 1.5):
        edges = control.canny(np.clip(image * gain, 0, 255).astype(np.uint8))[..., 0] > 0
        assert 0.01 < edges.mean() < 0.15 and near[edges].mean() > 0.8, gain
    assert not control.canny(np.full((40, 40, 3), 90, np.uint8)).any()


def test_canny_does_not_draw_grain(photo_faces):
    image, _ = photo_faces["hopper"]  # a print from film, full of it
    assert 0.01 < (control.canny(image) > 0).mean() < 0.08


def test_the_colour_grid_is_the_means_of_the_cells(rng):
    image = rng.integers(0, 256, (64, 128, 3), dtype=np.uint8)
    grid = control.colour_grid(image, cells=4)
    means = image.reshape(4, 16, 8, 16, 3).mean((1, 3))
    assert np.abs(grid[8::16, 8::16] - means).max() <= 1
    assert len(np.unique(grid.reshape(-1, 3), axis=0)) <= 32


def test_a_tile_keeps_the_coarse_and_drops_the_fine(photo_faces):
    image, _ = photo_faces["astronaut"]
    made = control.tile(image, factor=8)
    coarse = [cv2.GaussianBlur(a.astype(np.float32), (0, 0), 16) for a in (image, made)]
    fine = [a.astype(np.float32) - cv2.GaussianBlur(a, (0, 0), 2) for a in (image, made)]
    assert np.abs(coarse[0] - coarse[1]).mean() < 1.5
    assert fine[1].std() < 0.35 * fine[0].std()
    assert (control.tile(image, factor=1) == image).all()


def test_drawn_points_are_where_the_points_are(photo_faces):
    image, face = photo_faces["hopper"]
    drawn = control.face_points(image.shape, face.mesh, parts=("lips",))
    rows, columns = np.nonzero(drawn.any(-1))
    lips = face.mesh[list(control.points_of.LIPS_OUTER)]
    assert abs(columns.min() - lips[:, 0].min()) < 4 and abs(columns.max() - lips[:, 0].max()) < 4
    assert abs(rows.min() - lips[:, 1].min()) < 4 and abs(rows.max() - lips[:, 1].max()) < 4
    five = control.face_points(image.shape, face.points5)
    x, y = face.points5[3].astype(int)
    assert tuple(five[y, x]) == (255, 0, 60)
    double = control.face_points(image.shape, [face.mesh, face.moved(40, 0).mesh])
    assert (double > 0).sum() > (control.face_points(image.shape, face.mesh) > 0).sum()


def test_control_says_what_is_wrong(photo_faces):
    image, face = photo_faces["hopper"]
    for call in (
        lambda: control.canny(image / 255),
        lambda: control.canny(image, size=0),
        lambda: control.canny(image, sigma=3),
        lambda: control.tile(image, factor=0.5),
        lambda: control.colour_grid(image, cells=0),
        lambda: control.face_points(image.shape, face.mesh[:100]),
        lambda: control.face_points(image.shape, face.mesh, parts=("ears",)),
    ):
        with pytest.raises(ValueError):
            call()
