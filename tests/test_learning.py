"""The training half of a person: plans, checkpoints and their shares, kills, and what is drawn."""

import json
import shutil
import signal
import time

import numpy as np
import pytest
from conftest import SQUARES, eager_training, finish, invoke, names, start
from PIL import Image

import portrait.painter
from common.images import read_image, write_image
from ddpm.adapters import load_adapter, merge_checkpoints
from portrait import fast, known, learning, person, photos, strangers, validation
from portrait.__main__ import main

STEPS = 3
make_strangers = strangers.make  # a fixture has another in its place


@pytest.fixture(scope="module")
def rendered_strangers(made_once):
    """Four strangers for small models, two of them cut out besides."""

    def make(folder):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(strangers, "N", 4)
            patch.setattr(strangers, "CUT_OUT", 2)
            make_strangers(folder, 32, workers=2)

    return made_once("strangers", make)


@pytest.fixture(scope="module")
def quick(rendered_strangers):
    """Few strangers, and pictures judged by their brightness: a small model draws no faces."""

    def copied(folder, size, workers=None):
        shutil.copytree(rendered_strangers, folder, dirs_exist_ok=True)

    def likeness(self, pictures):
        return [round(float(picture.mean()) / 255, 4) for picture in pictures]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strangers, "make", copied)
        patch.setattr(strangers, "TEMPLATES", 2)
        patch.setattr(validation, "BEST", 3)
        patch.setattr(validation.Watcher, "likeness", likeness)
        yield


@pytest.fixture
def eva(chosen, tmp_path):
    """Her folder, chosen and not yet learned."""
    return shutil.copytree(chosen / "eva", tmp_path / "people" / "eva")


@pytest.fixture
def learn(chosen, conditional, call):
    """Run the command over the small model with words."""

    def run(out, *words, code=0, photos=chosen / "photos"):
        words = ("--out", out, "--weights", conditional, *words)
        if photos is not None:
            words = (photos, "--noun", "woman", "--identity", "encoder", *words)
        with eager_training():
            said, complaints = call(main, "learn", *words, code=code)
        return said if code == 0 else complaints.splitlines()[-1]

    return run


@pytest.fixture(scope="module")
def learned_once(chosen, conditional, quick, made_once):
    """Eva's folder in the end."""

    def make(folder):
        shutil.copytree(chosen / "eva", folder / "eva")
        words = ("--out", folder / "eva", "--weights", conditional, "--steps", STEPS)
        with eager_training():
            invoke(main, "learn", chosen / "photos", "--noun", "woman", "--identity", "encoder",
                   *words)  # fmt: skip

    return made_once("learned", make)


@pytest.fixture
def learned(learned_once, tmp_path):
    return shutil.copytree(learned_once / "eva", tmp_path / "people" / "eva")


def adapter_of(folder):
    return (folder / person.ADAPTER).read_bytes()


def test_shares_are_those_of_the_best_pictures(monkeypatch):
    monkeypatch.setattr(validation, "BEST", 4)
    scores = [[0.1, 0.5, None], [0.6, 0.2, 0.7], [0.65, None, 0.3]]
    assert validation.shares(scores) == [0.25, 0.5, 0.25]
    assert validation.shares([[0.5], [0.5], [None]]) == [0.5, 0.5, 0.0]  # fewer than that
    assert validation.shares([[None], [None]]) == [0.0, 1.0]
    assert sum(validation.shares([[0.1 * i] for i in range(9)])) == pytest.approx(1)


def test_checkpoints_are_merged_by_what_they_add(learned):
    file = load_adapter(learned / person.ADAPTER)
    factors, words, lost = merge_checkpoints([file, file], [0.75, 0.25])
    for name, (down, up, alpha) in file.factors.items():
        a, b, scale = factors[name]
        whole = alpha / up.shape[0] * np.tensordot(down, up, 1)
        np.testing.assert_allclose(scale / b.shape[0] * np.tensordot(a, b, 1), whole, atol=1e-5)
    np.testing.assert_allclose(words["eva"], file.words["eva"], rtol=1e-6)
    assert max(lost.values()) < 1e-6
    other = load_adapter(learned / person.ADAPTER)
    other.words["eva"] = 3 * file.words["eva"]
    _, words, _ = merge_checkpoints([file, other], [0.5, 0.5])
    np.testing.assert_allclose(words["eva"], 2 * file.words["eva"], rtol=1e-6)
    other.words["bob"] = other.words.pop("eva")
    with pytest.raises(ValueError, match="not checkpoints of one training"):
        merge_checkpoints([file, other], [0.5, 0.5])


def test_the_best_checkpoint_stays_where_merging_loses_likeness(learned, learn, monkeypatch):
    scores = iter(([0.1, 0.1], [0.3, 0.3], [0.2, 0.2], [0.25, 0.25]))  # the last are the merged's
    before = [0.0, 0.0]

    def likeness(self, pictures):
        return before if np.array_equal(pictures, self.templates) else next(scores)

    monkeypatch.setattr(validation.Watcher, "likeness", likeness)
    kept, copy = [], validation.copy_file

    def kept_and_copied(source, target):
        kept.append(source.read_bytes())
        copy(source, target)

    monkeypatch.setattr(validation, "copy_file", kept_and_copied)
    said = learn(learned, "--steps", STEPS, "--seed", 6, "--overwrite")
    assert "step 2 kept: likeness 0.30" in said
    record = json.loads((learned / "person.json").read_text())["learned"]
    assert record["instead"] == 2 and record["merged"] == [0.25, 0.25]
    assert adapter_of(learned) == kept[1] == kept[-1]  # of steps 1, 2, 3, and what replaced them
    assert "step 2 alone" in (learned / "index.html").read_text()


def test_a_tie_goes_to_the_merged_adapter():
    found = [{"step": 1, "mean": 0.4}, {"step": 2, "mean": None}, {"step": 3, "mean": 0.4}]
    assert validation.better_alone(found, 0.4) is None
    assert validation.better_alone(found, 0.39) == 3
    assert validation.better_alone(found, None) == 3
    assert validation.better_alone([{"step": 1, "mean": None}], None) is None


def test_a_person_is_learned_to_the_end(learned, learn, monkeypatch):
    squares = [f"photos/{i:02d}.{end}" for i in range(1, SQUARES + 1) for end in ("png", "txt")]
    files = ("adapter.safetensors", "face.png", "index.html", "person.json", "photos")
    assert names(learned) == sorted([*files, *squares, "reference.png", "validation.png"])
    record = json.loads((learned / "person.json").read_text())["learned"]
    found = record["checkpoints"]
    assert [one["step"] for one in found] == [1, 2, 3] and len(record["merged"]) == 2
    assert sum(one["share"] for one in found) == pytest.approx(1)
    best = max(value for one in found for value in one["likeness"])
    assert record["kept"]["likeness"] == best
    file = load_adapter(learned / person.ADAPTER)
    assert list(file.words) == ["eva"] and file.about["trigger"] == "eva"
    shares = {one["step"]: one["share"] for one in found if one["share"]}
    if record["instead"] is None:
        assert {one["step"]: one["share"] for one in file.about["merged"]} == shares
    assert any(np.abs(up).max() > 0 for _, up, _ in file.factors.values())
    page = (learned / "index.html").read_text()
    assert (
        "Before they are painted over" in page
        and "<svg" in page
        and page.count("<table>") == 1
        and "3 of 3 steps" in page
    )
    assert "image/png;base64" in page and "<script" not in page
    with Image.open(learned / "validation.png") as sheet:
        assert json.loads(sheet.text["recipe"])["finished"]
    with Image.open(learned / "face.png") as face:
        assert "Generated" in face.text["Comment"]

    before = {path: path.stat().st_mtime_ns for path in learned.rglob("*") if path.is_file()}
    assert "is ready already: 6 squares of eva, learned in 3 steps" in learn(learned)
    assert "with other steps; name another --out" in learn(learned, "--steps", 4, code=2)
    assert "with other seed" in learn(learned, "--seed", 5, "--resume", code=2)
    after = {path: path.stat().st_mtime_ns for path in learned.rglob("*") if path.is_file()}
    assert {k: v for k, v in after.items() if not k.name.startswith(".")} == {
        k: v for k, v in before.items() if not k.name.startswith(".")
    }
    first = adapter_of(learned)
    said = learn(learned, "--steps", STEPS, "--seed", 5, "--overwrite")
    assert "learned in 3 steps" in said and adapter_of(learned) != first


def test_a_stop_is_gone_on_with_to_the_same_adapter(learned_once, eva, learn, monkeypatch):
    whole, again = adapter_of(learned_once / "eva"), eva
    look, seen = validation.Watcher.look, []

    def killed(self, trainer):
        seen.append(trainer.step)
        if len(seen) == 2:
            raise KeyboardInterrupt
        look(self, trainer)

    with monkeypatch.context() as patch:
        patch.setattr(validation.Watcher, "look", killed)
        learn(again, "--steps", STEPS, code=130)
    assert (again / "validation.png").exists() and not (again / person.ADAPTER).exists()
    with pytest.raises(ValueError, match="not learned to the end; go on with"):
        known.load_person(again)
    assert "is learned in part; add --resume" in learn(again, code=2)
    assert "was begun with other steps" in learn(again, "--steps", 9, "--resume", code=2)
    said = learn(again, "--resume", photos=None)
    assert "Resuming at step 1." in said and "learned in 3 steps" in said
    assert adapter_of(again) == whole and not (again / "training").exists()


def test_a_signal_says_how_to_go_on(eva, learn, quick, call, chosen, monkeypatch):
    monkeypatch.setattr(learning.tasks, "lora", lambda *_: False)
    words = ("learn", chosen / "photos", "--noun", "woman", "--identity", "encoder", "--out", eva)
    said, _ = call(main, *words, code=130)
    assert f"Go on with: python -m portrait learn --resume --out {eva}" in said
    assert learning.state(eva) == "begun"
    assert "ready already: 6 squares of eva." in call(main, *words, "--choose-only")[0]


@pytest.mark.parametrize("last", ["validation.png", "person.json"])
def test_a_stop_while_it_is_written_leaves_no_half_of_it(last, eva, learn, quick, monkeypatch):
    write = {"validation.png": "save_png", "person.json": "write_record"}[last]
    owner = validation if last == "validation.png" else person

    def stopped(*words):
        if (eva / person.ADAPTER).exists():
            raise KeyboardInterrupt
        return made(*words)

    made = getattr(owner, write)
    with monkeypatch.context() as patch:
        patch.setattr(owner, write, stopped)
        learn(eva, "--steps", 2, code=130)
    assert learning.state(eva) == "begun"
    assert "is finished" in learn(eva, "--resume")
    assert learning.state(eva) == "finished"


def test_the_last_step_is_a_checkpoint_and_there_are_few(tmp_path, eva):
    plan = learning.make_plan("eva", "woman", steps=20)
    options, every = learning._options(eva, plan, SQUARES)
    assert (options.epochs, every, options.batch_size) == (20, 3, 6)
    assert options.init_word == "woman" and options.trigger == "eva"
    (option,) = (one for one in main.commands["learn"].params if one.name == "steps")
    assert f"[default: {learning.STEPS}, and {fast.STEPS} --fast]" in option.help
    options, every = learning._options(eva, plan, 25)  # two steps an epoch
    assert (options.epochs, every, options.batch_size) == (10, 2, 10)


def test_templates_are_frontal_and_of_the_persons_sex():
    def stranger(sex, yaw, hat=""):
        worn = {"sex": sex, "hat": hat, "glasses": ""}
        return {"attributes": worn, "pose": [yaw, 0.0, 0.0]}

    all_ = [stranger("man", 1), stranger("woman", -20), stranger("woman", 9), stranger("man", 0)]
    assert strangers._frontal_first(all_, "old woman")[:2] == [2, 1]
    assert strangers._frontal_first(all_, "")[:2] == [3, 0]
    assert strangers._frontal_first([stranger("man", 0, "cap"), *all_], "man")[0] == 4


def test_strangers_are_shown_as_they_are_and_as_the_person_is(rendered_strangers):
    folder = rendered_strangers / strangers.CLASS
    captions = [path.read_text() for path in sorted(folder.glob("*.txt"))]
    assert len(captions) == len(list(folder.glob("*.png"))) == 6
    assert [photos.BACKGROUND in text for text in captions] == [False] * 4 + [True] * 2
    assert all(text.startswith(("a photo of a woman", "a photo of a man")) for text in captions[4:])
    for name in ("004.png", "005.png"):
        image = read_image(folder / name)
        assert (image == np.array(photos.TONE)).all(-1).mean() > 0.03
    before = {path: path.stat().st_mtime_ns for path in rendered_strangers.rglob("*.png")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strangers, "N", 4)
        make_strangers(rendered_strangers, 32)
    assert {path: path.stat().st_mtime_ns for path in rendered_strangers.rglob("*.png")} == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--weights", "nowhere"), "there is no file or folder nowhere"),
        (("--resume", "--overwrite"), "leave the other option away"),
        (("--steps", "-1"), "-1 is not in the range"),
        (("--steps", "0"), "--steps 0 are for learning from one photo; add --fast"),
    ],
)
def test_bad_input_is_one_sentence(call, chosen, tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    complaints = call(main, "learn", chosen / "photos", "--out", "eva", *words, code=2)[1]
    assert sentence in complaints and names(tmp_path) == []
    assert "name the folder of photos" in call(main, "learn", "--out", "eva", code=2)[1]
    assert "no person to go on" in call(main, "learn", "--resume", "--out", "eva", code=2)[1]


def test_models_and_words_that_cannot_be_used(learn, trained, chosen, call, tmp_path):
    words = ("learn", chosen / "photos", "--weights", trained, "--identity", "encoder")
    said = call(main, *words, "--out", tmp_path / "eva", code=2)[1]
    assert "was trained without words, and a person is called by one" in said
    assert "knows the word 'red' already" in learn(tmp_path / "red", code=2)
    assert names(tmp_path) == []


def test_a_person_is_drawn_from_words(learned, call, tmp_path):
    out = tmp_path / "x.png"
    words = ("paint", "--person", learned, "--n", 2, "--steps", 2, "--out", out)
    _, complaints = call(main, *words, "--prompt", "Eva, a red disc")
    assert "does not say" not in complaints
    with Image.open(out) as sheet:
        recipe = json.loads(sheet.text["recipe"])
    assert recipe["prompts"] == ["Eva, a red disc"] and recipe["person"] == "eva"
    assert recipe["adapters"][0]["strength"] == 0.9
    first = read_image(out)
    _, complaints = call(main, *words, "--prompt", "a red disc", "--each", tmp_path / "each")
    assert "does not say eva: drawn as 'eva, a red disc'" in complaints
    assert len(list((tmp_path / "each").glob("*.png"))) == 2
    call(main, *words, "--prompt", "Eva, a red disc", "--strength", 0)
    assert not np.array_equal(read_image(out), first)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--person", "nobody"), "nobody holds no person; learn one with"),
        (("--person", "photos"), "photos holds no person"),
        (("--person", "eva"), "eva is not learned to the end"),
        (("--person", "eva", "--out", "x.jpg"), "should be a file that ends in .png"),
    ],
)
def test_nobody_is_drawn_who_is_not_learned(words, sentence, chosen, call, monkeypatch):
    monkeypatch.chdir(chosen)
    before = names(chosen)
    assert sentence in call(main, "paint", *words, code=2)[1]
    reconstruct = ("reconstruct", "--template", "photos/0.png", *words[:2])
    if "--out" not in words:
        assert sentence in call(main, *reconstruct, code=2)[1]
    assert names(chosen) == before


class Scribbler:
    """Paints nothing, and remembers what it was asked."""

    size, name, digest, control_digest = 64, "scribbles", "0", "1"
    made = []

    def __init__(self, weights=None, control_weights=None, addons=()):
        self.weights, self.addons, self.asked = weights, addons, []
        self.adapters = [addon.file.digest for addon in addons]
        self.made.append(self)

    def check(self, prompt, negative=""):
        return []

    def paint(self, picture, mask, hints, *settings, **more):
        self.asked.append((hints, settings))
        return picture


@pytest.fixture
def scribblers(monkeypatch):
    monkeypatch.setattr(portrait.painter, "Painter", Scribbler)
    monkeypatch.setattr(Scribbler, "made", [])
    return Scribbler.made


def test_a_learned_person_is_painted_into_a_photo(learned, photographs, scribblers, conditional,
                                                  call, tmp_path):  # fmt: skip
    write_image(photographs["astronaut"], tmp_path / "t.png")
    # A face that can be found, other than the reference, for the small model drew none.
    write_image(photographs["hopper"], learned / "face.png")
    steps = tmp_path / "steps"
    words = ("reconstruct", "--template", tmp_path / "t.png", "--person", learned)
    words += ("--identity", "encoder", "--out", tmp_path / "o.png", "--steps-dir", steps)
    call(main, *words, "--prompt", "smiling", "--adapter-strength", 0.5)
    (painter,) = scribblers
    (addon,) = painter.addons
    assert addon.strength == 0.5 and list(addon.words) == ["eva"]
    assert str(painter.weights) == str(conditional / "model.weights.h5")
    assert "eva, smiling" in painter.asked[0][1]
    with Image.open(tmp_path / "o.png") as image:
        recipe = json.loads(image.text["recipe"])
    assert recipe["people"] == ["eva"] and recipe["adapters_sha256"] == [addon.file.digest]
    replaced, points = read_image(steps / "face1" / "2_replaced.png"), painter.asked[0][0]["points"]
    call(main, *words, "--prompt", "smiling", "--adapter-strength", 0.5, "--since", "border")
    said = call(main, *words, "--prompt", "smiling", "--since", "border", code=2)[1]
    assert "made with adapter-strength 0.5, not 0.9" in said
    # The kept face is what is laid on, and its points are what the model is held to.
    shutil.copy(learned / "reference.png", learned / "face.png")
    call(main, *words, "--prompt", "smiling")
    assert not np.array_equal(read_image(steps / "face1" / "2_replaced.png"), replaced)
    assert not np.array_equal(scribblers[-1].asked[0][0]["points"][0], points[0])


def test_people_go_to_faces_from_left_to_right(learned, photographs, scribblers, call, tmp_path):
    a, b = photographs["astronaut"], photographs["hopper"]
    height = min(len(a), len(b))
    pair = np.concatenate([a[:height], b[:height]], axis=1)
    write_image(pair, tmp_path / "pair.png")
    words = ("reconstruct", "--template", tmp_path / "pair.png", "--identity", "encoder")
    words += ("--out", tmp_path / "o.png")
    call(main, *words, "--person", "skip", "--person", learned)
    changed = (read_image(tmp_path / "o.png") != pair).any((0, 2))
    assert not changed[: a.shape[1]].any() and changed[a.shape[1] :].any()
    call(main, *words, "--person", learned, "--person", learned)
    assert [len(one.addons) for one in scribblers] == [1, 1, 1]
    said = call(main, *words, "--person", learned, "--face", tmp_path / "pair.png", code=2)[1]
    assert "but not both" in said


@pytest.mark.slow
def test_a_kill_changes_nothing(chosen, conditional, tmp_path):
    def run(out, *words):
        words = ("--out", out, "--weights", conditional, "--identity", "encoder", *words)
        return start("portrait/__main__.py", "learn", *words)

    whole, killed = (shutil.copytree(chosen / "eva", tmp_path / n / "eva") for n in "ab")
    photos = (chosen / "photos", "--noun", "woman", "--steps", 16)
    finish(run(whole, *photos))
    process = run(killed, *photos)
    while not (killed / "training" / "checkpoints" / "000004.json").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert learning.state(killed) == "begun"
    assert "Resuming at step" in finish(run(killed, "--resume"))
    assert adapter_of(killed) == adapter_of(whole)
    assert names(killed) == names(whole)
    for name in ("validation.png", "face.png"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
