"""Learned words: `train.py invert`, trigger words, their files, and prompts that say them."""

import json
import shutil

import numpy as np
import pytest
from broken_files import broken_copies
from conftest import eager_training, finish, invoke, start_train
from keras import ops
from PIL import Image
from test_adapters import CONDITION, SMALL, X_T, T, adapter_of, make
from test_resume import checkpoint

import sample
import train
from ddpm.adapters import AdapterAddOn, load_adapter, load_addon, main, save_adapter
from ddpm.bundle import load_model, save_model, vocabulary_of
from ddpm.conditions.text import (
    PAD,
    SPECIAL,
    START,
    TABLE,
    TextSettings,
    Tokenizer,
    spoken,
    with_word,
    word_of,
)
from ddpm.nets.adapters import Adapted
from ddpm.nets.config import UNetConfig
from ddpm.nets.layers import named_weights
from ddpm.nets.tokens import Words, first_vectors
from ddpm.pipeline import Pipeline, Request
from ddpm.presets import ObjectiveConfig, Preset
from ddpm.tokens import TokenAddOn, TokenFile, grown, save_tokens, with_words
from ddpm.training.triggers import of_class, saying, template, trigger_of

PRESET = Preset(
    "small", UNetConfig(**SMALL, groups=4), ObjectiveConfig("linear", 50, prediction="x0")
)
VECTORS = np.random.default_rng(1).normal(size=(2, 16)).astype(np.float32)
COMMON = ("--batch-size", 8, "--precision", "float32", "--save-minutes", 0)
ANNA = ("--token", "<anna>", "--vectors", 2, "--init-word", "disc")
STEPS = 3  # of an epoch


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model, a file of a word of two vectors, and an adapter that has a word: (model, path,
    path)."""
    folder, network = tmp_path_factory.mktemp("words"), make("unet")
    save_model(network, PRESET, folder / "model.weights.h5")
    model = load_model(folder / "model.weights.h5", "float32")
    token, adapter = folder / "anna.safetensors", folder / "bob.safetensors"
    save_tokens({"<anna>": VECTORS}, token, model.digest, {"trigger": "<anna>"})
    matrices = adapter_of(network)
    factors = {
        name: (np.array(matrices.down[name]), np.array(matrices.up[name]), 3.0)
        for name in matrices.shapes
    }
    words = {"bob": VECTORS[:1] + 1}
    save_adapter(factors, adapter, model.digest, {"trigger": "bob"}, words=words)
    return model, token, adapter


@pytest.fixture(scope="module")
def photos(captioned, tmp_path_factory):
    """The pictures of `captioned` in a folder of a person's name: one has a caption, which does
    not say it."""
    folder = tmp_path_factory.mktemp("photos") / "Anna_Smith"
    folder.mkdir()
    for path in captioned.glob("*.png"):
        shutil.copy(path, folder)
    shutil.copy(captioned / "00.txt", folder)
    return folder


@pytest.fixture(scope="module")
def learned(conditional, photos, tmp_path_factory):
    """A run that learned a word of two vectors."""
    out = tmp_path_factory.mktemp("runs") / "invert"
    words = ("--weights", conditional, "--data", photos, "--out", out, *ANNA, *COMMON)
    with eager_training():
        invoke(train.main, "invert", *words, "--epochs", 1, "--sample-epochs", 1)
    return out


# --- words and tokens


def test_a_word_of_several_vectors_is_written_as_one_and_takes_as_many_tokens():
    text = with_word(TextSettings(("a", "disc"), length=6), word_of("<Anna>"), 3)
    assert text.vocabulary == ("a", "disc", "anna", "anna#2", "anna#3")
    assert spoken(text.vocabulary) == ("a", "disc", "anna")
    tokenizer = Tokenizer(text.vocabulary, text.length)
    a, disc, anna = 2, 3, [4, 5, 6]
    assert len(tokenizer) == 5 + SPECIAL
    assert tokenizer.encode("A <ANNA>!").tolist() == [START, a, *anna, PAD]
    assert tokenizer.encode("Anna's disc").tolist() == [START, *anna, disc, PAD]
    assert tokenizer.encode_all(["a disc, anna"]).tolist() == [[START, a, disc, *anna[:3]]]
    with pytest.raises(ValueError, match="at most 5 words"):
        tokenizer.encode("anna anna")
    with pytest.raises(ValueError, match="knows none of the words"):
        Tokenizer(("a",), 6).encode("anna")


def test_a_token_is_one_word():
    assert word_of("Rene\u0301e") == "ren\u00e9e"
    assert [word_of(w) for w in ("<anna>", "Anna-Smith", "anna2")] == [
        "anna",
        "anna-smith",
        "anna2",
    ]
    for token in ("", "<>", "<anna smith>", "anna#2", "<an.na>", "a" * 41, "\x1b[2J"):
        with pytest.raises(ValueError, match="a token is one word"):
            word_of(token)


def test_vectors_begin_at_a_word_or_in_the_middle_and_are_not_alike():
    table = np.random.default_rng(0).normal(size=(6, 16)).astype(np.float32)
    np.testing.assert_array_equal(first_vectors(table, 1, 2)[0], table[2])
    found = first_vectors(table, 3)
    np.testing.assert_allclose(found[0], table.mean(axis=0), atol=1e-6)
    assert 0 < np.abs(found[1] - found[0]).max() < 0.5
    assert not np.array_equal(found[1], found[2])


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", ["unet", "mp_unet"])
def test_trained_rows_and_rows_of_a_longer_table_are_the_same_bits(kind, policy, files):
    model, *_ = files
    network = make(kind, policy)
    preset = PRESET if kind == "unet" else _mp_preset()
    base = type(model)(network, preset)
    addons = [TokenAddOn(TokenFile({"anna": VECTORS}, ""))]
    whole = with_words(base, addons)
    room = grown(base, whole.preset, np.zeros_like(VECTORS))
    words = Words(5, 2, 16)
    words.vectors.assign(VECTORS)
    assert Words.from_config(words.get_config()).get_config() == words.get_config()
    adapted = Adapted(room.network, [words])
    said = {"tokens": np.array([[START, 5, 6, 4, PAD], [START, 5, 4, PAD, PAD]], np.int32)}
    outputs = [
        ops.convert_to_numpy(one(X_T, T, said)) for one in (adapted, whole.network, room.network)
    ]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert np.abs(outputs[0] - outputs[2]).max() > 1e-3
    for one in (adapted, whole.network):  # words of the model are what they were
        np.testing.assert_array_equal(
            ops.convert_to_numpy(one(X_T, T, CONDITION)),
            ops.convert_to_numpy(network(X_T, T, CONDITION)),
        )


def _mp_preset():
    from ddpm.nets.config import MPUNetConfig

    return Preset("small", MPUNetConfig(**SMALL), PRESET.objective)


# --- trigger words and captions


def test_captions_of_their_own_win_and_templates_say_the_word(capsys):
    found = saying("<anna>", ["a red disc", "", "Anna, smiling", "", "", ""], "woman")
    assert found[:3] == ["anna, a red disc", "a portrait of anna, a woman", "Anna, smiling"]
    assert found[3:] == ["a photograph of anna, a woman", "a photo of anna, a woman",
                         "a portrait of anna"]  # fmt: skip
    told = capsys.readouterr().out
    assert "4 pictures have no captions" in told and "1 caption does not say anna" in told
    assert template(0, "anna") == "a photo of anna"
    assert of_class(None, 2, None) is None
    assert of_class(["", "x"], 2, "old man") == ["a photo of an old man", "x"]


def test_a_folder_names_the_trigger(tmp_path):
    assert trigger_of(tmp_path / "Anna_Smith") == "anna-smith"
    assert trigger_of(tmp_path / "!!") == "somebody"
    assert trigger_of(tmp_path / "portrait", ("portrait",)) == "my-portrait"
    assert len(trigger_of(tmp_path / ("a" * 90))) == 40


# --- files


def test_what_is_written_comes_back_as_diffusers_has_it(files):
    from safetensors.numpy import load_file

    model, path, adapter = files
    ((key, array),) = load_file(path).items()
    assert key == "<anna>" and array.dtype == np.float32
    np.testing.assert_array_equal(array, VECTORS)
    found = load_addon(path).file
    assert found.base_digest == model.digest and found.about == {"trigger": "<anna>"}
    np.testing.assert_array_equal(found.words["<anna>"], VECTORS)
    assert isinstance(load_addon(path), TokenAddOn)
    assert isinstance(load_addon(adapter, 0.5), AdapterAddOn)
    np.testing.assert_array_equal(load_adapter(adapter).words["bob"], VECTORS[:1] + 1)
    assert "bundle_emb.bob.string_to_param.*" in load_file(adapter)


@pytest.mark.parametrize("which", [1, 2])
def test_broken_files_get_a_sentence(files, which, tmp_path):
    """2,000 cuts and mutations: a sentence, or words all of whose numbers are finite."""
    content, rng = files[which].read_bytes(), np.random.default_rng(0)
    path = tmp_path / "broken.safetensors"
    for broken in broken_copies(content, rng):
        path.write_bytes(broken)
        try:
            found = load_addon(path)
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            continue
        assert all(np.isfinite(vectors).all() for vectors in found.words.values())
        assert all(word_of(token) for token in found.words)


def test_what_is_no_word_is_refused(files, tmp_path):
    model, path, adapter = files
    bad = tmp_path / "bad.safetensors"
    for words in (
        {"<anna>": VECTORS * np.nan},
        {"<anna>": VECTORS[0]},
        {"<anna>": VECTORS[:0]},
        {"two words": VECTORS},
        {"<anna>": VECTORS, "anna": VECTORS},
        {"<anna>": VECTORS, "bob": VECTORS[:, :8]},
        {},
    ):
        save_tokens(words, bad, "")
        with pytest.raises(ValueError, match="does not hold the matrices"):
            load_addon(bad)
    with pytest.raises(ValueError, match="holds learned words, not an adapter's matrices"):
        load_adapter(path)
    for words, sentence in (
        ({"<disc>": VECTORS}, "teaches the word 'disc', which .* knows"),
        ({"<anna>": VECTORS[:, :8]}, "takes vectors of 16"),
        ({"<anna>": np.zeros((5, 16))}, "takes vectors of 16, fewer than 5"),
    ):
        save_tokens(words, bad, model.digest)
        with pytest.raises(ValueError, match=sentence):
            Pipeline(model, [load_addon(bad)])
    with pytest.raises(ValueError, match="or another file knows already"):
        Pipeline(model, [load_addon(path), load_addon(path)])


# --- drawing


def test_a_prompt_that_says_it_draws_something_else_and_no_other_does(files):
    model, path, adapter = files
    plain, taught = Pipeline(model), Pipeline(model, [load_addon(path)])
    says, other = (Request(n=1, prompts=(p,), steps=2) for p in ("a red anna", "a red disc"))
    assert np.array_equal(taught.draw(other), plain.draw(other))
    assert not np.array_equal(taught.draw(says), plain.draw(says))
    assert "'anna' is unknown" in plain.notes(says)[0] and taught.notes(says) == []
    (note,) = taught.notes(other)
    assert note.startswith("no prompt says <anna>, which") and str(path) in note
    both = Pipeline.load(model.path, precision="float32", adapters=[(path, 1.0), (adapter, 0.5)])
    request = Request(n=1, prompts=("anna, a bob",), steps=2)
    assert both.notes(request) == []
    assert not np.array_equal(both.draw(request), taught.draw(request))
    first, second = json.loads(json.dumps(both.recipe(request)))["adapters"]
    assert (first["file"], first["words"]) == ("anna.safetensors", ["<anna>"])
    assert (second["strength"], second["words"]) == (0.5, ["bob"])
    assert vocabulary_of(model.preset) == SMALL["conditions"]["text"].vocabulary


def test_a_weaker_version_learns_the_word_too(files):
    model, path, _ = files
    pipeline = Pipeline(model, [load_addon(path)], guide=model)
    request = Request(n=1, prompts=("anna",), steps=2, autoguidance=2.0)
    assert pipeline.draw(request).shape == (1, 8, 8, 3)


def test_another_base_is_told(files, tmp_path):
    model, *_ = files
    other = tmp_path / "other.safetensors"
    save_tokens({"<anna>": VECTORS}, other, "0123456789ab")
    notes = Pipeline(model, [load_addon(other)]).notes(Request(prompts=("anna",)))
    assert "trained over other weights" in notes[0]


# --- commands


def test_only_the_vectors_train_and_the_base_stays(learned, conditional, photos):
    model, found = (
        load_model(conditional, "float32"),
        load_addon(learned / "learned_embeds.safetensors").file,
    )
    assert found.base_digest == model.digest
    assert found.about["trigger"] == "<anna>" and found.about["pictures"] == 24
    assert found.about["recipe"]["task"] == "invert"
    assert (learned / "samples" / f"step-{STEPS:07d}.png").exists()
    vectors = found.words["<anna>"]
    table = np.array(named_weights(model.network)[TABLE])
    rows, width = table.shape
    disc = vocabulary_of(model.preset).index("disc") + SPECIAL
    start = first_vectors(table[SPECIAL:], 2, disc - SPECIAL)
    assert vectors.shape == (2, width)
    assert (
        np.all(np.abs(vectors - start).max(axis=1) > 1e-5) and np.abs(vectors - start).max() < 0.1
    )
    # In a checkpoint: the vectors, and the base with zeros for them, bit for bit.
    arrays = list(checkpoint(learned, STEPS).values())
    assert sum(array.shape == (rows + 2, width) for array in arrays) == 1  # no moments of it
    kept = next(array for array in arrays if array.shape == (rows + 2, width))
    np.testing.assert_array_equal(kept[:rows], table)
    assert not kept[rows:].any()
    bases = [np.array(v) for v in named_weights(model.network).values() if v.ndim == 4]
    assert all(any(np.array_equal(base, array) for array in arrays) for base in bases)


@pytest.mark.slow
def test_a_resumed_run_is_the_whole_run_to_the_bit(conditional, photos, tmp_path):
    words = ("--weights", conditional, "--data", photos, *ANNA, *COMMON)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    finish(start_train("invert", *words, "--out", whole, "--epochs", 3))
    finish(start_train("invert", *words, "--out", stopped, "--epochs", 1))
    told = finish(start_train("invert", "--resume", "--out", stopped, "--epochs", 3))
    assert f"Resuming at step {STEPS}" in told
    ours, theirs = (checkpoint(folder, 3 * STEPS) for folder in (stopped, whole))
    assert [name for name in theirs if not np.array_equal(ours[name], theirs[name])] == []
    ours, theirs = (load_addon(f / "learned_embeds.safetensors").file for f in (stopped, whole))
    np.testing.assert_array_equal(ours.words["<anna>"], theirs.words["<anna>"])


def test_what_cannot_be_learned_is_refused(
    learned, conditional, photos, trained, discs, tmp_path, refused
):
    out = tmp_path / "run"
    words = ("invert", "--weights", conditional, "--data", photos, "--out", out)
    refused(train.main, *words, says='--token "<anna>"')
    refused(train.main, *words, "--token", "two words", says="a token is one word")
    refused(
        train.main, *words, "--token", "<disc>", says=("knows the word 'disc'", "another --token")
    )
    refused(
        train.main, *words, *ANNA[:2], "--init-word", "zebra", says="never met the word 'zebra'"
    )
    refused(train.main, *words, *ANNA[:2], "--init-word", "red disc", says="is one word")
    words = ("invert", "--weights", trained, "--data", discs, "--out", out)
    refused(train.main, *words, *ANNA, says="was trained without words")
    assert not (out / "config.json").exists()
    resumed = ("invert", "--resume", "--out", learned)
    refused(train.main, *resumed, "--vectors", 3, says="was started with --vectors 2")
    refused(train.main, *resumed, "--token", "bob", says="was started with --token <anna>")


def test_the_commands(learned, conditional, files, tmp_path, call, refused):
    path, picture = learned / "learned_embeds.safetensors", tmp_path / "a.png"
    told, _ = call(main, "show", path)
    assert "trigger: <anna>" in told and "word <anna>: 2 vectors of" in told and "invert" in told
    words = ("--weights", conditional, "--n", 1, "--steps", 2, "--out", picture)
    call(sample.main, *words, "--strict", "--prompt", "a red <anna>", "--adapter", path)
    recipe = json.loads(Image.open(picture).text["recipe"])
    assert recipe["adapters"][0]["words"] == ["<anna>"]
    told, _ = call(sample.main, *words, "--words", "--adapter", path)
    assert "anna" in told and "#" not in told
    refused(sample.main, *words, "--prompt", "anna", "--adapter", f"{path}:0.5",
            says="a word has no strength")  # fmt: skip
    refused(sample.main, *words, "--prompt", "anna", says="knows none of the words")
    refused(main, "merge", path, path, "--out", tmp_path / "c.safetensors",
            says="holds learned words")  # fmt: skip
    bob, out = files[2], tmp_path / "c.safetensors"
    later = tmp_path / "later.safetensors"
    found = load_adapter(bob)
    save_adapter(found.factors, later, found.base_digest, words={"bob": VECTORS[:1] + 4})
    call(main, "merge", f"{bob}:0.5", f"{later}:0.25", "--out", out)
    np.testing.assert_allclose(load_adapter(out).words["bob"], VECTORS[:1] + 2, rtol=1e-6)
    refused(main, "merge", bob, f"{bob}:-1", "--out", out, says="shares' sum is 0")
    both = tmp_path / "both.safetensors"
    words = {**found.words, "eve": VECTORS[:1]}
    save_adapter(found.factors, both, found.base_digest, words=words)
    refused(main, "merge", both, bob, "--out", out, says="one of them another one besides")
    call(main, "merge", bob, "--out", out)
    np.testing.assert_array_equal(load_adapter(out).words["bob"], VECTORS[:1] + 1)


def test_an_adapter_brings_its_trigger_word(conditional, photos, tmp_path, call):
    out = tmp_path / "lora"
    words = ("lora", "--weights", conditional, "--data", photos, "--out", out, *COMMON)
    with eager_training():
        told, _ = call(train.main, *words, "--epochs", 1, "--ranks", "in0=2,*=0")
        assert "'a photo of anna-smith'" in told and "1 caption does not say anna-smith" in told
        call(train.main, "lora", "--resume", "--out", out, "--epochs", 2)
    found, model = load_adapter(out / "adapter.safetensors"), load_model(conditional, "float32")
    assert found.about["trigger"] == "anna-smith" and found.words["anna-smith"].shape[0] == 1
    told, _ = call(main, "show", out / "adapter.safetensors")
    assert "trigger: anna-smith" in told and "word anna-smith: 1 vector of" in told
    request = Request(n=1, prompts=("a photo of anna-smith",), steps=2)
    assert Pipeline(model, [AdapterAddOn(found, 1.0)]).draw(request).shape[0] == 1


def test_a_known_trigger_word_adds_nothing(conditional, photos, tmp_path, call):
    out = tmp_path / "lora"
    words = ("lora", "--weights", conditional, "--data", photos, "--out", out, *COMMON)
    with eager_training():
        call(train.main, *words, "--epochs", 1, "--ranks", "in0=2,*=0", "--trigger", "disc")
    found = load_adapter(out / "adapter.safetensors")
    assert found.about["trigger"] == "disc" and found.words == {}


def test_a_tuned_model_knows_its_trigger_word(conditional, photos, tmp_path, call):
    out = tmp_path / "dreambooth"
    words = ("dreambooth", "--weights", conditional, "--data", photos, "--out", out, *COMMON)
    words += ("--trigger", "anna", "--init-word", "disc", "--prior", photos)
    with eager_training():
        call(train.main, *words, "--epochs", 1)
    old, new = (load_model(path, "float32") for path in (conditional, out))
    assert vocabulary_of(new.preset) == (*vocabulary_of(old.preset), "anna")
    assert "a photo of anna, a disc" in new.captions
    table, base = (np.array(named_weights(model.network)[TABLE]) for model in (new, old))
    like = base[vocabulary_of(old.preset).index("disc") + SPECIAL]
    assert 0 < np.abs(table[-1] - like).max() < 0.1
    path = tmp_path / "extracted.safetensors"
    call(main, "extract", out, "--base", conditional, "--ranks", "in0=2,*=0", "--out", path)
    np.testing.assert_array_equal(load_adapter(path).words["anna"][0], table[-1])
