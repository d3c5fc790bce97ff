"""The studio, with a painter that scribbles: what is kept, what is refused, what is repeated."""

import json

import numpy as np
import pytest
from PIL import Image, ImageCms

import portrait.painter
from common.images import read_image, write_image
from facekit import masks
from facekit.detect import detect
from facekit.mesh import OVAL
from portrait import session, stages
from portrait.__main__ import main
from portrait.files import Template
from portrait.settings import Settings

SIZE = 64


class Scribbler:
    """Paints random colours where it may, and remembers what it was asked."""

    size, name, digest, control_digest, adapters = SIZE, "scribbles", "0", "1", ()

    def __init__(self, *_):
        self.asked = []

    def check(self, prompt, negative=""):
        if "zebra" in prompt:
            raise ValueError("the model never met the word 'zebra'.")
        return []

    def paint(self, picture, mask, hints, strength, steps, guidance=1.0, prompt="", negative="",
              seed=0, observe=None):  # fmt: skip
        self.asked.append({"hints": hints, "mask": mask, "strength": strength, "prompt": prompt})
        assert picture.shape == (SIZE, SIZE, 3) and mask.shape == (SIZE, SIZE)
        assert all(hint.shape == picture.shape for hint, _ in hints.values())
        for i in range(2 if observe else 0):
            observe(i + 1, 2)
        noise = np.random.default_rng(seed).integers(0, 256, picture.shape)
        mixed = picture + 0.3 * mask[..., None] * (noise - picture.astype(float))
        return np.rint(mixed).astype(np.uint8)


@pytest.fixture
def here(monkeypatch, call):
    """Run the command in this process, with the scribbler in the painter's place."""
    monkeypatch.setattr(portrait.painter, "Painter", Scribbler)

    return lambda *words, code=0: "".join(call(main, "reconstruct", *words, code=code))


@pytest.fixture
def two(photographs, tmp_path):
    """A folder with the two photographs."""
    for name in ("astronaut", "hopper"):
        write_image(photographs[name], tmp_path / f"{name}.png")
    return tmp_path


def scene_of(photo_faces, settings=None):
    template, face = photo_faces["astronaut"]
    return template, stages.crop(template, face, [], *photo_faces["hopper"], settings or Settings())


def test_the_crop_shows_the_face_where_the_model_expects_it(photo_faces):
    settings = Settings(crop=2.5, below=0.1)
    _, scene = scene_of(photo_faces, settings)
    side = len(scene.view)
    assert masks.face_width(scene.face) / side == pytest.approx(1 / 2.5, rel=0.02)
    middle = scene.face.mesh.mean(0) / side
    assert middle == pytest.approx((0.5, 0.6), abs=0.01)
    found = detect(scene.view)
    assert len(found) == 1
    assert np.abs(found[0].points5 - scene.face.points5).max() < 0.03 * side


@pytest.mark.parametrize("angle", [35, 90, 180])
def test_a_leaning_head_is_worked_on_upright_and_put_back(photographs, photo_faces, angle):
    turned = np.asarray(Image.fromarray(photographs["astronaut"]).rotate(angle, expand=True))
    face = max(detect(turned), key=lambda f: f.box[2])
    scene = stages.crop(turned, face, [], *photo_faces["hopper"], Settings())
    assert abs(scene.face.roll) < 3
    result = session.Portrait(scene, {stages.STAGES[-1]: 255 - scene.view})
    painted = session.put_back(turned, result)
    changed = (painted != turned).any(-1)
    rows, columns = np.nonzero(changed)
    middle = np.array([columns.mean(), rows.mean()])
    assert np.abs(middle - face.mesh.mean(0)).max() < 0.3 * face.box[2]


def test_every_setting_is_of_some_stage():
    """So that stages which are kept are never taken for such of other settings."""
    named = {name for names in stages.USES.values() for name in names}
    assert named == set(Settings().to_dict()) and set(stages.USES) < set(stages.STAGES)


def test_every_stage_keeps_what_its_mask_leaves_out(photo_faces):
    template, scene = scene_of(photo_faces)
    face, pair = photo_faces["astronaut"][1], photo_faces["hopper"]
    painter = Scribbler()
    settings = Settings(retouch=0.5, prompt="an old woman")
    made = session.reconstruct(template, (face, "f", *pair), [], settings, painter)
    assert tuple(made.pictures) == stages.STAGES
    outside = scene.mask == 0
    assert 0.2 < outside.mean() < 0.9
    for stage, picture in made.pictures.items():
        assert picture.dtype == np.uint8 and picture.shape == scene.view.shape
        np.testing.assert_array_equal(picture[outside], scene.view[outside], err_msg=stage)
    for before, after in zip(stages.STAGES, stages.STAGES[1:], strict=False):
        assert (made.pictures[before] != made.pictures[after]).any(), after
    first, second = painter.asked
    assert {k: s for k, (_, s) in first["hints"].items()} == {
        "canny": 0.5,
        "points": 0.5,
        "colour": 0.85,
    }
    assert {k: s for k, (_, s) in second["hints"].items()} == {"canny": 1, "tile": 1}
    assert (first["strength"], second["strength"]) == (0.45, 0.3)
    assert first["prompt"] == "an old woman" and second["prompt"] == ""
    # The middle of the face is the reconstruction's, not the border's.
    assert first["mask"][36, 32] > 0.99 and second["mask"][36, 32] == 0


def test_the_last_stage_restores_and_takes_blemishes_off_inside_the_mask(photo_faces, monkeypatch):
    template, scene = scene_of(photo_faces)
    asked = []

    def restored(picture, scale):
        asked.append(("restore", scale))
        return np.zeros((2 * len(picture), 2 * len(picture), 3), np.uint8)

    def spotless(picture, face, skin, strength):
        asked.append(("blemishes", strength))
        return np.where(skin[..., None] > 0.5, np.uint8(255), picture)

    monkeypatch.setattr(stages.restore, "restore", restored)
    monkeypatch.setattr(stages, "default_retoucher", lambda: spotless)
    picture = np.full_like(scene.view, 100)
    whole = stages.retouched(scene, picture, Settings(restore=0.5, blemishes=0.3))
    assert asked == [("restore", 2), ("blemishes", 0.3)]
    np.testing.assert_array_equal(whole[scene.mask == 0], 100)
    assert (whole[scene.mask > 0.99] == 50).any() and (whole == 255).any()
    asked.clear()
    np.testing.assert_array_equal(stages.retouched(scene, picture, Settings()), picture)
    assert not asked


def test_missing_weights_of_the_last_stage_are_said_before_painting(two, monkeypatch):
    def missing():
        raise ValueError("The restorer's weights are missing")

    monkeypatch.setattr(session, "default_restorer", missing)
    work = session.Session(two / "astronaut.png", [two / "hopper.png"])
    painter = Scribbler()
    with pytest.raises(ValueError, match="weights are missing"):
        work.paint([painter], Settings(restore=0.5))
    assert not painter.asked


def test_a_grey_photo_stays_grey(photo_faces):
    template, face = photo_faces["astronaut"]
    grey = np.asarray(Image.fromarray(template).convert("L").convert("RGB"))
    made = session.reconstruct(
        grey, (face, "f", *photo_faces["hopper"]), [], Settings(), Scribbler()
    )
    result = session.put_back(grey, made)
    assert (result != grey).any() and np.ptp(result, axis=-1).max() == 0


def test_detail_beyond_the_models_size_stays(photo_faces):
    _, scene = scene_of(photo_faces)
    small = stages.resize(scene.view, SIZE)
    darker = np.uint8(np.clip(small.astype(int) - 30, 0, 255))
    result = stages.detailed(scene.view, darker, np.ones(scene.view.shape[:2], np.float32))
    light = [p.astype(float).mean(-1) for p in (scene.view, result)]
    fine = [p - stages.resize(stages.resize(np.uint8(p[..., None].repeat(3, 2)), SIZE),
            p.shape)[..., 0] for p in light]  # fmt: skip
    free = (scene.view > 40).all(-1) & (scene.view < 250).all(-1)  # nothing is clipped
    assert light[0][free].mean() - light[1][free].mean() == pytest.approx(30, abs=2)
    assert np.corrcoef(fine[0][free], fine[1][free])[0, 1] > 0.98
    unchanged = stages.detailed(scene.view, small, np.ones(scene.view.shape[:2], np.float32))
    np.testing.assert_array_equal(unchanged, scene.view)


def test_a_model_as_fine_as_the_crop_paints_every_detail():
    rng = np.random.default_rng(0)
    picture, painted = rng.integers(0, 256, (2, 80, 80, 3), np.uint8)
    mask = np.zeros((80, 80), np.float32)
    mask[20:50, 30:70] = 0.5
    result = stages.detailed(picture, painted, mask)
    np.testing.assert_array_equal(result, np.where(mask[..., None] > 0, painted, picture))


def test_what_is_painted_stays_on_its_side_of_an_edge():
    """The edge lies inside a pixel of the model: enlarged alone, half would be seen beyond it."""
    picture = np.full((256, 256, 3), 60, np.uint8)
    picture[:, :130] = 180
    small = stages.resize(picture, SIZE)
    weight = stages.resize(np.uint8((picture > 100) * 255), SIZE) / 255.0
    painted = np.uint8(np.rint(small + 40 * weight))
    result = stages.detailed(picture, painted, np.ones((256, 256), np.float32)).astype(int)
    change = (result - picture)[128].mean(-1)
    assert change[120:130].min() > 30 and np.abs(change[130:140]).max() < 6


def test_a_face_reshaped(photo_faces):
    """The outline moves as it is told, and what lies outside the mask does not."""
    from dataclasses import replace

    template, scene = scene_of(photo_faces)
    middle = scene.face.mesh.mean(0)
    mesh = (middle + (scene.face.mesh - middle) * (0.85, 1.05)).astype(np.float32)
    made = stages.reshaped(scene.view, scene.face.mesh, mesh, scene.mask)
    outside = scene.mask == 0
    np.testing.assert_array_equal(made[outside], scene.view[outside])
    found = max(detect(made), key=lambda face: face.box[2])
    unmoved = max(detect(scene.view), key=lambda face: face.box[2])
    width = masks.face_width(scene.face)
    far, before = (
        np.linalg.norm(face.mesh - mesh, axis=1)[list(OVAL)] / width for face in (found, unmoved)
    )
    assert np.median(far) < 0.03 < np.median(before)
    still = stages.reshaped(scene.view, scene.face.mesh, scene.face.mesh, scene.mask)
    assert np.abs(still.astype(int) - scene.view).max() <= 1
    nowhere = replace(scene.face, mesh=scene.face.mesh + 10_000).mesh
    np.testing.assert_array_equal(
        stages.reshaped(scene.view, scene.face.mesh, nowhere, scene.mask), scene.view
    )


def test_put_back_takes_the_crop_wherever_the_mask_is_not_faint(photo_faces):
    """The stages have blended by the mask: blended again, a border would be half the template's."""
    _, scene = scene_of(photo_faces, Settings(crop=4))
    assert (scene.matrix[:, :2] == np.eye(2)).all()  # as large in the crop as in the photo
    template = photo_faces["astronaut"][0]
    made = session.Portrait(scene, {stages.STAGES[-1]: 255 - scene.view})
    result = stages.warp(session.put_back(template, made), scene.matrix, len(scene.view))
    contrast = np.abs(255 - 2 * scene.view.astype(int)).min(-1) > 100
    for low, high, share in ((0.3, 0.9, 1), (0.1, 0.15, 0.5)):
        there = contrast & (scene.mask > low) & (scene.mask < high)
        assert there.sum() > 50
        moved = (result.astype(float) - scene.view) / (255 - 2 * scene.view.astype(float))
        assert np.median(moved[there]) == pytest.approx(share, abs=0.06)


def test_a_mask_ends_before_the_crop_does(photo_faces):
    _, scene = scene_of(photo_faces, Settings(crop=1.2, below=0.2))
    edge = np.concatenate([scene.mask[0], scene.mask[-1], scene.mask[:, 0], scene.mask[:, -1]])
    assert scene.mask.max() > 0.99 and edge.max() < 0.1


def test_the_command_its_page_its_stages_and_another_seed(here, two, photographs, photo_faces):
    words = ("--template", two / "astronaut.png", "--face", two / "hopper.png")
    kept = ("--steps-dir", two / "steps", "--report", two / "page.html")
    said = here(*words, *kept, "--out", two / "a.png")
    assert "identity" in said
    with Image.open(two / "a.png") as file:
        assert "painted by a diffusion model" in file.text["Comment"]
        assert json.loads(file.text["recipe"])["strength"] == 0.45
    first = read_image(two / "a.png")
    template, face = photo_faces["astronaut"]
    changed = (first != template).any(-1)
    inside = masks.inner(face, template.shape) + masks.ring(face, template.shape) > 0
    assert changed.any() and not (changed & ~_grown(inside)).any()
    page = (two / "page.html").read_text()
    assert page.count("data:image") >= 12 and "hopper.png" in page and "<script" not in page
    names = sorted(path.name for path in (two / "steps" / "face1").glob("*.png"))
    assert len(names) == 10 and names[0] == "1_crop.png"
    before = read_image(two / "steps" / "face1" / "4_reconstructed.png")
    again = (*words, "--steps-dir", two / "steps", "--since", "border", "--seed", 5)
    here(*again, "--out", two / "b.png")
    np.testing.assert_array_equal(
        read_image(two / "steps" / "face1" / "4_reconstructed.png"), before
    )
    assert (read_image(two / "b.png") != first).any()
    file = two / "steps" / "face1" / "steps.json"
    made = json.loads(file.read_text())["stages"]
    assert (made["reconstructed"]["seed"], made["border"]["seed"]) == (0, 5)
    other = ("--template", two / "hopper.png", "--face", two / "astronaut.png")
    said = here(*other, "--steps-dir", two / "steps", "--since", "border", code=2)
    assert "holds the stages of other photos" in said
    said = here(*again, "--strength", 0.6, code=2)
    assert "'reconstructed' made with strength 0.45, not 0.6: begin with --since recon" in said
    here(*again, "--border-strength", 0.5, "--out", two / "c.png")
    for damaged in ("[]", "{", '{"stages": {}}'):
        file.write_text(damaged)
        assert "does not hold the stages of an earlier time" in here(*again, code=2)


def test_a_folder_half_written_does_not_count_as_kept(photo_faces, tmp_path, monkeypatch):
    template, scene = scene_of(photo_faces)
    made = session.Portrait(scene, dict.fromkeys(stages.STAGES, scene.view))
    session.keep(tmp_path, made, 1, "key")

    def full(*_):
        raise OSError(28, "full")

    monkeypatch.setattr(session, "write_image", full)
    with pytest.raises(OSError, match="full"):
        session.keep(tmp_path, made, 1, "key")
    with pytest.raises(ValueError, match="does not hold"):
        session.kept(tmp_path, 1, "key", Settings(), "border")


def test_the_reference_is_the_person_of_a_folder_not_the_largest_face(here, two, photographs):
    """Three photos of one person; in the best of them somebody else stands nearer."""
    folder = two / "anna"
    image = Image.fromarray(photographs["hopper"])
    for i, side in enumerate((512, 420)):
        small = image.resize((side, side * image.height // image.width))
        write_image(np.asarray(small)[:, : side - 9 * i], folder / f"{i}.jpg")
    height = photographs["hopper"].shape[0]
    large = Image.fromarray(photographs["astronaut"][:200, 120:320]).resize((height, height))
    both = np.concatenate([photographs["hopper"], np.asarray(large)], axis=1)
    write_image(both, folder / "both.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    path, face, doubts = session.best_of(folder, "encoder")
    side = read_image(path).shape[1]
    assert face.box[0] + face.box[2] / 2 < min(side, photographs["hopper"].shape[1])
    said = here("--template", two / "astronaut.png", "--faces", folder, "--out", two / "o.png",
                "--identity", "encoder")  # fmt: skip
    assert "the best of" in said and "identity" in said
    said = here("--template", two / "astronaut.png", "--face", folder / "both.png", "--out",
                two / "o.png")  # fmt: skip
    assert "both.png shows 2 faces: the largest is the reference" in said


def _grown(mask):
    import cv2

    return cv2.dilate(mask.astype(np.uint8), np.ones((5, 5))) > 0


def test_of_several_faces_those_that_are_skipped_stay(here, two, photographs, tmp_path):
    a, b = photographs["astronaut"], photographs["hopper"]
    height = min(len(a), len(b))
    pair = np.concatenate([a[:height], b[:height]], axis=1)
    write_image(pair, tmp_path / "pair.png")
    here("--template", tmp_path / "pair.png", "--face", "skip", "--face", two / "astronaut.png",
         "--out", tmp_path / "o.png")  # fmt: skip
    changed = (read_image(tmp_path / "o.png") != pair).any((0, 2))
    assert not changed[: a.shape[1]].any() and changed[a.shape[1] :].any()
    said = here("--template", tmp_path / "pair.png", "--face", two / "hopper.png",
                "--out", tmp_path / "o.png")  # fmt: skip
    assert "shows 2 faces: the largest is painted" in said


def test_the_file_keeps_its_pixels_and_its_profile(photographs, tmp_path):
    other = _other_profile()
    path = tmp_path / "own.png"
    Image.fromarray(photographs["hopper"]).save(path, icc_profile=other)
    template = Template(path)
    assert np.abs(template.image.astype(int) - photographs["hopper"]).mean() > 10
    painted = template.image.copy()
    painted[100:150, 100:150] = (130, 120, 110)
    template.write(painted, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as result:
        assert result.info["icc_profile"] == other
        found = np.asarray(result)
    same = (painted == template.image).all(-1)
    np.testing.assert_array_equal(found[same], photographs["hopper"][same])
    # Read again, the painted part has the colours that were meant.
    again = read_image(tmp_path / "out.png")
    assert np.abs(again[100:150, 100:150].astype(int) - painted[100:150, 100:150]).mean() < 4


@pytest.mark.parametrize("kind", ["LAB", "damaged"])
def test_a_profile_that_cannot_be_used_is_no_reason_to_fail(kind, photographs, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    path = tmp_path / "own.png"
    Image.fromarray(photographs["hopper"]).save(
        path, icc_profile=profile if kind == "LAB" else profile[:60]
    )
    template = Template(path)
    painted = template.image.copy()
    painted[100:150, 100:150] = (130, 120, 110)
    template.write(painted, tmp_path / "out.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), painted)


def test_an_opaque_fourth_channel_costs_nothing(photographs, tmp_path):
    path, profile = tmp_path / "own.png", _other_profile()
    Image.fromarray(photographs["hopper"]).convert("RGBA").save(path, icc_profile=profile)
    template = Template(path)
    template.write(template.image, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as result:
        np.testing.assert_array_equal(np.asarray(result), photographs["hopper"])
        assert result.info["icc_profile"] == profile


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_other_files_say_too_that_they_are_painted(suffix, photographs, tmp_path):
    write_image(photographs["hopper"], tmp_path / "own.png")
    template = Template(tmp_path / "own.png")
    template.write(template.image, tmp_path / f"out{suffix}")
    with Image.open(tmp_path / f"out{suffix}") as result:
        assert "painted by a diffusion model" in result.getexif()[0x010E]


def _other_profile():
    """A profile of other colours than sRGB: red and green have changed places."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"____").replace(b"gXYZ", b"rXYZ")
    return swapped.replace(b"____", b"gXYZ")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--template", "plain.png", "--face", "hopper.png"), "plain.png: no face found"),
        (("--template", "hopper.png", "--face", "plain.png"), "plain.png: no face found"),
        (("--template", "none.png", "--face", "hopper.png"), "none.png: no such file"),
        (("--template", "hopper.png"), "there is nothing to paint"),
        (("--template", "hopper.png", "--face", "skip"), "there is nothing to paint"),
        (("--template", "hopper.png", "--face", "hopper.png", "--face", "skip"), "shows 1 face"),
        (("--template", "hopper.png", "--face", "astronaut.png", "--strength", "2"), "strength"),
        (("--template", "hopper.png", "--face", "astronaut.png", "--since", "x"), "--since is one"),
        (("--template", "hopper.png", "--face", "astronaut.png", "--since", "border"), "earlier"),
        (("--template", "hopper.png", "--face", "astronaut.png", "--prompt", "zebra"), "zebra"),
        (("--template", "hopper.png", "--face", "astronaut.png", "--report", "a.pdf"), ".html"),
        (("--template", "hopper.png", "--face", "astronaut.png", "--out", "hopper.png"), "another"),
        (
            ("--template", "plain.png", "--faces", ".", "--out", "hopper.png"),
            "is one of the photos",
        ),
        (("--template", "hopper.png", "--faces", "nowhere"), "nowhere: no such"),
        (("--template", "hopper.png", "--faces", "empty"), "no face found in any photo"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(here, two, monkeypatch, words, sentence):
    monkeypatch.chdir(two)
    for path in ("plain.png", "empty/a.png"):
        write_image(np.full((200, 200, 3), 90, np.uint8), two / path)
    before = (two / "hopper.png").read_bytes()
    said = here(*words, code=2)
    assert said.count("Error:") == 1 and sentence in said and "Traceback" not in said
    assert not (two / "portrait.png").exists()
    assert (two / "hopper.png").read_bytes() == before


def test_a_face_of_thirty_pixels_gives_a_result(here, two, photographs, photo_faces, tmp_path):
    width = masks.face_width(photo_faces["astronaut"][1])
    small = Image.fromarray(photographs["astronaut"]).resize(
        (int(512 * 30 / width),) * 2, Image.Resampling.LANCZOS
    )
    small.save(tmp_path / "small.png")
    said = here("--template", tmp_path / "small.png", "--face", two / "hopper.png",
                "--out", tmp_path / "o.png")  # fmt: skip
    assert "painted larger and made small again" in said
    changed = (read_image(tmp_path / "o.png") != np.asarray(small)).any(-1)
    rows, columns = np.nonzero(changed)
    middle = photo_faces["astronaut"][1].mesh.mean(0) * 30 / width
    assert changed.sum() > 15 * 15
    assert np.abs(np.array([columns.mean(), rows.mean()]) - middle).max() < 6
    assert np.ptp(rows) < 50 and np.ptp(columns) < 50
