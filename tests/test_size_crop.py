"""Training windows, and the six numbers that say how they were cut."""

import numpy as np
import pytest
from skimage.transform import resize

from ddpm.conditions.size_crop import check_size_crop, size_crop
from ddpm.training.batches import cut_window

SIZE = 64


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def marked(height, width, x, y, radius=3.0):
    """A dark picture with a soft bright spot at the point (x, y), pixels, corner at 0."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    spot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2))
    return np.repeat((255 * spot).astype(np.uint8)[..., None], 3, axis=2)


def centre(image):
    """The point (x, y) of the spot."""
    light = image[..., 0].astype(np.float64)
    rows, columns = np.mgrid[: len(light), : light.shape[1]] + 0.5
    return np.array([(light * columns).sum(), (light * rows).sum()]) / light.sum()


def detail(image):
    """Mean square difference of neighbouring pixels, both ways."""
    image = image.astype(np.float64)
    return (np.diff(image, axis=0) ** 2).mean() + (np.diff(image, axis=1) ** 2).mean()


@pytest.mark.parametrize("side", [128, 160])
def test_a_square_without_crops_is_only_resized(rng, side):
    image = noise(side, side)
    cut, numbers, matrix = cut_window(image, SIZE, rng)
    # Means over areas, exactly: every pixel twice a side, then squares of whole pixels.
    fine = image.astype(np.float64).repeat(2, 0).repeat(2, 1)
    block = 2 * side // SIZE
    means = fine.reshape(SIZE, block, SIZE, block, 3).mean(axis=(1, 3))
    assert cut.shape == (SIZE, SIZE, 3) and cut.dtype == np.uint8
    assert np.abs(cut - means).max() <= 1
    capped = min(side, 2 * SIZE)
    assert numbers.dtype == np.float32
    assert numbers.tolist() == [capped, capped, 0, 0, SIZE, SIZE]
    np.testing.assert_allclose(matrix, [[SIZE / side, 0, 0], [0, SIZE / side, 0]], rtol=1e-6)


def test_a_picture_of_the_windows_size_stays_as_it_is(rng):
    image = noise(SIZE, SIZE)
    cut, numbers, matrix = cut_window(image, SIZE, rng)
    np.testing.assert_array_equal(cut, image)
    np.testing.assert_array_equal(numbers, [SIZE, SIZE, 0, 0, SIZE, SIZE])
    np.testing.assert_array_equal(matrix, [[1, 0, 0], [0, 1, 0]])


def test_a_mirrored_window_is_the_window_of_the_mirrored_picture(rng):
    image = noise(90, 120)
    seeds = (np.random.default_rng(4) for _ in range(2))
    cut, numbers, _ = cut_window(image, SIZE, next(seeds), mirror=True, p_crop=1.0)
    other, other_numbers, _ = cut_window(image[:, ::-1], SIZE, next(seeds), p_crop=1.0)
    np.testing.assert_array_equal(cut, other)
    np.testing.assert_array_equal(numbers, other_numbers)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize(
    ("height", "width"), [(160, 160), (160, 220), (230, 90), (40, 52)], ids=str
)
@pytest.mark.parametrize("p_downscale", [0.0, 1.0])
def test_a_point_is_seen_where_the_matrix_says(height, width, mirror, p_downscale):
    rng, seen, radius = np.random.default_rng(0), 0, 0.03 * min(height, width)
    for _ in range(60):
        point = np.array([width, height]) * rng.uniform(0.25, 0.75, 2)
        image = marked(height, width, *point, radius)
        cut, _, matrix = cut_window(
            image, SIZE, rng, mirror=mirror, p_crop=0.8, p_downscale=p_downscale
        )
        assert matrix.dtype == np.float32 and matrix.shape == (2, 3)
        expected = matrix @ [*point, 1]
        if min(expected) > 12 and max(expected) < SIZE - 12:  # else a part may be cut away
            seen += 1
            assert np.abs(centre(cut) - expected).max() < 0.5, (point, centre(cut), expected)
    assert seen > 10


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize(("height", "width"), [(120, 120), (100, 125), (90, 70)], ids=str)
def test_the_numbers_say_the_same_as_the_matrix(rng, height, width, mirror):
    """A point p is seen at p target / original - crop: what a model can make of the numbers."""
    corners = set()
    for _ in range(20):
        image = noise(height, width)
        _, numbers, matrix = cut_window(image, SIZE, rng, mirror=mirror, p_crop=1.0)
        original, crop, target = numbers.reshape(3, 2)[:, ::-1]  # (x, y)
        assert original.tolist() == [width, height]
        for p in ([0, 0], [31, 5], [width, height]):
            expected = np.array(p) * target / original - crop
            p = [width - p[0], p[1]] if mirror else p
            np.testing.assert_allclose(matrix @ [*p, 1], expected, atol=1e-3)
        check_size_crop(SIZE, crop=tuple(numbers[2:4]), target=tuple(numbers[4:]))
        corners.add(tuple(crop))
    assert len(corners) > 10


def test_the_numbers_speak_of_the_file_where_the_picture_is_a_reduced_copy(rng):
    # A file of 400 x 600, of which a quarter of the pixels was kept.
    _, numbers, matrix = cut_window(noise(200, 300), 128, rng, original=(400, 600), p_crop=1.0)
    shrink = 256 / 400  # beyond twice the window it is given no larger
    np.testing.assert_array_equal(numbers[:2], [256, 384])
    seen = matrix @ [150, 50, 1]
    expected = np.array([300, 100]) * shrink * numbers[[5, 4]] / numbers[[1, 0]] - numbers[[3, 2]]
    np.testing.assert_allclose(seen, expected, atol=1e-3)


def test_crops_come_from_everywhere_and_at_every_scale(rng):
    numbers = np.array([cut_window(noise(80, 110), 32, rng, p_crop=1.0)[1] for _ in range(400)])
    crop, target = numbers[:, 2:4], numbers[:, 4:]
    assert target[:, 0].min() == 32 and 43 <= target[:, 0].max() <= 1.4 * 32 + 0.5
    spare = target - 32
    assert (crop >= 0).all() and (crop <= spare).all()
    wide = spare[:, 1] > 0
    assert np.mean(crop[wide, 1] == spare[wide, 1]) > 0.01, "the last place never occurs"
    assert np.mean(crop[wide, 1] == 0) > 0.01, "the first place never occurs"
    assert abs(np.mean(crop[wide, 1] / spare[wide, 1]) - 0.5) < 0.06


def test_the_chance_of_a_crop_is_the_one_asked_for(rng):
    image, n = noise(80, 110), 600
    cropped = 0
    for _ in range(n):
        _, numbers, _ = cut_window(image, 32, rng, p_crop=0.3)
        whole = numbers[4:].tolist() == [32, 44] and numbers[2:4].tolist() == [0, 6]
        cropped += not whole
    # A random window is the middle one by chance less than once in a hundred.
    assert abs(cropped / n - 0.3) < 4 * np.sqrt(0.3 * 0.7 / n) + 0.01


@pytest.mark.parametrize("p_crop", [0.0, 1.0])
def test_a_picture_made_small_is_soft_and_said_to_be_small(p_crop):
    image = noise(160, 160)
    softer = []
    for seed in range(12):
        sharp, numbers, matrix = cut_window(image, SIZE, np.random.default_rng(seed), p_crop=p_crop)
        soft, other_numbers, other = cut_window(
            image, SIZE, np.random.default_rng(seed), p_crop=p_crop, p_downscale=1.0
        )
        assert (numbers[:2] == 128).all()
        assert 16 <= other_numbers[0] <= 128 and other_numbers[0] == other_numbers[1]
        if other_numbers[0] < 80:
            softer.append(detail(soft) / detail(sharp))
        if not p_crop:  # else the random numbers go to other places
            np.testing.assert_array_equal(other_numbers[2:], numbers[2:])
            np.testing.assert_allclose(other, matrix)
    assert len(softer) > 3 and max(softer) < 0.8


def test_the_smaller_it_is_said_to_be_the_softer_it_is(rng):
    image = noise(160, 160)
    cuts = [cut_window(image, SIZE, rng, p_downscale=1.0) for _ in range(40)]
    sizes, details = (
        np.array([f(*cut[:2]) for cut in cuts])
        for f in (lambda _, numbers: numbers[0], lambda cut, _: detail(cut))
    )
    below = sizes < SIZE  # enlarged again: what is lost depends on the size alone
    assert below.sum() > 10
    order = np.argsort(sizes[below])
    assert np.corrcoef(np.arange(len(order)), details[below][order])[0, 1] > 0.8
    assert sizes.min() < 24 and sizes.max() > 90


def test_pictures_smaller_than_the_smallest_are_not_made_smaller(rng):
    for _ in range(10):
        _, numbers, _ = cut_window(noise(16, 20), SIZE, rng, p_downscale=1.0)
        assert numbers[:2].tolist() == [16, 20]


def test_small_pictures_are_kept_and_enlarged(rng):
    image = marked(30, 30, 12, 20)
    cut, numbers, _ = cut_window(image, SIZE, rng)
    assert cut.shape == (SIZE, SIZE, 3)
    assert numbers.tolist() == [30, 30, 0, 0, SIZE, SIZE]
    smooth = 255 * resize(image, (SIZE, SIZE), order=3, mode="edge")
    assert np.abs(cut - smooth).max() < 8  # another cubic
    single = cut_window(np.full((1, 1, 3), 77, np.uint8), SIZE, rng, p_crop=1.0)[0]
    assert single.shape == (SIZE, SIZE, 3) and (single == 77).all()


@pytest.mark.parametrize(
    ("height", "width", "crop", "target"),
    [(128, 256, (0, 32), (64, 128)), (256, 128, (32, 0), (128, 64)), (50, 100, (0, 32), (64, 128))],
)
def test_the_middle_of_a_picture_that_is_not_square_is_taken(rng, height, width, crop, target):
    image = noise(height, width)
    cut, numbers, _ = cut_window(image, SIZE, rng)
    assert numbers[2:].tolist() == [*crop, *target]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square, _, _ = cut_window(image[top : top + side, left : left + side], SIZE, rng)
    margin = 3  # cubic interpolation looks at two pixels beyond the cut
    inner = np.s_[margin:-margin, margin:-margin]
    assert np.abs(cut[inner].astype(int) - square[inner].astype(int)).max() <= 1


def test_sides_that_round_badly_still_give_a_whole_window(rng):
    for _ in range(150):
        height, width = rng.integers(1, 300, 2)
        image = np.zeros((height, width, 3), np.uint8)
        cut, numbers, _ = cut_window(
            image, 24, rng, mirror=rng.random() < 0.5, p_crop=0.7, p_downscale=0.5
        )
        assert cut.shape == (24, 24, 3)
        check_size_crop(24, tuple(numbers[:2]), tuple(numbers[2:4]), tuple(numbers[4:]))


def test_the_same_generator_cuts_the_same_window():
    image = noise(120, 90)
    options = {"p_crop": 0.5, "p_downscale": 0.5}
    first, second = (np.random.default_rng(7) for _ in range(2))
    windows = []
    for _ in range(8):
        one, other = (cut_window(image, 32, rng, **options) for rng in (first, second))
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
        windows.append(one[1])
    assert len(np.unique(windows, axis=0)) > 4


def test_cutting_leaves_the_picture_as_it_is(rng):
    image = noise(64, 64)
    before = image.copy()
    image.flags.writeable = False  # a memory-mapped set is
    for mirror in (False, True):
        cut_window(image, 32, rng, mirror=mirror, p_crop=1.0, p_downscale=1.0)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    ("original", "given"),
    [
        (None, (128, 128)),
        ((128, 128), (128, 128)),
        ((127, 90), (127, 90)),
        ((4000, 3000), (171, 128)),
        ((3000, 4000), (128, 171)),
        ((100, 5000), (100, 5000)),
        ((1, 1), (1, 1)),
    ],
)
def test_the_original_size_is_given_up_to_twice_the_window(original, given):
    numbers = size_crop(SIZE, original)
    assert numbers.dtype == np.float32 and numbers.shape == (6,)
    assert numbers.tolist() == [*given, 0, 0, SIZE, SIZE]


def test_crop_and_target_are_given_as_they_are():
    assert size_crop(64, (70, 80), (3, 9), (90, 100)).tolist() == [70, 80, 3, 9, 90, 100]


def test_windows_that_lie_within_are_accepted():
    check_size_crop(64)
    check_size_crop(64, crop=(0, 0), target=(64, 64))
    check_size_crop(64, original=(10, 10), crop=(36, 16), target=(100, 80))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"crop": (0, 1)}, "64 pixels at 0,1 does not lie within.*64,64; .*to 64,65 or more"),
        ({"crop": (37, 0), "target": (100, 90)}, "at 37,0 .* 100,90; raise --target-size to 101"),
        ({"crop": (0, 27), "target": (100, 90)}, "at 0,27 .* 100,90"),
        ({"target": (64, 63)}, "at least 64,64.*Received: 64,63"),
        ({"target": (32, 200)}, "at least 64,64.*Received: 32,200"),
    ],
)
def test_windows_outside_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_size_crop(SIZE, **options)


@pytest.mark.parametrize("options", [{"original": (0, 5)}, {"crop": (-1, 0)}], ids=str)
def test_sizes_and_crops_that_no_picture_has_are_refused(options):
    with pytest.raises(ValueError, match="sizes are at least 1 pixel and crops at least 0"):
        check_size_crop(SIZE, **options)
