"""Reading what phones and the web produce, and saying what is wrong with the rest."""

import io
import pickle
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from common.images import (
    ImageError,
    center_crop,
    find_images,
    image_format,
    read_image,
    read_named,
    read_with_size,
    resize,
    write_image,
)

COLOURS = np.zeros((20, 30, 3), np.uint8)
COLOURS[:10, :15], COLOURS[:10, 15:] = (200, 30, 40), (20, 180, 60)
COLOURS[10:, :15], COLOURS[10:, 15:] = (40, 50, 210), (230, 220, 40)


def close(a, b, by=3):
    return a.shape == b.shape and np.abs(a.astype(int) - b).max() <= by


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_phone_is_honoured(tmp_path, orientation):
    """The file holds the picture as the sensor saw it; all eight ways come out upright."""
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(undo(COLOURS)))
    stored.save(tmp_path / "a.png", exif=exif)
    assert close(read_image(tmp_path / "a.png"), COLOURS, 0)


def test_every_mode_becomes_rgb(tmp_path):
    colour = Image.fromarray(COLOURS)
    grey = np.asarray(colour.convert("L"))
    cases = {
        "grey.png": (colour.convert("L"), np.repeat(grey[..., None], 3, 2)),
        "sixteen.png": (
            Image.fromarray(grey.astype(np.uint16) * 257),
            np.repeat(grey[..., None], 3, 2),
        ),
        "bits.png": (colour.convert("1"), None),
        "palette.gif": (colour.convert("P", palette=Image.ADAPTIVE), COLOURS),
        "cmyk.tif": (colour.convert("CMYK"), COLOURS),
        "lab.tif": (colour.convert("LAB"), None),
        "float.tif": (
            Image.fromarray(grey.astype(np.float32) / 255),
            np.repeat(grey[..., None], 3, 2),
        ),
        "one.png": (Image.new("RGB", (1, 1), (9, 8, 7)), np.array([[[9, 8, 7]]], np.uint8)),
    }
    for name, (picture, wanted) in cases.items():
        picture.save(tmp_path / name)
        found = read_image(tmp_path / name)
        assert found.dtype == np.uint8 and found.ndim == 3 and found.shape[2] == 3, name
        assert wanted is None or close(found, wanted, 8), name


def test_what_is_transparent_is_white(tmp_path):
    alpha = np.dstack([COLOURS, np.full(COLOURS.shape[:2], 255, np.uint8)])
    alpha[:10, :, 3] = 0
    Image.fromarray(alpha).save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")
    assert (found[:10] == 255).all() and close(found[10:], COLOURS[10:], 0)


def test_an_animation_is_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    for name in ("a.gif", "a.webp", "a.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
        assert close(read_image(tmp_path / name), np.full((8, 8, 3), (255, 0, 0)), 0), name


def test_a_colour_profile_is_applied(tmp_path):
    """A file that says its numbers are LAB's lightness curve: not what sRGB would show."""
    linear = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(COLOURS).save(tmp_path / "same.png", icc_profile=linear)
    assert close(read_image(tmp_path / "same.png"), COLOURS, 2)
    Image.fromarray(COLOURS).save(tmp_path / "broken.png", icc_profile=b"not a profile at all")
    assert close(read_image(tmp_path / "broken.png"), COLOURS, 0)


def png_of(width, height):
    """A PNG file that claims a size, with next to no data behind it."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bad_files(folder):
    """{name: (file, what its sentence should say)}."""
    jpeg = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8)).save(
        jpeg, "JPEG"
    )
    content = {
        "empty.jpg": (b"", "empty"),
        "text.jpg": (b"this is no picture, it is a sentence", "not a picture"),
        "half.jpg": (jpeg.getvalue()[: len(jpeg.getvalue()) // 2], "damaged"),
        "bomb.png": (png_of(10_000, 10_000), "too many"),
        "ribbon.png": (png_of(40_000, 3), "too many"),
        "short.png": (png_of(300, 300), "damaged"),
    }
    found = {}
    for name, (data, says) in content.items():
        (folder / name).write_bytes(data)
        found[name] = (folder / name, says)
    (folder / "folder.jpg").mkdir()
    found["folder.jpg"] = (folder / "folder.jpg", "folder")
    found["missing.jpg"] = (folder / "missing.jpg", "no such file")
    return found


def test_bad_files_are_one_sentence_each(tmp_path):
    for name, (path, says) in bad_files(tmp_path).items():
        with pytest.raises(ValueError) as error:
            read_image(path)
        text = str(error.value)
        assert text.startswith(str(path)) and says in text and "\n" not in text, (name, text)


def test_a_folder_is_searched_by_name_without_what_is_hidden(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.png", "sub/c.webp", ".git/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    names = [str(path.relative_to(tmp_path)) for path in find_images(tmp_path)]
    assert names == ["a.png", "b.JPG", "sub/c.webp"]
    with pytest.raises(ValueError, match="no pictures"):
        (tmp_path / "bare").mkdir()
        find_images(tmp_path / "bare")
    with pytest.raises(ValueError, match="no such"):
        find_images(tmp_path / "nowhere")


def test_what_is_written_is_read_again_and_leaves_nothing_else(tmp_path):
    write_image(COLOURS, tmp_path / "new" / "a.png")
    write_image(COLOURS[..., 0], tmp_path / "new" / "mask.png")
    write_image(COLOURS, tmp_path / "new" / "a.jpg")
    assert close(read_image(tmp_path / "new" / "a.png"), COLOURS, 0)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["a.jpg", "a.png", "mask.png"]
    with pytest.raises(ValueError, match=".png"):
        write_image(COLOURS, tmp_path / "a.xyz")
    with pytest.raises(OSError):
        write_image(COLOURS, tmp_path / "new" / "a.png" / "b.png")
    assert close(read_image(tmp_path / "new" / "a.png"), COLOURS, 0)


def test_a_large_jpeg_can_be_decoded_at_a_fraction_of_its_size(tmp_path):
    large = np.repeat(np.repeat(COLOURS, 40, 0), 40, 1)  # 800 x 1200
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(large).save(tmp_path / "a.jpg", exif=exif, quality=95)
    image, size = read_with_size(tmp_path / "a.jpg", draft=100)
    assert size == (1200, 800) and image.shape == (150, 100, 3)
    assert read_image(tmp_path / "a.jpg").shape == (1200, 800, 3)
    write_image(large, tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", draft=100).shape == large.shape


def test_another_background_and_a_sentence_that_says_what_a_picture_is_for(tmp_path):
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png", "black") == 0).all()
    assert (read_named(tmp_path / "a.png", "mask", "black") == 0).all()
    with pytest.raises(ValueError, match="there is no mask .*b.png"):
        read_named(tmp_path / "b.png", "mask")
    (tmp_path / "c.png").write_text("words")
    with pytest.raises(ValueError, match=r"the mask .*c.png cannot be read \(not a picture\)"):
        read_named(tmp_path / "c.png", "mask")


def test_errors_pass_between_processes(tmp_path):
    with pytest.raises(ImageError) as error:
        read_image(tmp_path / "nowhere.png")
    again = pickle.loads(pickle.dumps(error.value))
    assert str(again) == str(error.value) and again.reason == "no such file"


def test_suffixes_choose_formats():
    assert [image_format(name) for name in ("a.JPG", "b.png", "c.d.webp")] == [
        *("JPEG", "PNG", "WEBP")
    ]
    with pytest.raises(ValueError, match="name the file .png"):
        image_format("a.gif")


def test_sizes(rng):
    image = rng.integers(0, 256, (12, 20, 3), dtype=np.uint8)
    assert resize(image, (12, 20)) is image
    halves = resize(image, (6, 10)).astype(float)
    means = image.reshape(6, 2, 10, 2, 3).mean((1, 3))
    assert np.abs(halves - means).max() <= 0.5  # averaged down
    assert (resize(image, (24, 40), "nearest") == image.repeat(2, 0).repeat(2, 1)).all()
    assert resize(image, 32).shape == (32, 32, 3)
    mask = resize(image[..., 0].astype(np.float32) / 255, (3, 5))
    assert mask.shape == (3, 5) and mask.dtype == np.float32
    assert resize(image[:, ::-1], 6).shape == (6, 6, 3)  # a mirrored view
    assert (center_crop(image, (1, 1)) == image[:, 4:16]).all()
    assert center_crop(image, (64, 16)).shape == (12, 3, 3)
