"""Taking faces out and putting them back, against closed forms, scikit-image and real pictures."""

import numpy as np
import pytest

from facekit.align import (
    TEMPLATES,
    align,
    invert,
    paste,
    template_points,
    transform,
    umeyama,
    warp,
)
from facekit.masks import regions


def psnr(a, b):
    return 10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-12))


def turned(scale, degrees, shift):
    c, s = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return np.array([[c, -s, shift[0]], [s, c, shift[1]]])


@pytest.mark.parametrize(
    "scale,degrees,shift", [(1, 0, (0, 0)), (0.3, 170, (5, -9)), (7, -60, (1, 2))]
)
def test_umeyama_finds_an_exact_similarity(rng, scale, degrees, shift):
    points = rng.normal(0, 20, (5, 2))
    matrix = turned(scale, degrees, shift)
    assert np.abs(umeyama(points, transform(points, matrix)) - matrix).max() < 1e-5


def test_umeyama_agrees_with_scikit_image_on_points_that_do_not_fit(rng):
    from skimage.transform import SimilarityTransform

    for _ in range(20):
        source, target = rng.normal(0, 20, (2, 5, 2))
        theirs = SimilarityTransform.from_estimate(source, target).params[:2]
        assert np.abs(umeyama(source, target) - theirs).max() < 1e-9


def test_umeyama_never_mirrors(rng):
    points = rng.normal(0, 20, (5, 2))
    assert np.linalg.det(umeyama(points, points * (-1, 1))[:, :2]) > 0


@pytest.mark.parametrize(
    "source,target",
    [
        (np.ones((5, 2)), np.ones((5, 2))),
        (np.ones((1, 2)), np.ones((1, 2))),
        (np.eye(3), np.eye(3)),
        (np.eye(2), np.full((2, 2), np.nan)),
    ],
)
def test_umeyama_says_what_is_wrong_with_points(source, target):
    with pytest.raises(ValueError):
        umeyama(source, target)


def test_arcface_is_where_recognition_has_it():
    # Published for pixel centres at whole numbers; here a pixel's centre lies at .5.
    assert np.abs(template_points("arcface", 112)[0] - (38.2946 + 0.5, 51.6963 + 0.5)).max() < 1e-4


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("size", [16, 112, 301])
def test_a_crop_has_the_five_points_where_its_template_wants_them(photo_faces, template, size):
    image, _ = photo_faces["hopper"]
    wanted = template_points(template, size)
    points5 = transform(wanted, invert(turned(size / 150, -25, (-90, 30))))
    crop = align(image, points5, size, template)
    assert crop.image.shape == (size, size, 3) and crop.image.dtype == np.uint8
    assert np.abs(transform(points5, crop.matrix) - wanted).max() < 1e-3 * size


def test_a_portrait_shows_the_face_of_arcface_with_more_around_it(photo_faces):
    image, face = photo_faces["hopper"]
    near, far = (align(image, face.points5, 200, name).matrix for name in ("arcface", "portrait"))
    assert 0.4 < np.linalg.det(far[:, :2]) ** 0.5 / np.linalg.det(near[:, :2]) ** 0.5 < 0.7


def test_a_warp_moves_a_point_where_its_matrix_says(rng):
    image = np.zeros((60, 80, 3), np.uint8)
    image[30:33, 40:43] = 255  # its middle is at (41.5, 31.5)
    matrix = turned(2.5, 33, (20, -30))
    rows, columns = np.nonzero(warp(image, matrix, 200)[..., 0] > 127)
    middle = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
    assert np.abs(middle - transform([[41.5, 31.5]], matrix)[0]).max() < 0.15


def test_a_warp_that_shrinks_averages_instead_of_picking_pixels():
    image = np.zeros((400, 400, 3), np.uint8)
    image[::2] = 255
    small = warp(image, [[0.1, 0, 0], [0, 0.1, 0]], 40)
    assert np.abs(small.astype(int) - 127).max() <= 12


def test_a_crop_beyond_the_border_is_reflected_and_never_black(photo_faces):
    image, _ = photo_faces["astronaut"]
    bright = np.maximum(image, 60)
    corner = np.array([[5, 5], [45, 5], [25, 30], [10, 50], [40, 50]])
    crop = align(bright, corner, 200, "portrait").image
    assert crop.min() >= 40
    assert crop[:30].std() > 2  # nor one flat colour


@pytest.mark.parametrize("name", ["hopper", "astronaut"])
@pytest.mark.parametrize("size,template", [(112, "arcface"), (256, "portrait"), (512, "arcface")])
def test_an_unchanged_face_goes_back_without_a_trace(photo_faces, name, size, template):
    image, face = photo_faces[name]
    crop = align(image, face.points5, size, template)
    back = paste(image, crop.image, crop.matrix)
    inside = regions(face, image.shape)["oval"] > 0.5
    assert psnr(back[inside], image[inside]) >= 45


def test_rendered_faces_go_back_too(rendered):
    images, _, records = rendered
    for image, record in zip(images[:8], records, strict=False):
        crop = align(image, record["points5"], 256)
        assert psnr(paste(image, crop.image, crop.matrix), image) >= 45


def test_a_changed_face_goes_back_changed_and_all_else_stays(photo_faces):
    image, face = photo_faces["hopper"]
    crop = align(image, face.points5, 256)
    changed = 255 - crop.image
    mask = np.zeros((256, 256), np.float32)
    mask[90:180, 90:180] = 1
    back = paste(image, changed, crop.matrix, mask)
    where = (transform(np.argwhere(np.ones(image.shape[:2]))[:, ::-1] + 0.5, crop.matrix)).reshape(
        *image.shape[:2], 2
    )
    far = ((where < 88) | (where > 182)).any(-1)
    near = ((where > 93) & (where < 177)).all(-1)
    assert (back[far] == image[far]).all()
    assert psnr(back[near], 255 - image[near]) > 30


def test_paste_is_exact_to_a_part_of_a_pixel(rng):
    """A soft blob drawn in the crop lands where the matrix says, to a tenth of a pixel."""
    image = np.full((100, 100, 3), 90, np.uint8)
    matrix = turned(2.0, 20, (10.3, -20.7))
    y, x = np.mgrid[:160, :160] + 0.5
    blob = np.exp(-((x - 81.3) ** 2 + (y - 77.9) ** 2) / 200)
    back = paste(image, np.uint8(90 + 150 * blob)[..., None].repeat(3, 2), matrix).astype(float)
    weight = (back[..., 0] - 90).clip(0)
    rows, columns = np.mgrid[:100, :100] + 0.5
    found = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
    assert np.abs(found - transform([[81.3, 77.9]], invert(matrix))[0]).max() < 0.1


@pytest.mark.parametrize("size", [0, 5000, -3])
def test_sizes_that_make_no_sense_are_refused(photo_faces, size):
    image, face = photo_faces["hopper"]
    with pytest.raises(ValueError, match="pixels a side"):
        align(image, face.points5, size)


def test_unknown_templates_and_foreign_masks_are_refused(photo_faces):
    image, face = photo_faces["hopper"]
    with pytest.raises(ValueError, match="arcface"):
        align(image, face.points5, 64, "passport")
    crop = align(image, face.points5, 64)
    with pytest.raises(ValueError, match="mask"):
        paste(image, crop.image, crop.matrix, np.ones((32, 32)))
    with pytest.raises(ValueError, match="uint8"):
        paste(image, crop.image / 255.0, crop.matrix)
