"""The first command on a new machine: what it says before it installs anything."""

import ast
import subprocess
import sys

import pytest
from conftest import ROOT

import start

WORDS = [([], "demo"), (["demo"], "demo"), (["test"], "test"), (["studio"], "studio")]


@pytest.fixture
def nothing_runs(monkeypatch):
    """Fail the test if anything would be started."""

    def forbidden(*args, **kwargs):
        raise AssertionError(f"started {args}")

    monkeypatch.setattr(subprocess, "call", forbidden)


def stops(capsys):
    with pytest.raises(SystemExit) as stop:
        start.main()
    captured = capsys.readouterr()
    assert stop.value.code == 2
    assert captured.out == ""
    assert captured.err.startswith("Error: ") and captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 8, 1), (3, 10, 14), (3, 13, 0), (4, 0, 0)])
@pytest.mark.parametrize("words", (["start.py"], ["start.py", "test"]))
def test_an_unsupported_python_gets_a_sentence(nothing_runs, monkeypatch, capsys, version, words):
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(sys, "version_info", version)
    sentence = stops(capsys)
    assert "needs Python 3.11 or 3.12" in sentence
    assert f"{version[0]}.{version[1]}" in sentence


@pytest.mark.parametrize("words", (["tests"], ["--help"], ["demo", "test"], [""]))
def test_an_unknown_word_gets_a_sentence(nothing_runs, monkeypatch, capsys, words):
    monkeypatch.setattr(sys, "argv", ["start.py", *words])
    assert "use: python3 start.py [demo | test | studio]" in stops(capsys)


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 9)])
@pytest.mark.parametrize("words, word", WORDS)
def test_a_supported_python_does_what_is_asked(monkeypatch, version, words, word):
    done = []
    monkeypatch.setattr(sys, "argv", ["start.py", *words])
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(start, "demo", lambda: done.append("demo"))
    monkeypatch.setattr(start, "test", lambda: done.append("test"))
    monkeypatch.setattr(start, "studio", lambda: done.append("studio"))
    monkeypatch.chdir(ROOT)
    start.main()
    assert done == [word]


@pytest.mark.parametrize("there", [False, True])
def test_the_demo_goes_on_with_its_run_only_where_there_is_one(
    monkeypatch, tmp_path, capsys, there
):
    commands = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(start, "environment", lambda name, requirement: "python")
    monkeypatch.setattr(start, "run", lambda *command: commands.append(command[1:]))
    if there:
        (tmp_path / "runs" / "demo").mkdir(parents=True)
    start.demo()
    assert [command[0] for command in commands] == ["sample.py", "train.py", "sample.py"]
    assert ("--resume" in commands[1]) == there
    assert "a minute of training" in capsys.readouterr().out


def test_a_step_that_fails_stops_with_its_exit_code():
    with pytest.raises(SystemExit) as stop:
        start.run(sys.executable, "-c", "raise SystemExit(3)")
    assert stop.value.code == 3


def test_the_file_is_read_by_older_pythons():
    """Else an unsupported one would stop at the syntax, not at the sentence."""
    ast.parse((ROOT / "start.py").read_text(), feature_version=(3, 6))
