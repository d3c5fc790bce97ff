"""Retouching: what it takes away and adds, and all that it must leave alone."""

import cv2
import numpy as np
import pytest

from facekit.colour import to_lab
from facekit.retouch import denoise, sharpen, smooth_skin, upscale

SIDE, WIDTH = 240, 200


def disc(side=SIDE, radius=100, blur=2.0):
    mask = np.zeros((side, side), np.float32)
    cv2.circle(mask, (side // 2, side // 2), radius, 1.0, -1)
    return cv2.GaussianBlur(mask, (0, 0), blur) if blur else mask


def band(shape, scale, amplitude, seed):
    """Noise of about one wavelength, (H, W), of a standard deviation."""
    noise = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), scale) - cv2.GaussianBlur(noise, (0, 0), 1.6 * scale)
    return amplitude * noise / noise.std()


def face(pores=2.0, blotches=3.0, nose=True):
    """Skin of a slope of light, pores, blotches, and the edge of a shadow."""
    light = np.linspace(190, 140, SIDE)[None].repeat(SIDE, 0)
    light = light + band((SIDE, SIDE), 0.7, pores, 0) + band((SIDE, SIDE), 4, blotches, 1)
    if nose:
        light[:, SIDE // 2 :] -= 50
    image = light[..., None] * np.array([1, 0.8, 0.7])
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def deviations(image, where):
    """Of the lightness: above and below the scale of pores."""
    light = to_lab(image)[..., 0]
    coarse = cv2.GaussianBlur(light, (0, 0), 0.007 * WIDTH)
    return (light - coarse)[where].std(), (coarse - cv2.GaussianBlur(light, (0, 0), 8))[where].std()


@pytest.mark.parametrize(("strength", "most"), [(0.5, 0.72), (1.0, 0.5)])
def test_blotches_go_and_pores_stay(strength, most):
    image, mask = face(nose=False), disc()
    inside = cv2.erode(mask, np.ones((31, 31))) > 0.99
    fine, coarse = deviations(image, inside)
    fine_after, coarse_after = deviations(smooth_skin(image, mask, strength), inside)
    assert coarse_after < most * coarse
    assert fine_after > (1 - 0.45 * strength) * fine
    assert abs(int(image.mean()) - int(smooth_skin(image, mask, strength).mean())) <= 1


@pytest.mark.parametrize(("strength", "kept"), [(0.5, 0.85), (1.0, 0.7)])
def test_edges_and_the_slope_of_light_stay(strength, kept):
    image = face(0, 0).astype(int)
    result = smooth_skin(face(0, 0), disc(), strength).astype(int)
    row, middle = SIDE // 2, SIDE // 2
    step = image[row, middle - 1, 0] - image[row, middle, 0]
    # A Gaussian of the blotches' scale would leave a twentieth.
    assert result[row, middle - 1, 0] - result[row, middle, 0] > kept * step
    assert np.abs(result - image)[:, np.abs(np.arange(SIDE) - middle) > 25].max() <= 2


def test_what_lies_outside_the_mask_does_not_bleed_in():
    image, mask = face(0, 0, nose=False), disc(blur=0)
    eye = disc(radius=14, blur=0) > 0
    mask[eye] = 0
    image[eye] = 10
    result = smooth_skin(image, mask, 1.0)
    assert np.array_equal(result[mask == 0], image[mask == 0])
    # A plain blur would darken the rim by tens.
    assert np.abs(result.astype(int) - image)[mask > 0].max() <= 2


def test_smoothing_is_pure_and_strength_0_is_nothing():
    image, mask = face(), disc()
    before = image.copy(), mask.copy()
    first = smooth_skin(image, mask)
    assert np.array_equal(first, smooth_skin(image, mask)) and not np.array_equal(first, image)
    assert np.array_equal(image, before[0]) and np.array_equal(mask, before[1])
    assert np.array_equal(smooth_skin(image, mask, 0), image)
    assert np.array_equal(smooth_skin(image, np.zeros_like(mask)), image)


def test_the_filter_grows_with_the_face():
    image, mask = face(0, 4, nose=False), disc()
    inside = cv2.erode(mask, np.ones((31, 31))) > 0.99
    _, coarse = deviations(image, inside)
    changes = [
        deviations(smooth_skin(image, mask, 1, face_width=width), inside)[1] / coarse
        for width in (40, 100, 200)
    ]
    assert changes[0] > changes[1] > changes[2]
    derived = smooth_skin(image, mask, 1).astype(int)
    assert np.abs(derived - smooth_skin(image, mask, 1, face_width=200)).max() <= 2


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (20, 20)])
def test_tiny_pictures_pass(shape):
    image = face()[: shape[0], : shape[1]]
    assert smooth_skin(image, np.ones(shape, np.float32)).shape == image.shape
    assert sharpen(image, radius=3).shape == image.shape
    assert denoise(image).shape == image.shape
    assert upscale(image, 3).shape == (3 * shape[0], 3 * shape[1], 3)


def blurred_step(low=60, high=180, deviation=2.0):
    image = np.full((40, 80, 3), low, np.float32)
    image[:, 40:] = high
    return np.rint(cv2.GaussianBlur(image, (0, 0), deviation)).astype(np.uint8)


def test_a_sharpened_edge_is_steeper_and_no_higher():
    image = blurred_step()
    result = sharpen(image, 1.5, 2.0).astype(int)
    assert result.min() == 60 and result.max() == 180
    row = result[20, :, 0]
    assert np.all(np.diff(row) >= 0)
    assert np.diff(row).max() > 1.3 * np.diff(image[20, :, 0].astype(int)).max()


def test_sharpening_is_unsharp_masking_between_the_clamps():
    image = blurred_step()[..., :1].repeat(3, 2)
    light = image[..., 0].astype(np.float32)
    expected = light + 0.2 * (light - cv2.GaussianBlur(light, (0, 0), 1.0))
    result = sharpen(image, 0.2, 1.0, threshold=0)[..., 0]
    ramp = np.abs(np.gradient(light)[1]) > 5
    assert ramp.any() and np.abs(result - expected)[ramp].max() <= 0.51


def test_sharpening_leaves_noise_alone():
    rng = np.random.default_rng(0)
    flat = np.clip(np.rint(120 + rng.normal(0, 2, (80, 80, 1)).repeat(3, 2)), 0, 255)
    flat = flat.astype(np.uint8)
    assert sharpen(flat, 1.0).std() < 1.02 * flat.std()
    # It is the threshold that does it.
    assert sharpen(flat, 1.0, threshold=0).std() > 1.1 * flat.std()


def test_sharpening_moves_the_channels_alike():
    image = np.clip(blurred_step(60, 140, 1.0) * np.array([1.2, 1, 0.8]), 0, 255).astype(np.uint8)
    before = image.copy()
    moved = sharpen(image, 1.0).astype(int) - image
    assert moved.any() and np.abs(moved - moved[..., :1]).max() <= 1
    assert np.array_equal(image, before) and np.array_equal(sharpen(image, 0), image)


def portrait(side=192):
    """A smooth picture with edges, to be shrunk and enlarged again."""
    image = np.full((side, side, 3), (90, 110, 140), np.float32)
    cv2.ellipse(image, (96, 100), (60, 78), 0, 0, 360, (214, 170, 150), -1)
    for x in (72, 120):
        cv2.ellipse(image, (x, 84), (13, 6), 0, 0, 360, (240, 240, 236), -1)
        cv2.circle(image, (x, 84), 6, (40, 30, 30), -1)
    cv2.ellipse(image, (96, 140), (24, 7), 0, 0, 360, (170, 70, 80), -1)
    return np.rint(cv2.GaussianBlur(image, (0, 0), 1.5)).astype(np.uint8)


def error(image, reference):
    return np.square(image.astype(float) - reference).mean()


@pytest.mark.parametrize("side", [24, 40, 60])
def test_upscaling_is_nearer_to_the_truth_than_one_step(side):
    truth = portrait()
    small = cv2.resize(truth, (side, side), interpolation=cv2.INTER_AREA)
    result = upscale(small, size=192)
    for method in (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4):
        assert error(result, truth) < error(
            cv2.resize(small, (192, 192), interpolation=method), truth
        )


def test_upscaling_does_not_ring_or_shift():
    step = np.full((16, 16, 3), 60, np.uint8)
    step[:, 8:] = 180
    result = upscale(step, 8)
    assert result.min() >= 60 and result.max() <= 180
    assert np.abs(result[:, ::-1].astype(int) + result - 240).max() <= 4


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"factor": 1}, (30, 20)),
        ({"factor": 2.5}, (75, 50)),
        ({"factor": 0.5}, (15, 10)),
        ({"size": 33}, (33, 33)),
        ({"size": (100, 10)}, (100, 10)),
        ({"size": (7, 301)}, (7, 301)),
    ],
)
def test_upscaling_lands_on_the_size(options, shape):
    image = portrait()[60:90, 60:80]
    result = upscale(image, **options)
    assert result.shape == (*shape, 3) and result.dtype == np.uint8
    if shape == (30, 20):
        assert np.array_equal(result, image) and result is not image


def test_denoising_comes_nearer_to_the_clean_picture():
    clean = portrait()
    noisy = clean + np.random.default_rng(0).normal(0, 6, clean.shape)
    noisy = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    assert error(denoise(noisy, 0.5), clean) < 0.5 * error(noisy, clean)
    assert np.array_equal(denoise(noisy, 0), noisy)
    # Red stays red: OpenCV's order of channels is another.
    assert np.abs(denoise(clean).mean((0, 1)) - clean.mean((0, 1))).max() < 1


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: smooth_skin(face() / 255.0, disc()), "image must be"),
        (lambda: smooth_skin(face(), disc(100, 40)), "mask must have"),
        (lambda: smooth_skin(face(), disc() * 255), r"\[0, 1\]"),
        (lambda: smooth_skin(face(), disc(), -1), "strength must"),
        (lambda: smooth_skin(face(), disc(), 1, face_width=-5), "face_width must"),
        (lambda: sharpen(face(), -1), "amount must"),
        (lambda: sharpen(face(), 1, 0), "radius must"),
        (lambda: upscale(face()), "factor or a size"),
        (lambda: upscale(face(), 2, 100), "factor or a size"),
        (lambda: upscale(face(), 0), "factor must"),
        (lambda: upscale(face(), size=-3), "size must"),
        (lambda: denoise(face(), 2), "strength must"),
    ],
)
def test_errors_say_what_to_do(call, word):
    with pytest.raises(ValueError, match=word):
        call()
