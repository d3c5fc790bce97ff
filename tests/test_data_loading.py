"""Anyone's pictures: every kind is read right, and what cannot be read is named with a reason."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from data import load_images

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
    (tmp_path / "bomb.png").write_bytes(png_header_of(9000, 9000))
    (tmp_path / "big bomb.png").write_bytes(png_header_of(50000, 50000))
    pictures = load_images(tmp_path, 16)
    assert pictures.names == ["deep/also good.JPG", "good.png", "whole.jpg"]
    reasons = dict(pictures.skipped)
    assert set(reasons) == {"empty.png", "text.jpg", "cut.jpg", "bomb.png", "big bomb.png"}
    assert "empty" in reasons["empty.png"] and "megapixels" in reasons["bomb.png"]
    assert "megapixels" in reasons["big bomb.png"] and "truncated" in reasons["cut.jpg"]


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
        (lambda folder: (folder / "a.png").write_text("x"), "None of the 1 pictures"),
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
