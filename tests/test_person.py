"""A person learned from rendered photos: who and what counts, the squares, and the folder."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from conftest import ROOT, names, read_faces, render

from common.images import read_image, write_image
from data import load_images
from data.people.captions import direction_words
from facekit import expression, masks
from facekit.detect import detect, largest
from facekit.folder import measure
from facekit.identity import EncoderEmbedder
from facekit.quality import quality
from facekit.score import rank
from portrait import person, photos
from portrait.__main__ import main

EACH, SIDE, SEED = 7, 192, 23  # pictures of each of two people; their side in pixels
SAME = EncoderEmbedder.same


@pytest.fixture(scope="module")
def pictures(made_once):
    """Two people, seven pictures each, one after another: uint8 (14, 192, 192, 3), records."""
    images, _, records = read_faces(
        made_once("two_people", lambda out: render(out, 2 * EACH, 2, SIDE, SEED, drawn=0))
    )
    return images, records


@pytest.fixture(scope="module")
def folder(pictures, tmp_path_factory):
    """Both people's pictures as files: a0.png, ..., b6.png."""
    where = tmp_path_factory.mktemp("people")
    for i, image in enumerate(pictures[0]):
        write_image(image, where / f"{'ab'[i // EACH]}{i % EACH}.png")
    return where


@pytest.fixture(scope="module")
def measured(folder):
    """{name: `Measured`} of them, by the project's own encoder."""
    return {path.name: measure(path, "encoder") for path in sorted(folder.glob("*.png"))}


def render_turned(folder):
    """Write turned.png: the first person with the face turned by 58 degrees."""
    code = f"""
from dataclasses import replace
from common.images import write_image
from data.faces import sample_face
from data.light.render import Renderer
who, view, _ = sample_face(0, {{"n": {2 * EACH}, "identities": 2, "seed": {SEED}}})
view = replace(view, pose=replace(view.pose, yaw=58.0, roll=0.0))
write_image(Renderer({SIDE}).render(who, view).image, {str(folder / "turned.png")!r})
"""
    # A process of its own: where TensorFlow is loaded, VTK's renderer crashes.
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def chosen(measured, names, **changes):
    found = [replace(measured[name], **changes) for name in names]
    return photos.choose(rank(found, SAME), SAME)


def with_quality(photo, **measures):
    """A photo as if its faces measured otherwise."""
    faces = [replace(f, quality=replace(f.quality, **measures)) for f in photo.faces]
    return replace(photo, faces=tuple(faces))


def with_yaw(photo, yaw):
    faces = [replace(f, face=replace(f.face, yaw=yaw, pitch=0.0)) for f in photo.faces]
    return replace(photo, faces=tuple(faces))


def of(person_letter, n=EACH):
    return [f"{person_letter}{i}.png" for i in range(n)]


def test_every_photo_counts_or_has_its_reason(pictures, folder, made_once, tmp_path):
    images = pictures[0]
    album = tmp_path / "album"
    album.mkdir()
    for name in (*of("a"), "b0.png", "b1.png"):
        shutil.copy(folder / name, album)
    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    write_image(cv2.GaussianBlur(mirrored[0], (0, 0), 3), album / "blurred.png")
    small = cv2.resize(mirrored[1], (60, 60), interpolation=cv2.INTER_AREA)
    write_image(small, album / "small.png")
    shutil.copy(made_once("turned", render_turned) / "turned.png", album)
    write_image(cv2.resize(images[2], (160, 160)), album / "copy.jpg")
    write_image(np.concatenate([images[EACH + 2], mirrored[3]], axis=1), album / "both.png")
    write_image(np.full((90, 120, 3), 128, np.uint8), album / "wall.png")
    (album / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    wanted = person.want(album, tmp_path / "anna", embedder="encoder")
    choice = person.survey(wanted, workers=1)
    said = {wanted.name_of(v.photo.path): v for v in choice.verdicts}
    reasons = {
        "b0.png": "someone else (likeness",
        "b1.png": "someone else (likeness",
        "blurred.png": "the face is blurred (sharpness",
        "small.png": "the face is small (",
        "turned.png": "the face is turned too far (",
        "copy.jpg": "near-duplicate of a2.png",
        "wall.png": "no face found",
        "broken.jpg": "not a picture",
    }
    for name, reason in reasons.items():
        assert said[name].reason.startswith(reason) and not said[name].counts, said[name].reason
    counting = {name for name, verdict in said.items() if verdict.counts}
    assert counting == {*of("a"), "both.png"} and choice.problem == ""
    assert said["both.png"].reason.startswith("2 faces, of which no. 2 from the left is taken")
    assert choice.reference.best.frontal >= photos.FRONTAL
    totals = [photo.best.total for photo in choice.used]
    assert totals == sorted(totals, reverse=True)


def test_the_pivot_is_nearest_to_all_and_the_reference_best_of_the_frontal(measured):
    choice = chosen(measured, of("a"))
    every = np.stack([photo.best.measured.embedding for photo in choice.used])
    assert choice.used[int((every @ every.T).sum(1).argmax())] is choice.pivot
    frontal = [p for p in choice.used if p.best.frontal >= photos.FRONTAL]
    best = max(p.best.id * p.best.measured.quality.total * p.best.angle for p in frontal)
    assert choice.reference.best.as_reference == pytest.approx(best)


def test_fifteen_of_twenty_count_the_best(measured):
    rng = np.random.default_rng(0)
    many = [
        with_quality(
            replace(measured["a0.png"], path=f"{i}.png", fingerprint=rng.random(255) > 0.5),
            total=0.5 + i / 100,
        )
        for i in range(20)
    ]
    choice = photos.choose(rank(many, SAME), SAME)
    assert [photo.path for photo in choice.used] == [f"{i}.png" for i in range(19, 4, -1)]
    assert choice.verdicts[15].reason == "not among the best 15"
    assert len(photos.choose(rank(many, SAME), SAME, top=6).used) == 6
    (option,) = (option for option in main.commands["learn"].params if option.name == "top")
    assert (option.type.min, option.default) == (photos.FEWEST, photos.TOP)


def test_what_cannot_be_learned_from_is_one_sentence_with_what_to_do(measured):
    def problem(photos_):
        return photos.choose(rank(list(photos_), SAME), SAME).problem

    a, b = ([measured[name] for name in of(letter)] for letter in "ab")
    assert problem([*a[:5], *b[:5]]).startswith("two people are on 5 photos each")
    assert problem([*a, *b[:3]]) == ""
    assert problem(a[:2]) == "2 photos can be used, and it takes 5; add more"
    blurred = [with_quality(photo, sharpness=0.1) for photo in a]
    assert problem(blurred) == "all 7 photos are blurred; add sharp ones, at least 5"
    said = problem([*a[:3], *blurred[3:]])
    assert said == "3 of 7 photos can be used, and it takes 5 (4 blurred); add sharp ones"
    away = [with_yaw(photo, 30.0) for photo in a]
    assert problem(away).startswith("no photo shows the face from the front; add one")
    assert problem([with_yaw(a[0], 5.0), *away[1:]]) == ""
    assert "all 7 photos are turned too far" in problem([with_yaw(p, 50.0) for p in a])
    nobody = [replace(photo, faces=(), problem="no face found") for photo in a]
    assert problem(nobody).startswith("all 7 photos are without a face; add")


def test_the_square_is_wider_than_the_face_and_lower(measured):
    face = replace(measured["a0.png"].faces[0].face, box=np.float32([100, 50, 40, 60]))
    assert photos.face_box(face) == pytest.approx((100 - 12, 50 + 9, 64, 60))
    image = np.zeros((400, 400, 3), np.uint8)
    square = photos.prepare(image, face, measured["a0.png"].faces[0].quality).square
    assert (square.left, square.top, square.side) == (88, 57, 64)  # middle (120, 89)


def test_a_face_is_mended_by_its_own_scores_and_by_the_tools_that_are_given(pictures):
    image = cv2.resize(pictures[0][0], (512, 512), interpolation=cv2.INTER_CUBIC)
    face = largest(detect(image))
    clean = quality(image, face)
    asked = []

    def restore(picture, size):
        asked.append(("restore", picture.shape[0], size))
        return cv2.resize(picture, (size, size))

    def retouch(picture, skin, width):
        asked.append(("retouch", picture.shape[0], 0.2 < skin.mean() < 0.8, width > 100))
        return picture

    tools = photos.Tools(restore, retouch)
    made = photos.prepare(image, face, replace(clean, noise=1.0, compression=1.0), tools)
    assert asked == [] and not made.restored and not made.retouched
    made = photos.prepare(image, face, replace(clean, noise=0.5), tools)
    assert asked == [("retouch", made.square.side, True, True)] and made.retouched
    asked.clear()
    small = np.ascontiguousarray(image[::4, ::4])
    face = largest(detect(small))
    made = photos.prepare(small, face, replace(clean, noise=1.0, compression=1.0), tools)
    assert asked == [("restore", made.square.side, 256)] and made.square.side < 128
    assert made.image.shape == (256, 256, 3) and made.restored


@pytest.mark.parametrize(
    ("side", "scale", "asked"), [(100, [4], 256), (200, [], 256), (50, [4], 256)]
)
def test_faces_that_are_far_too_small_are_enlarged_by_the_restorer(
    side, scale, asked, monkeypatch, tmp_path
):
    monkeypatch.setattr(photos.restore, "WEIGHTS", tmp_path)
    calls = []

    def restored(picture, times):
        calls.append(times)
        return np.repeat(np.repeat(picture, times, 0), times, 1)

    monkeypatch.setattr(photos.restore, "restore", restored)
    made = photos.enlarged(np.full((side, side, 3), 90, np.uint8), asked)
    assert made.shape == (asked, asked, 3) and (made == 90).all() and calls == scale


def test_behind_the_person_there_is_a_plain_tone_and_the_face_stays(pictures):
    image = cv2.resize(pictures[0][0], (512, 512), interpolation=cv2.INTER_CUBIC)
    face = largest(detect(image))
    made = photos.prepare(image, face, quality(image, face))
    there = face.through(made.square.matrix(photos.SIZE))
    inside = cv2.erode(masks.regions(there, made.image.shape)["oval"], np.ones((9, 9))) > 0.99
    plain = cv2.resize(made.square.cut(image), (256, 256), interpolation=cv2.INTER_AREA)
    assert np.abs(made.image[inside].astype(int) - plain[inside]).mean() < 3
    assert (made.image == np.array(photos.TONE)).all(-1).mean() > 0.03


def test_a_fringe_of_the_background_does_not_stay():
    mask = np.clip((np.arange(128, dtype=np.float32) - 56) / 16, 0, 1)[None].repeat(128, 0)
    front, behind, tone = (np.float32(c) for c in ((60, 40, 30), (250, 60, 20), (204, 204, 202)))
    share = mask[..., None]
    seen = (share * front + (1 - share) * behind).astype(np.uint8)
    wanted, laid_over = (share * picture + (1 - share) * tone for picture in (front, seen))
    made = masks.cut_out(seen, mask, tone)
    assert np.abs(made - wanted).max() < 4 < 40 < np.abs(laid_over - wanted).max()


def test_captions_say_what_is_seen(measured, pictures):
    for yaw in range(-40, 41, 5):
        for pitch in range(-20, 21, 4):
            assert expression.direction(yaw, pitch) == direction_words(yaw, pitch)
    seen, right = 0, []
    for photo, record in zip(measured.values(), pictures[1], strict=True):
        face, (yaw, _, _) = photo.faces[0].face, record["pose"]
        text = photos.caption("anna", "old man", face)
        assert text.startswith("a photo of anna, an old man") and text.endswith(photos.BACKGROUND)
        if abs(yaw) > 20:
            assert f"facing {'right' if yaw > 0 else 'left'}" in text
            seen += 1
        smiles = {"neutral": False, "serious": False, "open smile": True, "laugh": True}
        truth = smiles.get(record["attributes"]["expression"])
        if truth is not None:
            right.append(("smiling" in text) == truth)
    assert seen >= 3 and len(right) >= 5 and np.mean(right) >= 0.7
    assert photos.caption("anna", "", replace(face, yaw=0, pitch=0)).startswith("a photo of anna, ")


@pytest.mark.parametrize(
    ("name", "word"), [("anna", "anna"), ("Anna Lena", "anna-lena"), ("Zoë_2", "zoë-2")]
)
def test_the_word_is_the_folders_name(tmp_path, name, word):
    assert person.trigger_of(tmp_path / name) == word
    with pytest.raises(ValueError, match="with letters"):
        person.trigger_of(tmp_path / "007")


@pytest.fixture
def album(folder, tmp_path):
    """Six photos of one person, in a folder of their own."""
    (tmp_path / "in").mkdir()
    for name in of("a", 6):
        shutil.copy(folder / name, tmp_path / "in")
    return tmp_path / "in"


@pytest.fixture
def learn(call):
    def run(photos_, out, *words, code=0):
        words = ("--out", out, "--identity", "encoder", "--workers", 1, "--choose-only", *words)
        said, complaints = call(main, "learn", photos_, *words, code=code)
        return said if code == 0 else complaints.splitlines()[-1]

    return run


def test_the_command_once_again_and_with_other_photos(learn, album, folder, tmp_path):
    out = tmp_path / "people" / "anna"
    said = learn(album, out, "--noun", "woman")
    assert "<- reference" in said and "<- pivot" in said and "6 squares of anna" in said
    squares = [f"photos/{i:02d}.{end}" for i in range(1, 7) for end in ("png", "txt")]
    contents = ["index.html", "person.json", "photos", *squares, "reference.png"]
    assert names(out) == contents and names(out.parent)[0] == "anna"
    loaded = load_images(out / "photos", 64)
    assert all(caption.startswith("a photo of anna, a woman") for caption in loaded.captions)
    assert len(detect(read_image(out / "reference.png"))) == 1
    record = json.loads((out / "person.json").read_text())
    assert record["trigger"] == "anna" and sorted(record["inputs"]) == of("a", 6)
    assert len(record["photos"]) == 6 and record["reference"] in record["inputs"]
    page = (out / "index.html").read_text()
    assert page.count("data:image") == 12 and "<script" not in page and "a3.png" in page

    written = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert learn(album, out, "--noun", "woman") == f"{out} is ready already: 6 squares of anna.\n"
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == written
    assert "with other noun; name another" in learn(album, out, code=2)
    shutil.copy(folder / "a6.png", album)
    assert "with other photos; name another" in learn(album, out, "--noun", "woman", code=2)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == written
    (out / "notes.txt").write_text("mine")
    sentence = learn(album, out, "--overwrite", code=2)
    assert "would lose notes.txt" in sentence
    (out / "notes.txt").unlink()
    assert "7 squares of anna" in learn(album, out, "--overwrite")
    assert len(list((out / "photos").glob("*.png"))) == 7
    assert [path.name for path in out.parent.iterdir()] == ["anna"]


def test_a_stop_leaves_the_person_that_was_there_or_none(learn, album, folder, tmp_path,
                                                         monkeypatch):  # fmt: skip
    out = tmp_path / "people" / "anna"

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(person, "write_text", killed)
        learn(album, out, code=130)
    assert list(out.parent.iterdir()) == []
    # What a process leaves that nothing stopped to clean up: half a person, then half a move.
    partial = out.with_name(".anna.partial")
    write_image(np.zeros((8, 8, 3), np.uint8), partial / "photos" / "99.png")
    learn(album, out)
    assert not partial.exists() and not (out / "photos" / "99.png").exists()
    out.rename(out.with_name(".anna.replaced"))
    assert "is ready already" in learn(album, out)
    assert [path.name for path in out.parent.iterdir()] == ["anna"]


def test_a_refusal_leaves_the_page_that_says_why(learn, album, folder, tmp_path):
    out = tmp_path / "people" / "anna"
    for name in of("a", 4):
        (album / name).unlink()
    sentence = learn(album, out, code=2)
    assert sentence == (
        f"Error: {album}: 2 photos can be used, and it takes 5; add more; see {out}/index.html."
    )
    assert names(out) == ["index.html"]
    assert "Nobody can be learned" in (out / "index.html").read_text()
    for name in of("a", 5):
        shutil.copy(folder / name, album)
    learn(album, out)
    assert names(out)[:2] == ["index.html", "person.json"]


@pytest.mark.parametrize(
    ("photos_", "out", "words", "sentence"),
    [
        ("nowhere", "anna", (), "nowhere: no such file or folder"),
        ("in", "in", (), "holds the photos themselves"),
        ("in", "full", (), "full holds something that is not a person"),
        ("in", "in/a0.png/anna", (), "a0.png is a file; a folder is needed there"),
        ("in", "007", (), "name it with letters"),
        ("in", "anna", ("--noun", "<b>"), "--noun is what the person is"),
    ],
)
def test_bad_input_is_one_sentence(learn, album, tmp_path, monkeypatch, photos_, out, words,
                                   sentence):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    before = names(tmp_path)
    assert sentence in learn(photos_, out, *words, code=2)
    assert names(tmp_path) == before
