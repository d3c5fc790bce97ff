"""`python -m facekit` as a user runs it: on photographs, and on everything that is broken."""

import io
import json
import os
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from test_images import bad_files

from common.images import read_image, write_image
from facekit import control
from facekit.__main__ import main
from facekit.align import invert, template_points, transform
from facekit.detect import detect, largest
from facekit.head import head_square


def facekit(*words, code=0):
    """Run a command in a process of its own; returns what it printed, and what it complained of."""
    done = subprocess.run(
        [sys.executable, "-m", "facekit", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def here(call):
    """The same without the seconds that a process takes to start."""
    return lambda *words, code=0: call(main, *words, code=code)


@pytest.fixture(scope="module")
def album(photographs, tmp_path_factory):
    """A person four times, a near-duplicate, a stranger and a cat."""
    from skimage import data

    folder = tmp_path_factory.mktemp("album")
    hopper = photographs["hopper"]
    write_image(hopper, folder / "sharp.png")
    blurred = cv2.GaussianBlur(hopper[:, ::-1], (0, 0), 5)
    write_image(np.ascontiguousarray(blurred), folder / "blurred.png")
    write_image(np.uint8(hopper[60:420, 60:470] * 0.45), folder / "dark.png")
    turn = cv2.getRotationMatrix2D((260, 230), 40, 0.9)
    write_image(cv2.warpAffine(hopper, turn, (512, 600)), folder / "sub" / "tilted.jpg")
    write_image(cv2.resize(hopper, (300, 351)), folder / "smaller copy.jpg")
    write_image(photographs["astronaut"], folder / "stranger.png")
    write_image(data.cat(), folder / "cat.jpg")
    return folder


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken")
    return folder, bad_files(folder)


def test_score_ranks_an_album_and_says_why(album, tmp_path):
    out, complaints = facekit(
        "score", album, "--top", 3, "--out", tmp_path / "best", "--json", tmp_path / "scores.json"
    )
    # Said at once, with progress, and no line that is not ours.
    lines = complaints.splitlines()
    assert lines[0] == "Measuring 7 photos ..." and any("7/7" in line for line in lines)
    others = [line for line in lines[1:] if line and "/7 [" not in line]
    assert others == [f"Skipped {album / 'cat.jpg'}: no face found."]
    rows = json.loads((tmp_path / "scores.json").read_text())
    names = [row["path"].split("/")[-1] for row in rows]
    assert names[0] == "sharp.png" and rows[0]["reference"] is True
    assert names[-1] == "cat.jpg" and rows[-1]["faces"] == [] and "no face" in rows[-1]["reason"]
    assert names[-2] == "stranger.png" and "someone else" in rows[-2]["reason"]
    assert "near-duplicate of" in rows[names.index("smaller copy.jpg")]["reason"]
    assert "blurred" in rows[names.index("blurred.png")]["reason"]
    assert "tilted" in rows[names.index("tilted.jpg")]["reason"]
    assert [row["rank"] for row in rows] == list(range(1, 8))
    assert len(out.splitlines()) == 6 and "sharp.png" in out and "<- reference" in out
    copies = sorted(path.name for path in (tmp_path / "best").iterdir())
    assert copies[0] == "01_sharp.png" and len(copies) == 3
    assert (tmp_path / "best" / copies[0]).read_bytes() == (album / "sharp.png").read_bytes()


def test_a_broken_file_is_a_line_and_the_rest_goes_on(broken, photographs, here, tmp_path):
    folder, files = broken
    write_image(photographs["hopper"], folder / "good.png")
    words = ("--workers", 1, "--json", tmp_path / "scores.json")
    _, complaints = here("score", folder, *words)
    rows = {row["path"]: row for row in json.loads((tmp_path / "scores.json").read_text())}
    assert rows[str(folder / "good.png")]["rank"] == 1
    for name, (path, says) in files.items():
        if path.is_file():
            assert says in rows[str(path)]["reason"] and rows[str(path)]["faces"] == [], name
            lines = [line for line in complaints.splitlines() if f"/{name}:" in line]
            assert len(lines) == 1 and says in lines[0], (name, complaints)
    (folder / "good.png").unlink()


@pytest.mark.parametrize("command", ["score", "report", "align", "masks", "control", "fuse"])
def test_exit_code_2_and_a_sentence_when_nothing_can_be_done(command, broken, here, tmp_path):
    folder, files = broken
    (tmp_path / "bare").mkdir()
    out = {
        "score": (),
        "report": ("--out", tmp_path / "r.html"),
        "fuse": ("--out", tmp_path / "f.png"),
    }
    out = out.get(command, ("--out", tmp_path / "made"))
    for photos in (tmp_path / "bare", tmp_path / "nowhere", folder, folder / "text.jpg"):
        second = (photos,) if command == "fuse" else ()
        workers = () if command == "fuse" else ("--workers", 1)
        _, complaints = here(command, photos, *second, *out, *workers, code=2)
        assert complaints.splitlines()[-1].startswith("Error: ")
    made = tmp_path / "made"
    assert not made.exists() or not list(made.iterdir())
    assert not (tmp_path / "f.png").exists()


def test_names_of_files_that_are_not_utf8_or_steer_terminals(photographs, here, tmp_path):
    """Linux allows any bytes in a name; none of them may cost a result or reach the terminal."""
    folder = tmp_path / "in"
    folder.mkdir()
    odd = os.fsencode(folder) + b"/caf\xe9 \x1b[31m\n.png"
    Image.fromarray(photographs["hopper"]).save(os.fsdecode(odd))
    (folder / "b\x1b[2J.png").write_text("no picture")
    shown = "caf\\udce9 \\x1b[31m\\n.png"
    out, complaints = here("score", folder, "--json", tmp_path / "s.json", "--out", tmp_path / "o")
    assert shown in out and "b\\x1b[2J.png: not a picture." in complaints
    assert "\x1b" not in out + complaints and len(out.splitlines()) == 4
    rows = json.loads((tmp_path / "s.json").read_text())
    assert os.fsencode(rows[0]["path"]) == odd
    (copy,) = os.listdir(os.fsencode(tmp_path / "o"))
    assert copy == b"01_" + os.path.basename(odd)
    out, _ = here("report", folder, "--plain", "--out", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert shown in page and "\x1b" not in page and out == f"{tmp_path / 'r.html'}: 2 photos.\n"
    out, complaints = here("align", folder, "--out", tmp_path / "a", "--size", 32)
    assert out == f"{tmp_path / 'a'}: 1 face from 1 photo.\n" and "\x1b" not in complaints
    (row,) = json.loads((tmp_path / "a" / "align.json").read_text())
    assert os.fsencode(row["path"]) == odd and (tmp_path / "a" / row["crop"]).is_file()


@pytest.mark.parametrize("command", ["score", "report", "align", "masks", "fuse"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(command, album, here, small_disk):
    photos = [album / "sharp.png", album / "stranger.png"][: 2 if command == "fuse" else 1]
    out = {"fuse": small_disk / "a.png", "report": small_disk / "a.html"}.get(command, small_disk)
    _, complaints = here(command, *photos, "--out", out, code=2)
    assert complaints.splitlines()[-1] == "Error: the disk is full; make room and run it again."
    assert not any(path.stat().st_size for path in small_disk.iterdir())


def test_a_full_disk_ends_the_work_on_many_photos_at_once(album, here, small_disk):
    said, complaints = here("align", album, "--out", small_disk, "--workers", 2, code=2)
    assert said == "" and complaints.count("the disk is full") == 1
    assert "Skipped" not in complaints and not list(small_disk.glob(".partial*"))


def test_wrong_words_are_told_at_once(album, here, tmp_path):
    for words in (
        ("score", album, "--identity", "fingerprint"),
        ("align", album, "--out", tmp_path, "--template", "passport"),
        ("fuse", album / "sharp.png", album / "stranger.png", "--out", tmp_path / "a.xyz"),
        ("fuse", album / "sharp.png", album / "cat.jpg", "--out", tmp_path / "a.png"),
        ("report", album, "--out", tmp_path / "page.pdf"),
        ("masks", album, "--out", tmp_path, "--feather", "nan"),
        (
            "fuse",
            album / "sharp.png",
            album / "cat.jpg",
            "--out",
            tmp_path / "a.png",
            "--match",
            "nan",
        ),
        ("align", album),
        ("sort", album),
    ):
        _, complaints = here(*words, code=2)
        assert "Error" in complaints
    assert list(tmp_path.iterdir()) == []


def test_align_cuts_heads_and_says_from_where(album, here, tmp_path):
    here("align", album, "--out", tmp_path, "--size", 128, "--workers", 1)
    rows = {
        row["path"].split("/")[-1]: row for row in json.loads((tmp_path / "align.json").read_text())
    }
    assert set(rows) >= {"sharp.png", "tilted.jpg", "stranger.png"} and "cat.jpg" not in rows
    for row in rows.values():
        assert read_image(tmp_path / row["crop"]).shape == (128, 128, 3)
        eyes = transform(row["points5"], row["matrix"])[:2]
        assert np.abs(eyes - template_points("portrait", 128)[:2]).max() < 8
    back = transform(template_points("portrait", 128)[:2], invert(rows["tilted.jpg"]["matrix"]))
    angle = np.degrees(np.arctan2(*(back[1] - back[0])[::-1]))
    assert abs(angle + 40) < 8  # turned by 40 degrees, and turned back


def test_masks_and_control_pictures_are_files_of_the_photos_size(album, here, tmp_path):
    photo = album / "sharp.png"
    here("masks", photo, "--out", tmp_path / "m")
    names = {path.stem.removeprefix("sharp_") for path in (tmp_path / "m").glob("*.png")}
    assert names >= {
        "skin",
        "brows",
        "eyes",
        "nose",
        "lips",
        "oval",
        "hair",
        "person",
        "inner",
        "ring",
    }
    for path in (tmp_path / "m").glob("*.png"):
        assert Image.open(path).mode == "L" and Image.open(path).size == (512, 600)


@pytest.mark.parametrize("which", ["head", "whole", "no face"])
def test_control_pictures_show_the_head_or_the_middle(album, here, tmp_path, which):
    photo = album / "sharp.png"
    if which == "no face":
        photo = tmp_path / "sharp.png"
        write_image(np.full((600, 512, 3), 90, np.uint8), photo)
    words = ("--size", 200, *(["--whole"] if which == "whole" else []))
    complaints = here("control", photo, "--out", tmp_path / "c", *words)[1]
    for kind in ("canny", "colour", "tile", "points"):
        assert read_image(tmp_path / "c" / f"sharp_{kind}.png").shape == (200, 200, 3)
    image = read_image(photo)
    shown = image[44:-44]  # the middle square, not the whole squashed into one
    if which == "head":
        shown = head_square(largest(detect(image)), image.shape).cut(image)
    expected = control.colour_grid(shown, 200)
    found = read_image(tmp_path / "c" / "sharp_colour.png")
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert ("1 photo without a face" in complaints) == (which == "no face")
    if which == "head":  # at its own size, too
        here("control", photo, "--out", tmp_path / "d")
        assert read_image(tmp_path / "d" / "sharp_tile.png").shape == shown.shape


def test_photos_of_one_name_do_not_overwrite_each_other(album, here, tmp_path):
    for name in ("a/x.png", "b/x.png", "x.png", "x.jpg"):
        write_image(read_image(album / "sharp.png"), tmp_path / "in" / name)
    here("align", tmp_path / "in", "--out", tmp_path / "out", "--size", 64)
    assert len(list((tmp_path / "out").glob("*.png"))) == 4


def test_the_photos_themselves_are_never_overwritten(album, here, tmp_path):
    folder = tmp_path / "in"
    for name in ("sharp.png", "stranger.png"):
        write_image(read_image(album / name), folder / name)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for command in ("align", "masks", "control", "score"):
        _, complaint = here(command, folder, "--out", folder, code=2)
        assert "choose another" in complaint
        here(command, folder / "sharp.png", "--out", folder, code=2)
    for target in before:
        here("fuse", *before, "--out", target, code=2)
    here("score", folder, "--json", folder / "sharp.png", code=2)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_results_inside_the_folder_of_photos_are_not_photos(album, here, tmp_path):
    folder = tmp_path / "in"
    write_image(read_image(album / "sharp.png"), folder / "sharp.png")
    for _ in range(2):
        here("align", folder, "--out", folder / "heads", "--size", 64)
        assert [path.name for path in (folder / "heads").glob("*.png")] == ["sharp.png"]


def test_faces_of_one_photo_and_a_photo_named_like_them_stay_apart(album, here, tmp_path):
    two = np.hstack([read_image(album / name)[:512] for name in ("sharp.png", "stranger.png")])
    for name in ("x.png", "x.face1.png", "x_face1.png"):
        write_image(two if name == "x.png" else two[:, :512], tmp_path / "in" / name)
    out, _ = here("align", tmp_path / "in", "--out", tmp_path / "out", "--size", 64)
    rows = json.loads((tmp_path / "out" / "align.json").read_text())
    assert len({row["crop"] for row in rows}) == 4 == len(list((tmp_path / "out").glob("*.png")))
    assert "4 faces from 3 photos" in out


@pytest.mark.parametrize("command", ["score", "align", "masks", "control", "fuse", "report"])
def test_a_place_that_cannot_be_written_is_told_before_the_work(command, album, here, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("a file, not a folder")
    out = {"fuse": taken / "a.png", "report": taken / "a.html"}.get(command, taken / "folder")
    photos = [album / "sharp.png", album / "stranger.png"][: 2 if command == "fuse" else 1]
    said, complaint = here(command, *photos, "--out", out, code=2)
    assert complaint.startswith("Error: cannot write") and str(taken) in complaint
    assert "partial" not in complaint and said == "" and len(complaint.splitlines()) == 1
    assert taken.read_text() == "a file, not a folder"


def test_one_bad_photo_gives_its_own_reason(broken, here, tmp_path):
    for command in ("score", "align", "control"):
        out = ("--out", tmp_path / "made")
        _, complaint = here(command, broken[1]["text.jpg"][0], *out, code=2)
        assert complaint.splitlines()[-1].endswith("text.jpg: not a picture.")


def test_a_pipe_among_the_photos_is_not_waited_for(album, here, tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    _, complaint = here("score", tmp_path, code=2)
    assert "no pictures" in complaint
    _, complaint = here("score", tmp_path / "pipe.jpg", code=2)
    assert "neither a file" in complaint


def test_fuse_writes_one_picture_and_changes_nothing_outside_the_face(album, here, tmp_path):
    out = tmp_path / "fused.png"
    here("fuse", album / "sharp.png", album / "stranger.png", "--out", out, "--share", 1)
    before, after = read_image(album / "sharp.png"), read_image(out)
    changed = (before != after).any(-1)
    rows, columns = np.nonzero(changed)
    assert changed.any() and 120 < rows.min() and rows.max() < 345
    assert 155 < columns.min() and columns.max() < 365


def test_the_report_is_one_file_that_needs_no_other(album, here, tmp_path):
    folder = tmp_path / "album"
    for name in ("sharp.png", "stranger.png", "cat.jpg"):
        target = '<b>&"x".png' if name == "stranger.png" else name
        write_image(read_image(album / name), folder / target)
    page = tmp_path / "report.html"
    here("report", folder, "--out", page)
    text = page.read_text()
    assert text.count("<article>") == 3 and text.count("data:image/jpeg;base64,") == 7
    assert "<b>&" not in text and "&lt;b&gt;&amp;" in text  # names are not markup
    for needs in ("http:", "https:", "<script", "<link"):
        assert needs not in text
    assert "no face found" in text and "reference" in text and "sharpness" in text


FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP")
MUTATIONS = 110  # of each format


def mutated(data, rng):
    """A file with flipped bits, zeroed, repeated or missing stretches, or a false length."""
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        kind, at = int(rng.integers(6)), int(rng.integers(len(data)))
        long = int(rng.integers(1, max(2, len(data) // 4)))
        if kind == 0:
            for place in rng.integers(0, len(data), 8):
                data[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at : at + long] = bytes(len(data[at : at + long]))
        elif kind == 2:
            del data[at : at + long]
        elif kind == 3:
            data[at:at] = data[at : at + long]
        elif kind == 4:
            head = int(rng.integers(min(64, len(data))))
            data[head : head + 4] = rng.integers(0, 256, 4, dtype=np.uint8).tobytes()
        else:
            del data[max(1, at) :]
        if not data:
            data = bytearray(b"\0")
    return bytes(data)


@pytest.mark.parametrize("format", FORMATS)
def test_mutated_files_are_read_or_refused_and_never_hang(photographs, format, tmp_path):
    rng = np.random.default_rng(FORMATS.index(format))
    image = cv2.resize(photographs["astronaut"][60:200, 150:290], (96, 96))
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format)
    path, read, refused = tmp_path / f"a.{format.lower()}", 0, 0
    for _ in range(MUTATIONS):
        path.write_bytes(mutated(buffer.getvalue(), rng))
        began = time.monotonic()
        try:
            found = read_image(path)
        except ValueError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
            refused += 1
        else:
            assert found.dtype == np.uint8 and found.ndim == 3 and found.shape[2] == 3
            read += 1
        assert time.monotonic() - began < 10
    assert read + refused == MUTATIONS and refused > 5 and path.exists()


def test_a_folder_of_mutated_photos_loses_nothing(photographs, here, tmp_path):
    """Through the whole command: every file is in the list, and the good ones keep their scores."""
    rng = np.random.default_rng(99)
    folder = tmp_path / "in"
    folder.mkdir()
    image = photographs["hopper"][80:400, 80:450]
    for number in range(30):
        format = FORMATS[number % len(FORMATS)]
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format)
        (folder / f"{number:02d}.{format.lower()}").write_bytes(mutated(buffer.getvalue(), rng))
    write_image(photographs["hopper"], folder / "good.png")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    here("score", folder, "--workers", 2, "--json", tmp_path / "scores.json")
    rows = json.loads((tmp_path / "scores.json").read_text())
    assert {row["path"].split("/")[-1] for row in rows} == set(before)
    assert all(row["faces"] or row["reason"] for row in rows)
    good = next(row for row in rows if row["path"].endswith("good.png"))
    assert good["faces"][0]["quality"] > 0.5
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def crash(path):
    """For the test below: a decoder that takes its process down."""
    import os

    if "bad" in str(path):
        os.kill(os.getpid(), 9)
    return str(path)


@pytest.mark.slow
def test_a_decoder_that_kills_its_process_costs_one_photo():
    from facekit.folder import for_each

    paths = [f"{i}.jpg" for i in range(5)] + ["bad.jpg"] + [f"{i}.png" for i in range(5)]
    results = dict(for_each(crash, paths, workers=2))
    assert set(results) == set(paths)
    assert [p for p, result in results.items() if isinstance(result, ValueError)] == ["bad.jpg"]
