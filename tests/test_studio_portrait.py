"""The studio's tabs for photographs of people: portraits, folders of photos, people learned."""

import json
import shutil
import sys
import zipfile
from dataclasses import replace
from time import monotonic, sleep
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT

from common.files import folder_lock
from common.images import read_image, write_image
from common.sheets import read_recipe
from portrait import learning, stages
from portrait.settings import HELP, Settings
from portrait.stages import STAGES
from portrait.web import people, portraying, sending, sorting
from portrait.web.jobs import Job
from portrait.web.people import People, PersonForm
from portrait.web.portraying import STAY, PortraitForm
from portrait.web.sorting import FacesForm
from portrait.web.studio import Studio

QUICK = {"steps": 4, "border_steps": 4}  # settings of a portrait that is painted in a test


@pytest.fixture(scope="module")
def pipeline(conditional):
    from ddpm.pipeline import Pipeline

    return Pipeline.load(conditional, precision="float32")


@pytest.fixture(scope="module")
def studio(pipeline, tmp_path_factory):
    """One for all, whose painter is compiled once."""
    folder = tmp_path_factory.mktemp("studio")
    return Studio(pipeline, folder, folder / "people")


@pytest.fixture(scope="module")
def photos(photographs, tmp_path_factory):
    """{name: path} of two photographs, of both side by side, and of nobody."""
    folder, found = tmp_path_factory.mktemp("photos"), {}
    one, other = photographs["astronaut"][:300, 60:400], photographs["hopper"][:300, 80:420]
    pictures = dict(photographs, both=np.hstack([one, other]), nobody=np.zeros((90, 90, 3), "u1"))
    for name, image in pictures.items():
        found[name] = str(folder / f"{name}.png")
        write_image(image, found[name])
    return found


@pytest.fixture
def form(photos):
    settings = Settings(**QUICK).to_dict()
    picks = ("photo 1: hopper.png", *[STAY] * 4)
    return PortraitForm(photos["astronaut"], (photos["hopper"],), picks, settings)


def last_of(steps):
    """The last of what a job yields, which has no problem to tell."""
    *_, (view, shown) = steps
    assert not view.problem, view.problem
    return view, shown


# --- Portrait


def test_faces_are_framed_and_told_of_before_anything_runs(photos, studio, monkeypatch):
    monkeypatch.setattr(studio, "painter", None)
    seen = portraying.look(photos["both"])
    assert len(seen.widths) == 2 and (seen.picture != 0).any()
    assert [text[:7] for text in seen.sentences] == ["Face 1:", "Face 2:"]
    assert "px wide" in seen.sentences[0]
    nobody = portraying.look(photos["nobody"])
    assert nobody.sentences == ("No face found; name a photo that shows one clearly.",)
    given = portraying.choices([photos["hopper"]])
    assert given == [STAY, "photo 1: hopper.png"]
    both = PortraitForm(photos["both"], (photos["hopper"],), (STAY, given[1]))
    assert portraying.check(studio, both) == ([], "")


def test_a_file_that_is_no_picture_is_called_by_its_name(tmp_path):
    (tmp_path / "note.png").write_text("no picture")
    seen = portraying.look(str(tmp_path / "note.png"))
    assert seen.picture is None and seen.sentences == ("note.png: not a picture.",)


def test_files_of_any_type_are_refused_by_a_sentence(studio, tmp_path):
    names = {"note.txt": "not a picture", "a.pdf": "not a picture", "empty.jpg": "an empty file"}
    for name, why in names.items():
        (tmp_path / name).write_bytes(b"" if name == "empty.jpg" else b"%PDF-1.4 of a kind")
        assert portraying.look(str(tmp_path / name)).sentences == (f"{name}: {why}.",)
    files = tuple(str(tmp_path / name) for name in names)
    *_, (view, table) = people.survey(studio, PersonForm(files), {}, Job())
    assert view.problem.startswith("all 3 photos are damaged; name photos that open in an image")
    assert table.count("does not count") == 3
    *_, (view, _, _) = sorting.sort(studio, FacesForm(files, ("align",)), Job())
    assert view.problem == "none of the 3 photos shows a face."
    *_, (view, table, _) = sorting.sort(studio, FacesForm(files, ("score",)), Job())
    assert view.notes == ("3 photos without a face.",) and table.count("not a picture") == 2


def test_a_single_photo_goes_to_the_largest_face_and_several_from_the_left():
    assert portraying.matched((50, 90, 60), ["a"]) == [STAY, "a", STAY]
    assert portraying.matched((50, 90, 60), ["a", "b"]) == ["a", "b", STAY]
    assert portraying.matched((50, 90), ["a", "b", "c"]) == ["a", "b"]
    assert portraying.matched((), ["a"]) == []


def test_every_number_of_the_settings_has_a_slider_and_a_sentence():
    shown = [name for names in portraying.sliders().values() for name in names]
    assert len(shown) == len(set(shown))
    assert {*shown, "prompt", "negative", "seed"} == set(Settings().to_dict()) == set(HELP)
    assert list(portraying.sliders()) == [s for s in STAGES if s in stages.USES]


def test_stages_appear_one_by_one_with_their_masks(studio, form, photos):
    desk, seen = {}, []
    for view, shown in portraying.paint(studio, form, desk, Job()):
        assert not view.problem
        if shown is not None and shown.faces:
            seen.append([title for title, _, _ in shown.faces[0]])
    assert [len(titles) for titles in seen] == [1, 2, 3, 4, 5, 6, 7, 8, 8]
    masks = [mask for _, _, mask in shown.faces[0] if mask is not None]
    assert len(masks) == len(stages.USES) - 5 == 2
    result, template = read_image(shown.file), read_image(photos["astronaut"])
    assert result.shape == template.shape and 0.02 < (result != template).any(-1).mean() < 0.5
    recipe = read_recipe(shown.file)
    assert recipe["faces"] == ["hopper.png"]
    sent = sending.read(recipe, 32)
    assert (sent.tab, sent.values) == ("portrait", form.settings)
    np.testing.assert_array_equal(read_image(shown.after), portraying.smaller(result))
    assert 40 < shown.middle < 47  # of the face, percent
    assert any("likeness" in note for note in view.notes) and not studio.model.locked()


def test_from_here_repeats_that_stage_and_what_follows(studio, form):
    desk = {}
    _, first = last_of(portraying.paint(studio, form, desk, Job()))
    before = {title: picture for title, picture, _ in first.faces[0]}
    softer = replace(form, settings=form.settings | {"retouch": 1.0, "seed": 3})
    steps = list(portraying.paint(studio, softer, desk, Job(), "coloured"))
    _, again = last_of(steps)
    after = {title: picture for title, picture, _ in again.faces[0]}
    same = [title for title in before if (before[title] == after[title]).all()]
    assert len(same) >= 4 and list(before)[-1] not in same
    assert len(before) == len(after) == 8
    # A setting of an earlier stage is not left behind.
    narrower = replace(softer, settings=softer.settings | {"inset": 0.2})
    view, last = last_of(portraying.paint(studio, narrower, desk, Job(), "border"))
    assert "Begun with 'fused', for a setting of that stage was changed, too." in view.notes
    assert (last.faces[0][2][1] != again.faces[0][2][1]).any()


def test_from_here_needs_the_same_photos(studio, form, photos):
    (view, _), *_ = portraying.paint(studio, form, {}, Job(), "border")
    assert view.problem == "the photos are other ones than those painted last; press Paint."


def test_several_faces_are_painted_from_left_to_right(studio, form, photos):
    picks = ("photo 2: astronaut.png", "photo 1: hopper.png")
    references = (photos["hopper"], photos["astronaut"])
    form = replace(form, template=photos["both"], references=references, picks=picks)
    view, shown = last_of(portraying.paint(studio, form, {}, Job()))
    assert [len(face) for face in shown.faces] == [8, 8]
    assert read_recipe(shown.file)["faces"] == ["astronaut.png", "hopper.png"]
    result, template = read_image(shown.file), read_image(photos["both"])
    changed = (result != template).any(-1)
    assert changed[:, :340].any() and changed[:, 340:].any()
    one = replace(form, picks=(STAY, picks[1]))
    _, shown = last_of(portraying.paint(studio, one, {}, Job()))
    changed = (read_image(shown.file) != template).any(-1)
    assert not changed[:, :300].any() and changed[:, 340:].any()


def test_a_portrait_is_stopped_between_its_steps(studio, form):
    job, desk, said = Job(), {}, []
    for view, _ in portraying.paint(studio, form, desk, job):
        said.append(view.status)
        if "reconstructed" in view.status:
            job.stop()
    assert said[-1].startswith("Stopped at reconstructed") and desk == {}
    assert not studio.model.locked()
    ((view, _),) = portraying.paint(studio, form, desk, job)
    assert view.status == "Stopped before it began."


def test_a_learned_person_and_a_photo_in_one_picture(studio, form, photos, monkeypatch):
    eva = SimpleNamespace(reference=photos["hopper"], saying=lambda prompt: f"eva, {prompt}")
    monkeypatch.setattr(studio.people, "known", {"eva": eva}.get)
    picks = ("person: eva", "photo 1: astronaut.png")
    form = replace(form, template=photos["both"], references=(photos["astronaut"],), picks=picks)
    session = portraying.session_of(studio, form)
    assert [pair[1] for pair in session.pairs] == [photos["hopper"], photos["astronaut"]]
    assert session.people == [eva, None]
    prompts = [session.settings_of(i, Settings(prompt="old")).prompt for i in range(2)]
    assert prompts == ["eva, old", "old"]


@pytest.mark.parametrize(
    "change, sentence",
    (
        ({"template": None}, "there is no photo to paint into; drop one as the template."),
        ({"picks": (STAY,)}, "no face of the template is to change; choose who it becomes."),
        ({"picks": (STAY,), "references": ()}, "there is nobody to paint; drop a photo of a face"),
        ({"picks": ("photo 7: /etc/passwd",)}, "there is no 'photo 7: /etc/passwd'; choose who"),
        ({"picks": ("person: ../../root",)}, "there is no person '../../root'."),
        ({"settings": {"strength": None}}, "strength must be a number. Received: None."),
        ({"settings": {"border_steps": 2.5}}, "border-steps must be a whole number. Received: 2.5"),
        ({"settings": {"crop": 99}}, "crop lies between 1.2 and 6. Received: 99."),
        ({"settings": {"steps": float("inf")}}, "steps must be a whole number. Received: inf."),
    ),
)
def test_what_cannot_be_painted_into_is_one_sentence(studio, form, change, sentence):
    ((view, shown),) = portraying.paint(studio, replace(form, **change), {}, Job())
    assert view.problem.startswith(sentence) and shown is None


def test_sentences_name_photos_without_their_folders(studio, form, photos):
    nobody = replace(form, template=photos["nobody"])
    assert portraying.check(studio, nobody) == ([], "nobody.png: no face found.")
    ((view, _),) = portraying.paint(studio, replace(nobody, picks=(STAY,)), {}, Job())
    assert view.problem == "nobody.png: no face found; drop another photo as the template."


# --- Faces


def in_zip(path):
    with zipfile.ZipFile(path) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


@pytest.fixture
def dropped(photos, tmp_path):
    """Four files of which two show a face, one nobody, and one is no picture."""
    (tmp_path / "damaged.jpg").write_bytes(b"\xff\xd8 no more")
    return (*(photos[name] for name in ("astronaut", "hopper", "nobody")),
            str(tmp_path / "damaged.jpg"))  # fmt: skip


def test_a_folder_of_photos_is_sorted_cut_and_reported(studio, dropped):
    steps = list(sorting.sort(studio, FacesForm(dropped, top=1, size=64), Job()))
    view, table, file = steps[-1]
    assert not view.problem and view.status == "4 photos done."
    assert any("Measured: 2 of 4 photos" in view.status for view, _, _ in steps)
    found = in_zip(file)
    assert {"heads/align.json", "scores.json", "report.html"} < set(found)
    heads = [name for name in found if name.endswith(".png") and name.startswith("heads")]
    assert heads == ["heads/astronaut.png", "heads/hopper.png"]
    assert len([name for name in found if name.startswith("best/01_")]) == 1
    assert str(studio.folder) not in " ".join(
        found[name].decode() for name in ("heads/align.json", "scores.json", "report.html")
    )
    assert table.count("<tr>") == 5 and "damaged.jpg" in table and "no face found" in table
    assert "2 photos without a face." in view.notes
    assert any(note.startswith("damaged.jpg: ") for note in view.notes)


def test_sorting_is_stopped_between_photos(studio, dropped):
    job, seen = Job(), []
    for step in sorting.sort(studio, FacesForm(dropped), job):
        seen.append(step)
        job.stop()
    assert seen[-1][0].status == "Stopped." and seen[-1][2] is None


@pytest.mark.parametrize(
    "change, sentence",
    (
        ({"files": ()}, "there are no photos; drop some first."),
        ({"files": ("a.png",) * 501}, "at most 500 photos are taken at once. Received: 501."),
        ({"works": ()}, "there is nothing to do; tick what is wanted."),
        ({"size": 3}, "size must be a whole number from 16 to 4096. Received: 3."),
        ({"top": float("nan")}, "top must be a whole number from 1 to 500. Received: nan."),
        ({"template": "x"}, "a template is one of arcface, portrait. Received: 'x'."),
    ),
)
def test_what_cannot_be_sorted_is_one_sentence(studio, change, sentence):
    form = replace(FacesForm(("nobody.png",)), **change)
    ((view, table, file),) = sorting.sort(studio, form, Job())
    assert view.problem.startswith(sentence) and file is None


def test_names_of_photos_are_made_safe(tmp_path):
    for name in ("a b.JPG", "a;b.jpg", "<img src=x>.png", "con.exe"):
        (tmp_path / name).write_bytes(b"x")
    paths = sorting.collect(map(str, tmp_path.iterdir()), tmp_path / "out")
    assert sorted(path.name for path in paths) == sorted(
        ["a_b.jpg", "a_b_2.jpg", "img_src_x.png", "con.png"]
    )
    assert sorting.safe_name("../..") == "photo" and len(sorting.safe_name("a" * 999)) == 60


# --- People

SLEEPER = (sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(600)")
FAILURE = (sys.executable, "-c", "import sys; print('Error: no room left.'); sys.exit(2)")


@pytest.fixture
def home(chosen, pipeline, tmp_path):
    """A studio of its own, with somebody whose photos are chosen."""
    shutil.copytree(chosen / "eva", tmp_path / "people" / "eva")
    studio = Studio(pipeline, tmp_path / "studio", tmp_path / "people")
    yield studio
    studio.people.close()


@pytest.fixture
def album(chosen):
    return tuple(map(str, sorted((chosen / "photos").glob("*.png"))))


def ended(people):
    people._process.wait(60)


def test_the_table_says_which_photos_count_and_why_not(home, album, photos):
    desk, form = {}, PersonForm((*album, photos["nobody"], photos["hopper"]))
    view, table = list(people.survey(home, form, desk, Job()))[-1]
    choice = desk[people.TAB]["choice"]
    assert view.status == f"{len(choice.used)} of 8 photos count." and not view.problem
    assert table.count("<tr>") == 9 and table.count("does not count") == 8 - len(choice.used) >= 2
    assert "someone else" in table and "no face found" in table and "reference" in table
    assert table.index("counts") < table.index("does not count")


def test_too_few_photos_are_told_with_what_to_do(home, photos):
    form = PersonForm((photos["hopper"], photos["nobody"]), "hopper")
    *_, (view, table) = people.survey(home, form, {}, Job())
    assert "it takes 5" in view.problem and "nobody.png" in table
    *_, (view, _) = people.learn(home, form, {}, Job())
    assert "it takes 5" in view.problem
    assert list(home.people.everybody()) == ["eva"] and not home.people.is_running()


def test_somebody_is_learned_beside_the_page_and_stopped(home, album, monkeypatch):
    monkeypatch.setattr(people, "COMMAND", SLEEPER)
    form, desk = PersonForm(album, "Anna Lena", "woman", 7), {}
    said = [view.status for view, _ in people.learn(home, form, desk, Job())]
    assert said[-1] == "The training of anna-lena has begun; the page may be closed."
    folder = home.people.find("anna-lena")
    assert len(list((folder / "photos").glob("*.png"))) == len(desk[people.TAB]["choice"].used)
    words = list(map(str, home.people._process.args))[len(SLEEPER) :]
    assert words == ["learn", "--out", str(folder), "--resume"]
    plan = learning.begun_with(folder)  # so that whoever goes on does as was meant
    assert (plan.path, plan.steps, plan.init_word) == (home.pipeline.model.path, 7, None)
    assert people.progress_of(home.people).status.startswith("anna-lena: drawing strangers")
    *_, (view, _) = people.learn(home, form, desk, Job())
    assert view.problem == "anna-lena is being learned; wait for it, or stop it."
    with pytest.raises(ValueError, match="is being learned; stop that first"):
        home.people.delete("anna-lena")
    assert home.people.stop()
    ended(home.people)
    assert not home.people.stop() and not people.progress_of(home.people).problem
    assert "anna-lena: learned in part" in people.list_shown(home.people)
    # The photos are there, so only the training begins again.
    assert people.resume(home.people, "anna-lena") == said[-1]
    assert home.people.is_running("anna-lena") and not home.people.is_running("eva")
    home.people.close()
    home.people.delete("anna-lena")
    assert list(home.people.everybody()) == ["eva"] and not folder.exists()


def test_one_photo_is_enough_where_there_is_a_hypernetwork(home, photos, monkeypatch):
    monkeypatch.setattr(people, "COMMAND", SLEEPER)
    form = PersonForm((photos["hopper"],), "Grace", "woman")
    ((view, _),) = people.learn_fast(home, form, {}, Job())
    assert view.problem.startswith("there is no hypernetwork yet; train one")
    monkeypatch.setattr("ddpm.bundle.find_hyper", lambda: None)
    *_, (view, _) = people.learn_fast(home, form, {}, Job())
    assert view.status == "The training of grace has begun; the page may be closed."
    words = list(map(str, home.people._process.args))[len(SLEEPER) :]
    assert words[:3] == ["learn", "--out", str(home.people.folder / "grace")]
    assert words[4:] == ["--fast", "--noun", "woman"] and "--resume" not in words
    (photo,) = people.Path(words[3]).iterdir()
    np.testing.assert_array_equal(read_image(photo), read_image(photos["hopper"]))
    assert people.progress_of(home.people).status == "grace: being learned from one photo."
    *_, (view, _) = people.learn_fast(home, form, {}, Job())
    assert view.problem == "grace is being learned; wait for it, or stop it."


def test_nothing_begins_that_was_stopped_before(home, album, monkeypatch):
    monkeypatch.setattr(people, "COMMAND", SLEEPER)
    job, said = Job(), []
    for view, _ in people.learn(home, PersonForm(album, "Rosa", "woman"), {}, job):
        said.append(view.status)
        if view.status.startswith("Preparing"):
            job.stop()
    assert said[-1] == "Stopped." and not home.people.is_running()


def test_a_second_click_on_stop_does_not_keep_it_from_saving(home, monkeypatch, tmp_path):
    """A training hears one signal, however often it is asked; another one would end it at once."""
    program = (
        "import signal, sys, time; n = []; signal.signal(signal.SIGTERM, lambda *_: n.append(1));"
        "print('begun', flush=True); time.sleep(3); time.sleep(1);"
        "print('Error: heard', len(n), flush=True); sys.exit(2)"
    )
    monkeypatch.setattr(people, "COMMAND", (sys.executable, "-c", program))
    home.people.start(home.people.find("eva"))
    while "begun" not in home.people.log.read_text():
        sleep(0.05)
    for _ in range(3):
        assert home.people.stop()
        sleep(0.2)
    ended(home.people)
    assert home.people.failure() == "heard 1"


def test_why_a_training_failed_is_told(home, monkeypatch):
    monkeypatch.setattr(people, "COMMAND", FAILURE)
    people.resume(home.people, "eva")
    ended(home.people)
    assert people.progress_of(home.people).problem == "no room left."
    crash = (sys.executable, "-c", "raise KeyError('of ours')")
    monkeypatch.setattr(people, "COMMAND", crash)
    people.resume(home.people, "eva")
    ended(home.people)
    said = people.progress_of(home.people).problem
    assert said == "the training ended by itself (code 1): KeyError: 'of ours'"


def test_other_photos_do_not_replace_a_person(home, album):
    *_, (view, _) = people.learn(home, PersonForm(album[:5], "eva", "woman"), {}, Job())
    assert view.problem.startswith(
        "eva is there already, chosen from other photos or as something else; choose "
    )


def test_progress_is_read_from_the_training_itself(home):
    training = home.people.find("eva") / "training"
    training.mkdir()
    (training / "plan.json").write_text('{"weights": "a", "steps": 40}')
    (training / "log.csv").write_text("epoch,step\n1,2\n2,4\n")
    assert people.said_of(training.parent) == "learned in part, step 4 of 40"
    (training / "log.csv").write_text("")
    assert people.said_of(training.parent) == "learned in part"


@pytest.mark.parametrize(
    ("learned", "said"),
    (
        ({}, ""),
        (
            {"before": 0.3, "merged": [0.7, 0.5]},
            ", likeness 0.60 (other people's 0.30; 1 is the most)",
        ),
        (
            {"before": None, "merged": [0.5, None]},
            ", likeness 0.25 (other people's 0.00; 1 is the most)",
        ),
        ({"before": 0.3, "merged": [0.3, 0.4]}, "hardly more than other people's: learn once"),
        (
            {
                "before": 0.3,
                "merged": [None],
                "instead": 8,
                "checkpoints": [{"step": 8, "likeness": [0.8, 0.6]}],
            },
            ", likeness 0.70",
        ),
        ({"before": 0.3, "merged": [None]}, "no face is found in the pictures: learn once more"),
    ),
)
def test_the_list_says_how_like_somebody_came_out(tmp_path, learned, said):
    (tmp_path / "person.json").write_text(
        json.dumps({"kind": "person", "learned": {"plan": {}, **learned}})
    )
    shown = people.said_of(tmp_path)
    assert shown.startswith("learned") and said in shown
    assert shown == "learned" or said


def test_who_is_learned_to_the_end_is_not_learned_on(home):
    folder = home.people.folder / "done"
    folder.mkdir()
    (folder / "person.json").write_text(json.dumps({"kind": "person", "learned": {"plan": {}}}))
    try:
        with pytest.raises(ValueError, match="delete done and learn once more with more steps"):
            people.resume(home.people, "done")
    finally:
        shutil.rmtree(folder)


def test_who_is_learned_by_another_program_is_neither_deleted_nor_replaced(home, album):
    from portrait import person

    folder = home.people.find("eva")
    with folder_lock(folder / "training"):
        with pytest.raises(ValueError, match="another process"):
            home.people.delete("eva")
        with pytest.raises(ValueError, match="another process"), person.whole(folder) as new:
            (new / "person.json").write_text("{}")
    assert person.read_record(folder)
    home.people.delete("eva")


def test_deleting_removes_the_files_and_spares_what_is_not_of_the_person(home):
    folder = home.people.find("eva")
    (folder / "diary.txt").write_text("mine")
    with pytest.raises(ValueError, match="eva would lose diary.txt"):
        home.people.delete("eva")
    (folder / "diary.txt").unlink()
    home.people.delete("eva")
    assert list(home.people.folder.iterdir()) == []


BAD_NAMES = [
    *("", " ", ".", "..", "../eva", "/etc", "a/b", "a\\b", "..\\eva", "C:\\eva", "a\0b", "~root"),
    *("con", "NUL", "aux", "COM1", "lpt9", "-rf", "--out", "eva.", ".eva", "a:b", "a|b", "a*", "1"),
    *("<b>", "%2e%2e", "eva/../..", "\u202eeva", "x" * 41, "a\nb/", "....//", "file:///etc"),
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_is_never_a_path(home, name):
    with pytest.raises(ValueError, match=r"\.$"):
        home.people.place_for(name)
    for ask in (home.people.find, home.people.delete, home.people.known):
        said = "there is no person" if name else "choose a person of the list first"
        with pytest.raises(ValueError, match=said):
            ask(name)
    assert list(home.people.everybody()) == ["eva"]


def test_a_link_in_the_folder_is_nobody(home, tmp_path):
    shutil.copytree(home.people.find("eva"), tmp_path / "elsewhere")
    (home.people.folder / "anna").symlink_to(tmp_path / "elsewhere")
    assert list(home.people.everybody()) == ["eva"]
    with pytest.raises(ValueError, match="anna is a link to another place"):
        home.people.place_for("Anna")
    with pytest.raises(ValueError, match="there is no person 'anna'"):
        home.people.delete("anna")
    assert (tmp_path / "elsewhere" / "person.json").exists()


def test_a_good_name_is_a_folder_of_its_word(home):
    for name, word in (("Anna Lena", "anna-lena"), ("Zoë", "zoë"), ("o'neil_2", "o-neil-2")):
        assert home.people.place_for(name) == home.people.folder / word


@pytest.mark.slow
def test_a_training_is_stopped_and_gone_on_with_after_the_server(home, album, monkeypatch):
    """In real processes: the first is stopped with its server, the second ends."""
    monkeypatch.setattr(people, "COMMAND", (sys.executable, "tests/micro.py",
                                            "portrait/__main__.py"))  # fmt: skip
    monkeypatch.chdir(ROOT)
    *_, (view, _) = people.learn(home, PersonForm(album, "mia", "woman", 24), {}, Job())
    assert not view.problem
    folder, end = home.people.find("mia"), monotonic() + 300
    while not (folder / "validation.png").exists() and monotonic() < end:
        assert home.people.is_running(), home.people.log.read_text()
        sleep(0.2)
    home.people.close()
    assert "learned in part, step" in people.said_of(folder)
    again = People(home.people.folder, home.people.log)
    assert again.last == "" and again.names() == []
    people.resume(again, "mia")
    again._process.wait(300)
    assert people.progress_of(again).status.startswith("mia: learned, ")
    assert again.names() == ["mia"]
    assert people.progress_of(again).preview.dtype == np.uint8
    assert portraying.choices((), again.names()) == [STAY, "person: mia"]
    assert again.known("mia").trigger == "mia"


# --- visits


@pytest.mark.slow
def test_a_visit_from_two_photos_to_a_portrait(served, visit, photos):
    page, foreign = visit
    page.set_default_timeout(90_000)
    page.goto(served)
    page.get_by_role("tab", name="Portrait").click()
    page.locator("#template input[type=file]").set_input_files(photos["both"])
    page.locator("#references input[type=file]").set_input_files(photos["hopper"])
    page.get_by_text("photo 1: One face:").wait_for()
    page.get_by_text("the template: Face 1:").wait_for()
    page.get_by_label("Face 2 of the template becomes").wait_for()
    page.get_by_role("button", name="Paint", exact=True).click()
    page.get_by_text("The portrait is ready.").wait_for()
    assert page.locator(".photos figure").count() == len(STAGES) + 2
    page.locator("button.label-wrap:visible", has_text="More").click()
    page.locator("button.label-wrap:visible", has_text="Retouched").click()
    page.locator("#from_retouched").click()
    page.get_by_text("retouched ...").or_(
        page.get_by_text("The portrait is ready.")
    ).first.wait_for()
    page.get_by_text("The portrait is ready.").wait_for()
    page.reload()
    page.get_by_role("tab", name="Portrait").click()
    page.get_by_text("the template: Face 1:").wait_for()
    assert page.locator(".photos figure").count() == len(STAGES) + 2
    with page.expect_download() as loading:
        page.get_by_role("link", name="Download at full").or_(
            page.get_by_role("button", name="Download at full")
        ).first.click()
    assert read_image(loading.value.path()).shape == read_image(photos["both"]).shape
    assert page.locator(".toast-body.error").count() == 0
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert foreign == []


@pytest.mark.slow
def test_a_visit_that_sorts_photos_and_deletes_a_person(served, visit, chosen, album, tmp_path):
    page, foreign = visit
    page.set_default_timeout(90_000)
    shutil.copytree(chosen / "eva", tmp_path / "people" / "eva")
    page.goto(served)
    page.get_by_role("tab", name="Faces").click()
    page.locator("#photographs input[type=file]").set_input_files(list(album[:2]))
    page.get_by_role("button", name="Sort", exact=True).click()
    page.get_by_text("2 photos done.").wait_for()
    assert page.locator(".rows tr:visible").count() == 3
    assert page.locator(".toast-body.error").count() == 0
    page.get_by_role("tab", name="People").click()
    page.get_by_text("eva: photos chosen, not learned yet").wait_for()
    page.locator("#person_photos input[type=file]").set_input_files(list(album))
    page.get_by_text("of 6 photos count.").wait_for()
    rows = page.locator(".rows tr:visible").filter(has=page.locator("img"))
    counting = rows.filter(has=page.get_by_role("cell", name="counts", exact=True))
    said = page.get_by_text("of 6 photos count.").inner_text()
    assert rows.count() == 6 and said == f"{counting.count()} of 6 photos count."
    assert "reference" in counting.first.inner_text()
    page.get_by_label("Name", exact=True).fill("../eva")
    page.get_by_role("button", name="Learn", exact=True).click()
    page.get_by_role("alert").filter(has_text="a name has letters, digits, spaces").wait_for()
    page.get_by_role("button", name="Delete ...").click()
    page.get_by_role("button", name="Keep").click()
    page.get_by_role("button", name="Delete ...").click()
    assert (tmp_path / "people" / "eva").exists()
    page.get_by_role("button", name="Delete all files").click()
    page.get_by_text("eva is deleted.").wait_for()
    page.get_by_text("Nobody is learned yet.").wait_for()
    assert not (tmp_path / "people" / "eva").exists() and foreign == []
