"""What is shipped in weights/: whole, small enough, said on its card, and drawing the grid."""

import json
import re

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT
from PIL import Image

import sample
from benchmarks.sampling import steps_of
from common.files import sha256
from ddpm.bundle import _read_header, read_captions, read_preset
from ddpm.conditions.text import Tokenizer
from docs.pages.results import cheapest

FILES = sorted((ROOT / "weights").glob("*.h5"))
MODEL, BRANCH = (ROOT / "weights" / f"{name}.weights.h5" for name in ("portraits64", "control64"))
CARD = (ROOT / "weights" / "README.md").read_text()


def test_sizes_keep_to_what_a_clone_can_bear():
    sizes = [path.stat().st_size for path in FILES]
    assert len(sizes) >= 3
    assert max(sizes) < 40e6 and sum(sizes) < 110e6


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_file_holds_arrays_of_half_precision_and_has_a_card(path):
    with h5py.File(path) as file:
        kinds = set()
        file.visititems(lambda _, item: kinds.add(str(getattr(item, "dtype", "float16"))))
    assert kinds <= {"float16", "uint8", "int32", "int64"}
    heading = f"## `{path.name}`"
    assert heading in CARD
    card = CARD.split(heading)[1].split("\n## ")[0]
    for word in ("trained on", "command", "machine, time", "seed", "Limits", "log.csv"):
        assert word in card, word


def test_the_branch_belongs_to_the_model():
    assert _read_header(BRANCH)["base_digest"] == sha256(MODEL)


def test_the_model_brings_captions_in_words_that_it_knows():
    captions, text = read_captions(MODEL), read_preset(MODEL).network.conditions["text"]
    tokenizer = Tokenizer(text.vocabulary, text.length)
    assert len(captions) >= 500
    for caption in captions:
        tokenizer.encode(caption, strict=True)


def test_samples_are_drawn_by_the_sampler_that_the_measurement_found():
    found = cheapest(json.loads((ROOT / "benchmarks" / "results" / "sampling.json").read_text()))
    defaults = {option.name: option.default for option in sample.main.params}
    steps = steps_of(found["sampler"], found["nfe"])
    chosen = found["sampler"], found["spacing"], steps
    assert chosen == tuple(defaults[name] for name in ("sampler", "spacing", "steps"))


def test_the_readme_command_draws_the_readme_grid(tmp_path):
    command = re.search(r"`python (sample\.py --n 64[^`]*)`", (ROOT / "README.md").read_text())[1]
    words = command.replace("--n 64", "--n 8").split()[1:]
    result = CliRunner().invoke(sample.main, [*words, "--out", str(tmp_path / "a.png")])
    assert result.exit_code == 0, result.output
    drawn = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(float)
    shown = np.asarray(Image.open(ROOT / "docs" / "pictures" / "samples.png").convert("RGB"))
    # Eight are laid out in rows of three, 64 in rows of eight.
    side = (shown.shape[1] + 2) // 8
    assert shown.shape == (8 * side - 2, 8 * side - 2, 3)
    for i in range(8):
        y, x = i // 3 * side, i % 3 * side
        ours = drawn[y : y + side - 2, x : x + side - 2]
        theirs = shown[: side - 2, i * side : i * side + side - 2]
        # Another processor may round otherwise, which some steps enlarge; another face is 40 off.
        assert np.abs(ours - theirs).mean() < 4, i
