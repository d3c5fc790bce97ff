"""The generated pages of the documentation, and the command that makes them."""

import re

import pytest
from click.testing import CliRunner
from conftest import ROOT

from docs import shared
from docs.__main__ import main
from docs.pages import PAGES, faces, results
from docs.shared import read_results, render, table


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_command_makes_of_the_result_files(name):
    text = (ROOT / PAGES[name].path).read_text()
    assert text == render(name, PAGES[name]), f"run python -m docs {name}"
    assert not re.search(r"\{[{%]|^\|.*\b(nan|None)\b|\n\n\n|[^\n]\n#+ ", text, re.MULTILINE)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_pictures_that_exist(name):
    path = ROOT / PAGES[name].path
    shown = re.findall(r"!\[.*?\]\((.*?)\)", path.read_text())
    assert shown
    for link in shown:
        assert (path.parent / link).is_file(), link


def test_every_result_file_has_its_page():
    used = {file for page in PAGES.values() for file in page.files.values()}
    assert used == {path.name for path in shared.RESULTS.glob("*.json")}


def test_the_page_of_results_does_with_what_was_measured():
    """From all that is shipped, and from the one file that it always needs."""
    found = read_results(results.PAGE)
    text = render("results", results.PAGE, {"step": found["step"]})
    assert text.count("## ") == 3
    assert f"{found['step']['steps']['train']['ratio']:.2f}" in text


def test_a_part_that_was_not_measured_is_said_on_the_card():
    text = render("faces", faces.PAGE, {"faces": {}})
    assert text.count("not measured yet") == len(faces.ROWS)
    assert text.count("Not measured yet.") == 2


def test_a_missing_result_is_one_sentence():
    with pytest.raises(ValueError, match="portrait.md needs a result .* portrait.json"):
        render("portrait", PAGES["portrait"], {})


def test_a_table_is_markdown():
    assert table(["a", "b"], [(1, "x")]) == "| a | b |\n| --- | --- |\n| 1 | x |"


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs the command with pages and pictures that go into a folder of their own."""
    monkeypatch.setattr(shared, "ROOT", tmp_path)
    monkeypatch.setattr(shared, "PICTURES", tmp_path / "pictures")
    return lambda *words: CliRunner().invoke(main, list(words))


def test_all_pages_are_made_or_those_that_are_named(command, tmp_path):
    def made():
        return {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.md")}

    assert command("faces").exit_code == 0
    assert made() == {"docs/faces.md"}
    assert command().exit_code == 0
    assert made() == {page.path for page in PAGES.values()}


def test_a_picture_is_drawn_from_the_result_files(command, tmp_path):
    pytest.importorskip("matplotlib")
    assert command("conditioning", "--picture", "conditioning_strength").exit_code == 0
    drawn = [path.name for path in (tmp_path / "pictures").iterdir()]
    assert drawn == ["conditioning_strength.png"]


@pytest.mark.parametrize(
    "words, sentence",
    (
        (["face"], "there is no page 'face'; there are results, "),
        (["faces", "--picture", "faces_25"], "there is no picture 'faces_25'; there are faces_256"),
    ),
)
def test_a_wrong_word_is_one_sentence(command, tmp_path, words, sentence):
    result = command(*words)
    assert result.exit_code == 2 and result.output.startswith(f"Error: {sentence}")
    assert result.output.count("\n") == 1 and not list(tmp_path.iterdir())
