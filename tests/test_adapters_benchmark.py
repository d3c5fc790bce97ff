"""The measurement of adapters: its words, its sums, its judges and how checkpoints are merged."""

import subprocess
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.adapters_bench import Bench, Settings
from benchmarks.adapters_judge import Linear, style_features
from benchmarks.adapters_measured import Judges, balanced, diversity, likeness, obedience
from benchmarks.adapters_parts import (
    block_parts,
    mean_rows,
    merge_files,
    merging_summary,
    shares_of,
)
from benchmarks.adapters_people import (
    PROMPTS,
    Person,
    asked_labels,
    caption,
    looks_of,
    prompt,
    style_trigger,
)
from benchmarks.attributes import VALUES
from ddpm.adapters import load_adapter, save_adapter
from ddpm.bundle import find_bundle

VIEW = {
    "sex": "woman",
    "age": 25,
    "hat": "",
    "cut": "long wavy",
    "greying": 0.0,
    "hair": "auburn",
    "backdrop": "sweep",
    "light": "window light",
    "beard": "",
    "glasses": "",
    "expression": "laugh",
    "backdrop_colour": "light blue",
}


def test_a_caption_says_what_differs_between_views():
    record = {"attributes": VIEW, "pose": [-20.0, 0.0, 0.0]}
    text = "a photo of {}, a woman, smiling, facing left, before a blue background"
    assert caption(record) == text
    indoors = {**VIEW, "backdrop": "cafe", "expression": "surprised", "glasses": "round"}
    told = caption({"attributes": indoors, "pose": [3.0, 0.0, 0.0]})
    assert told == "a photo of {}, a woman, with glasses"


@pytest.mark.parametrize(
    "changes, words",
    (
        ({}, "a young woman with long red hair"),
        ({"cut": "bob"}, "a young woman with a red bob"),
        ({"greying": 0.5}, "a young woman with long hair"),
        ({"hat": "cap"}, "a young woman"),
        (
            {"sex": "man", "age": 80, "cut": "bald", "beard": "full beard"},
            "an elderly man with a bald head and a full beard",
        ),
    ),
)
def test_looks_in_words(changes, words):
    assert looks_of([{**VIEW, **changes}]) == words


def test_looks_are_of_the_first_view_that_shows_them():
    assert looks_of([{**VIEW, "hat": "cap"}, VIEW]) == "a young woman with long red hair"


def test_prompts_ask_for_what_their_labels_say():
    labels = asked_labels()
    for asked, row in zip(PROMPTS, labels, strict=True):
        text = prompt("anna", asked)
        found = {name: row[i] for i, name in enumerate(VALUES) if row[i] >= 0}
        assert asked["background"] == VALUES["background"][found.pop("background")]
        assert f"before a {asked['background']} background" in text
        assert VALUES["smile"][found.pop("smile")] in text
        assert ("glasses" in found) == ("with glasses" in text)
    assert np.bincount(labels[:, list(VALUES).index("smile")]).min() >= 8


def test_a_trigger_is_one_word():
    assert style_trigger("pixel art") == "pixel-art-style"


def test_likeness_is_the_mean_cosine_of_faces_that_were_found():
    drawn = np.array([[1.0, 0.0], [0.0, 1.0], [np.nan, np.nan]])
    held = np.array([[1.0, 0.0], [0.6, 0.8]])
    assert likeness(drawn, held) == pytest.approx((1 + 0.6 + 0 + 0.8) / 4)
    assert np.isnan(likeness(drawn[2:], held))


def test_equal_pictures_have_no_diversity():
    image = np.full((1, 64, 64, 3), 100, np.uint8)
    assert diversity(np.repeat(image, 3, 0)) == 0
    assert diversity(np.concatenate([image, image + 30])) == pytest.approx(30, abs=0.1)


def test_obedience_counts_what_was_asked():
    asked, said = -np.ones((2, 8), int), np.zeros((2, 8), int)
    smile, glasses = (list(VALUES).index(name) for name in ("smile", "glasses"))
    asked[:, smile], asked[0, glasses] = (0, 1), 1
    assert obedience(said, asked) == {"all": 1 / 3, "smile": 0.5, "glasses": 0.0}
    said[0, glasses] = 1
    assert obedience(said, asked)["all"] == pytest.approx(2 / 3)


def test_a_linear_judge_tells_what_a_line_can_tell(rng):
    answers = rng.integers(0, 3, 400) * (rng.random(400) < 0.5)  # 0 is the most frequent
    middles = rng.normal(0, 3, (3, 20))
    features = middles[answers] + rng.normal(0, 1, (400, 20))
    judge = Linear.fit(features[:300], answers[:300])
    assert balanced(judge(features[300:]), answers[300:]) > 0.95


def test_balanced_shares_do_not_depend_on_how_frequent_a_value_is():
    truth = np.array([0] * 90 + [1] * 10)
    assert balanced(np.zeros(100, int), truth) == 0.5


def test_a_style_is_told_from_photographs_alone(monkeypatch, tmp_path):
    """Whatever a third style scores: a soft pencil drawing resembles a watercolour, too."""
    scores = np.tile([0.2, 0.5, 0.3, 0.1, 0.9, 0.0, 0.0], (2, 1))
    told = {"style": (SimpleNamespace(scores=lambda features: scores), 0.9)}
    monkeypatch.setattr(Judges, "linear", told)
    judges, images = Judges(tmp_path, tmp_path), np.zeros((2, 64, 64, 3), np.uint8)
    assert judges.style(images, "pencil").all() and judges.style(images, "manga").all()
    assert not judges.style(images, "oil").any()


def test_blocks_of_pixels_are_seen(rng):
    """Large squares differ from smooth noise in the differences by their place."""
    smooth = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    blocky = smooth[::4, ::4].repeat(4, 0).repeat(4, 1)
    a, b = style_features(smooth), style_features(blocky)
    assert a.shape == b.shape and np.abs(a - b).max() > 1


def test_parts_of_a_network_pair_levels_of_both_ways():
    assert block_parts(4, 2) == {
        "full": "*=2",
        "upper": "in0=2,out3=2,*=0",
        "middle": "in1=2,out2=2,in2=2,out1=2,*=0",
        "lower": "in3=2,out0=2,*=0",
    }


def test_shares_are_of_the_best_pictures():
    scores = np.array([[0.1, np.nan, 0.2], [0.5, 0.6, 0.3], [0.4, 0.0, np.nan]])
    assert shares_of(scores, 4) == pytest.approx([0, 3 / 4, 1 / 4])
    assert shares_of(scores, 100) == pytest.approx([2 / 7, 3 / 7, 2 / 7])
    with pytest.raises(ValueError, match="no face"):
        shares_of(np.full((2, 2), np.nan), 3)


def test_merging_sums_changes_and_averaging_does_not(rng, tmp_path):
    """Two adapters with the same change and opposite factors: their mean is that change, the
    product of their mean factors is nothing."""
    down, up = rng.normal(size=(6, 2)), rng.normal(size=(2, 5))
    word = {"anna": np.ones((1, 4), np.float32)}
    paths = [tmp_path / f"{i}.safetensors" for i in range(4)]
    for path, sign in zip(paths[:2], (1, -1), strict=True):
        factors = {"in0/dense/kernel": (np.float32(sign * down), np.float32(sign * up), 2.0)}
        save_adapter(factors, path, "0" * 12, half=False, words={"anna": sign * word["anna"]})
    lost = merge_files(paths[:2], [0.5, 0.5], *paths[2:])
    changes = [
        low @ high * alpha / 2
        for low, high, alpha in (
            load_adapter(path).factors["in0/dense/kernel"] for path in paths[2:]
        )
    ]
    assert changes[0] == pytest.approx(down @ up, abs=0.02) and lost < 1e-6
    assert changes[1] == pytest.approx(0, abs=1e-6)
    assert load_adapter(paths[2]).words["anna"] == pytest.approx(0)


def test_means_over_people_leave_out_what_was_not_found():
    rows = [{"a": {"x": 1.0, "y": {"z": float("nan")}}}, {"a": {"x": 3.0, "y": {"z": 5.0}}, "b": 1}]
    found = mean_rows(rows)
    assert list(found) == ["a"] and found["a"]["x"][0] == 2 and found["a"]["y"]["z"] == [5.0, 0.0]


def test_the_best_checkpoint_is_chosen_by_validation():
    def row(value):
        return {"likeness": {"encoder": value}}

    one = {"shares": [0.2, 0.8], "validation": [0.9, 0.1], "steps": [5, 10], "lost": 0.01}
    one["rows"] = {"step5": row(0.3), "step10": row(0.5), "merged": row(0.4), "averaged": row(0.2)}
    found = merging_summary([one])
    means = {name: r["likeness"]["encoder"][0] for name, r in found["rows"].items()}
    assert means["best by validation"] == 0.3 and means["best by the held-out views"] == 0.5
    assert found["merged_at_least_best_by_validation"] == 1


def test_what_was_drawn_is_kept_and_other_settings_are_refused(conditional, tmp_path):
    bench = Bench.__new__(Bench)  # without the renders that judges are fitted to
    bench.weights, bench.settings = find_bundle(conditional), Settings(4, 2, "1e-3")
    bench.work = tmp_path
    bench.own = bench._own_folder()
    path = bench.own / "drawn.npy"
    images = bench.draw(path, lambda asked: "a red disc", prompts=PROMPTS[:2])
    assert images.shape[0] == 2 and not np.array_equal(*images)
    bench.weights = None  # what is there is not drawn again
    assert np.array_equal(bench.draw(path, "a blue disc", prompts=PROMPTS[:2]), images)
    bench.weights, bench.settings = find_bundle(conditional), Settings(5, 2, "1e-3")
    with pytest.raises(ValueError, match="--work"):
        bench._own_folder()


def test_a_training_that_was_finished_is_not_run_again(tmp_path, monkeypatch):
    bench = Bench.__new__(Bench)
    bench.weights, told = tmp_path / "model.weights.h5", []

    def run(command, stdout, stderr, env, check):
        told.append(command)
        if len(told) == 1:
            raise KeyboardInterrupt
        (tmp_path / "run" / "adapter.safetensors").write_bytes(b"1234")

    monkeypatch.setattr(subprocess, "run", run)
    train = partial(bench.train, tmp_path / "run", "lora", tmp_path, ["--ranks", "*=1"], 12)
    with pytest.raises(KeyboardInterrupt):
        train()
    assert train()["bytes"] == 4 and train()["bytes"] == 4
    assert len(told) == 2 and told[0] == told[1]
    assert told[1][told[1].index("--epochs") + 1] == "12"


@pytest.mark.parametrize("task, wanted", (("lora", "4e-3"), ("dreambooth", None), ("invert", None)))
def test_the_rate_is_of_adapters(task, wanted, tmp_path, monkeypatch):
    bench, told = Bench.__new__(Bench), []
    bench.settings = Settings(10, 2, "4e-3")
    anna = Person(0, "woman", "", np.zeros((8, 4, 4, 3), np.uint8), [])
    monkeypatch.setattr(bench, "folder_of", lambda person, name: tmp_path, raising=False)
    monkeypatch.setattr(bench, "prior", lambda noun: tmp_path / noun, raising=False)
    monkeypatch.setattr(bench, "train", lambda *words: told.append(words), raising=False)
    bench.learn(anna, "run", (task, ["--x"], 0.5))
    ((out, word, photos, options, steps),) = told
    assert (out, word, photos, steps) == (tmp_path / "run", task, tmp_path / "photos", 5)
    found = dict(zip(options[1::2], options[2::2], strict=True))
    assert found.get("--lr") == wanted and found["--init-word"] == "woman"
    assert ("--token" in found) == (task == "invert") == ("--prior" not in found)
