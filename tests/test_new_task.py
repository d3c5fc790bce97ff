"""The house carries: a new task is one function in this file, and nothing else is touched."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import train
from ddpm.presets import PRESETS
from ddpm.training.tasks import TASKS


@pytest.fixture
def seen(monkeypatch):
    """What the new task was called with."""
    calls = []

    def count_pictures(options, data):
        """Count the pictures that would be trained on."""
        pictures, folder = data.load(options.data, PRESETS["tiny"])
        calls.append((options, folder))
        click.echo(f"{len(pictures.images)} in {folder}")
        return len(pictures.images) > 10

    monkeypatch.setitem(TASKS, "count", count_pictures)
    return calls


def call(*words):
    return CliRunner().invoke(train.main, [str(word) for word in words])


def test_its_word_runs_it_with_the_common_options(seen, discs, tmp_path):
    result = call("count", "--data", discs, "--epochs", 3, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert f"24 in {discs}" in result.stdout
    (options, folder), *rest = seen
    assert not rest and folder == discs
    assert (options.epochs, options.out, options.resume) == (3, tmp_path / "run", False)


def test_its_run_folder_is_named_after_it(seen, discs):
    assert call("count", "--data", discs).exit_code == 0
    assert seen[0][0].out == Path("runs") / "count"


def test_it_is_in_the_help_with_its_first_sentence(seen):
    assert "Count the pictures that would be trained on." in call("--help").stdout
    assert "Count the pictures" in call("count", "--help").stdout


def test_what_it_refuses_is_one_sentence_and_what_it_leaves_unfinished_another_code(
    seen, discs, tmp_path
):
    result = call("count", "--data", tmp_path / "nowhere")
    assert result.exit_code == 2 and result.stderr.startswith("Error: ")
    for path in sorted(discs.glob("*.png"))[:5]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert call("count", "--data", tmp_path).exit_code == 130
