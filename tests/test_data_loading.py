"""Anyone's pictures: every kind is read right, and what cannot be read is named with a reason."""

import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from data import load_images, load_uncut
from data.loading import decode_uncut

RED, GREEN = (200, 30, 40), (20, 180, 60)


def halves(width=40, height=40, left=RED, right=GREEN, mode="RGB"):
    """A picture whose left half has one colour and its right another."""
    array = np.zeros((height, width, 3), np.uint8)
    array[:, : width // 2], array[:, width // 2 :] = left, right
    return Image.fromarray(array).convert(mode)


def png_header_of(width, height):
    """The bytes of a PNG that says it is enormous, and holds next to nothing."""

    def chunk(kind, body):
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def only(folder, size=16):
    """Loads a folder that should give exactly one picture."""
    pictures = load_images(folder, size)
    assert len(pictures) == 1 and pictures.skipped == []
    return pictures.images[0]


def check_halves(image, tolerance=12):
    """The left quarter is red, the right quarter is green."""
    quarter = image.shape[1] // 4
    assert np.abs(image[:, :quarter].reshape(-1, 3).mean(0) - RED).max() < tolerance
    assert np.abs(image[:, -quarter:].reshape(-1, 3).mean(0) - GREEN).max() < tolerance


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "gif", "tiff"])
def test_formats(tmp_path, suffix):
    halves().save(tmp_path / f"a.{suffix}")
    check_halves(only(tmp_path))


def test_cmyk(tmp_path):
    halves(mode="CMYK").save(tmp_path / "a.jpg", quality=95)
    check_halves(only(tmp_path))


def test_palette(tmp_path):
    halves().quantize(8).save(tmp_path / "a.png")
    check_halves(only(tmp_path))


def test_sixteen_bit_grey_keeps_its_range(tmp_path):
    ramp = np.tile(np.linspace(0, 65535, 32).astype(np.uint16), (32, 1))
    Image.fromarray(ramp).save(tmp_path / "a.png")
    image = only(tmp_path, 32)
    assert np.abs(image[..., 0] - ramp / 257).max() <= 2 and (image == image[..., :1]).all()


def test_transparency_lies_on_white(tmp_path):
    picture = halves().convert("RGBA")
    picture.putalpha(Image.fromarray(np.tile(np.uint8([255] * 20 + [0] * 20), (40, 1))))
    picture.save(tmp_path / "a.png")
    image = only(tmp_path)
    assert np.abs(image[:, :4].reshape(-1, 3).mean(0) - RED).max() < 12
    assert (image[:, -4:] > 250).all()


def test_the_first_picture_of_an_animation_is_taken(tmp_path):
    other = halves(left=(0, 0, 255), right=(0, 0, 255))
    halves().save(tmp_path / "a.gif", save_all=True, append_images=[other], duration=50)
    check_halves(only(tmp_path))


def test_orientation_in_the_file_is_honoured(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # the camera was upside down
    halves(left=GREEN, right=RED).save(tmp_path / "a.jpg", exif=exif, quality=95)
    check_halves(only(tmp_path))


def test_the_middle_square_is_taken(tmp_path):
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, 40:80] = np.asarray(halves())
    Image.fromarray(wide).save(tmp_path / "a.png")
    check_halves(only(tmp_path))


def test_what_cannot_be_read_is_named_with_a_reason(tmp_path):
    halves().save(tmp_path / "good.png")
    (tmp_path / "deep").mkdir()
    halves().save(tmp_path / "deep" / "also good.JPG")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("this is no picture")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "bomb.png").write_bytes(png_header_of(9500, 9500))
    (tmp_path / "big bomb.png").write_bytes(png_header_of(50000, 50000))
    pictures = load_images(tmp_path, 16)
    assert pictures.names == ["deep/also good.JPG", "good.png", "whole.jpg"]
    reasons = dict(pictures.skipped)
    assert set(reasons) == {"empty.png", "text.jpg", "cut.jpg", "bomb.png", "big bomb.png"}
    assert "empty" in reasons["empty.png"] and "truncated" in reasons["cut.jpg"]
    for name in ("bomb.png", "big bomb.png"):
        assert "pixels are too many" in reasons[name] and "90 million" in reasons[name]


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    halves().save(tmp_path / "a.png")
    (tmp_path / "._a.png").write_bytes(b"what a Mac leaves beside a.png")
    (tmp_path / ".thumbnails").mkdir()
    halves().save(tmp_path / ".thumbnails" / "a.png")
    only(tmp_path)


def test_an_embedded_colour_profile_is_applied(tmp_path):
    """sRGB with its red and blue exchanged: the numbers of the file mean the other colour."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"rXYZ", b"....").replace(b"bXYZ", b"rXYZ").replace(b"....", b"bXYZ")
    swapped = halves(left=RED[::-1], right=GREEN[::-1])
    swapped.save(tmp_path / "a.png", icc_profile=profile)
    check_halves(only(tmp_path))


def test_captions_beside_the_pictures(tmp_path):
    halves().save(tmp_path / "a.png")
    halves().save(tmp_path / "b.png")
    (tmp_path / "b.txt").write_text("  a woman\n with red hair ", "utf-8")
    assert load_images(tmp_path, 8).captions == ["", "a woman with red hair"]


def test_no_captions_is_none(tmp_path):
    halves().save(tmp_path / "a.png")
    pictures = load_images(tmp_path, 8)
    assert pictures.captions is None and pictures.identities is None


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda folder: folder.rmdir(), "There is no folder"),
        (lambda folder: None, "no pictures in"),
        (lambda folder: (folder / "a.png").write_text("x"), "The only picture in"),
    ],
)
def test_nothing_to_read_is_an_error_that_says_what_to_do(tmp_path, make, words):
    folder = tmp_path / "in"
    folder.mkdir()
    make(folder)
    with pytest.raises(ValueError, match=words):
        load_images(folder, 16)


def test_a_damaged_dataset_is_said_to_be_one(tmp_path):
    (tmp_path / "dataset.json").write_text("{}")
    np.save(tmp_path / "images.npy", np.zeros((2, 8, 8, 3), np.uint8))
    (tmp_path / "faces.jsonl").write_text('{"caption": "a", "identity": 0}\n')
    with pytest.raises(ValueError, match="damaged dataset"):
        load_images(tmp_path, 8)


def thirds(width, height):
    """A picture of three colours from the left to the right and of two from the top."""
    array = np.zeros((height, width, 3), np.uint8)
    array[:, width // 3 :, 0] = 120
    array[:, 2 * width // 3 :, 0] = 240
    array[height // 2 :, :, 1] = 200
    return Image.fromarray(array)


def check_thirds(image):
    """The colours of `thirds`, each in the middle of its part."""
    height, width = image.shape[:2]
    for i, red in enumerate((0, 120, 240)):
        for j, green in enumerate((0, 200)):
            x, y = (2 * i + 1) * width // 6, (2 * j + 1) * height // 4
            assert np.abs(image[y, x].astype(int) - (red, green, 0)).max() < 12, (x, y, image[y, x])


def sizes_of(pictures):
    """{name: (height, width) as it was found}."""
    assert pictures.sizes.dtype == np.int32
    return dict(zip(pictures.names, map(tuple, pictures.sizes.tolist()), strict=True))


def test_uncut_pictures_keep_their_shapes_and_small_ones_every_pixel(tmp_path, rng):
    shapes = {"a.png": (40, 70), "b.png": (96, 500), "c.png": (90, 3 * 90), "d.png": (1, 1)}
    for name, shape in shapes.items():
        Image.fromarray(rng.integers(0, 256, (*shape, 3), np.uint8)).save(tmp_path / name)
    pictures = load_uncut(tmp_path, 64)
    assert isinstance(pictures.images, list) and pictures.skipped == []
    assert sizes_of(pictures) == shapes
    for name, image in zip(pictures.names, pictures.images, strict=True):
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, np.asarray(Image.open(tmp_path / name)))


@pytest.mark.parametrize(
    ("found", "shape"),
    [((900, 1200), (96, 128)), ((1200, 900), (128, 96)), ((97, 97), (96, 96))],
)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_large_pictures_are_reduced_to_one_and_a_half_windows(tmp_path, found, shape, suffix):
    """A large JPEG is read at a fraction of its size: the size told is still that of the file."""
    thirds(found[1], found[0]).save(tmp_path / f"a.{suffix}")
    pictures = load_uncut(tmp_path, 64)
    assert sizes_of(pictures) == {f"a.{suffix}": found}
    assert pictures.images[0].shape == (*shape, 3)
    check_thirds(pictures.images[0])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("width", "height"), [(1200, 900), (60, 42)])
def test_turned_pictures_are_upright_and_their_size_is_that_of_the_upright_one(
    tmp_path, orientation, width, height
):
    # What a camera writes so that the picture looks like `thirds` when it is shown.
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    picture = thirds(width, height)
    if orientation > 1:
        picture = picture.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "a.jpg", exif=exif, quality=95, subsampling=0)
    image, size = decode_uncut(tmp_path / "a.jpg", 128)
    assert size == (height, width)
    assert image.shape == ((128, 171, 3) if width == 1200 else (42, 60, 3))
    check_thirds(image)


def test_pictures_of_one_shape_are_one_array(tmp_path):
    for name in ("a.png", "b.jpg", "c.bmp"):
        halves(50, 30).save(tmp_path / name)
    thirds(500, 300).save(tmp_path / "d.png")  # reduced to the shape of the others
    images = load_uncut(tmp_path, 20).images
    assert isinstance(images, np.ndarray) and images.shape == (4, 30, 50, 3)
    halves(51, 30).save(tmp_path / "e.png")
    images = load_uncut(tmp_path, 20).images
    assert isinstance(images, list) and {image.shape for image in images} == {
        (30, 50, 3),
        (30, 51, 3),
    }


def test_strips_are_left_out_with_a_reason(tmp_path):
    halves(81, 10).save(tmp_path / "wide.png")
    halves(10, 81).save(tmp_path / "high.png")
    halves(80, 10).save(tmp_path / "just.png")
    pictures = load_uncut(tmp_path, 16)
    assert pictures.names == ["just.png"] and pictures.sizes.tolist() == [[10, 80]]
    reasons = dict(pictures.skipped)
    assert set(reasons) == {"wide.png", "high.png"}
    assert all("more than 8 times as long as" in reason for reason in reasons.values())
    (tmp_path / "just.png").unlink()
    with pytest.raises(ValueError, match="None of the 2 pictures.*high.png: more than 8 times"):
        load_uncut(tmp_path, 16)


def test_captions_and_sizes_stay_with_their_pictures(tmp_path):
    """Those that cannot be used leave no gap, and folders within are looked into."""
    (tmp_path / "deep").mkdir()
    for i, name in enumerate(("a.png", "deep/b.png", "deep/d.jpg", "e.png")):
        halves(20 + i, 30 + i).save(tmp_path / name)
    (tmp_path / "b.png").write_bytes(b"")
    (tmp_path / "b.txt").write_text("of the empty one")
    (tmp_path / "deep" / "c.png").write_text("no picture")
    (tmp_path / "deep" / "d.txt").write_text("two\n halves")
    (tmp_path / "e.txt").write_text("a last one")
    pictures = load_uncut(tmp_path, 64)
    assert {name for name, _ in pictures.skipped} == {"b.png", "deep/c.png"}
    said = dict(zip(pictures.names, pictures.captions, strict=True))
    assert said == {
        "a.png": "",
        "deep/b.png": "",
        "deep/d.jpg": "two halves",
        "e.png": "a last one",
    }
    assert sizes_of(pictures) == {
        "a.png": (30, 20),
        "deep/b.png": (31, 21),
        "deep/d.jpg": (32, 22),
        "e.png": (33, 23),
    }
    for image, size in zip(pictures.images, pictures.sizes, strict=True):
        assert image.shape[:2] == tuple(size)


def test_uncut_pictures_are_rgb_on_white(tmp_path):
    picture = halves(40, 60).convert("RGBA")
    picture.putalpha(Image.fromarray(np.tile(np.uint8([255] * 20 + [0] * 20), (60, 1))))
    picture.save(tmp_path / "a.png")
    halves(40, 60, mode="CMYK").save(tmp_path / "b.jpg", quality=95)
    clear, print_ = load_uncut(tmp_path, 64).images
    assert clear.shape == (60, 40, 3) and (clear[:, 20:] == 255).all()
    assert (clear[:, :20] == RED).all()
    check_halves(print_)


def test_a_dataset_made_here_is_taken_at_the_size_that_it_has(tmp_path, rng):
    images = rng.integers(0, 256, (3, 24, 24, 3), np.uint8)
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "dataset.json").write_text("{}")
    records = [{"caption": f"a {word}", "identity": i} for i, word in enumerate(("x", "y", "z"))]
    (tmp_path / "faces.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    pictures = load_uncut(tmp_path, 8)
    np.testing.assert_array_equal(pictures.images, images)
    assert pictures.sizes.tolist() == 3 * [[24, 24]] and pictures.captions == ["a x", "a y", "a z"]
    assert load_images(tmp_path, 8).images.shape == (3, 8, 8, 3)
