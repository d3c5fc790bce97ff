"""The benchmark of a newcomer's trial: whose pictures they are, against closed forms."""

import numpy as np
import pytest
from conftest import ROOT

from benchmarks import newcomer
from benchmarks.newcomer import DRAWN, LEARNED, VIEWS, Trial, matched, sheet


def unit(*rows):
    rows = np.float64(rows)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_pictures_are_whose_views_they_are_nearest_to():
    held = [unit([1, 0, 0], [1, 0.1, 0]), unit([0, 1, 0], [0, 1, 0.1]), unit([0, 0, 1])]
    nowhere = [np.nan] * 3
    drawn = [
        np.vstack([unit([0.9, 0.2, 0], [0.5, 0.8, 0]), [nowhere]]),  # once like the other one
        unit([0.1, 1, 0]),
        np.float64([nowhere]),
    ]
    people, pictures, cosines = matched(drawn, held)
    assert people.tolist() == [0, 1, -1]
    assert [rows.tolist() for rows in pictures] == [[0, 1, -1], [1], [-1]]
    expected = np.mean([a @ b for a in drawn[0][:2] for b in held[1]])
    assert cosines[0, 1] == pytest.approx(expected) and np.isnan(cosines[2]).all()


def test_each_person_is_learned_and_drawn_once(tmp_path, monkeypatch):
    """By the command, from ten pictures without captions; what is there is not made again."""
    calls = []

    def run(command, **how):
        words = dict(zip(command[4::1], command[5:], strict=False))
        calls.append(command[3:])
        assert command[1:3] == ["-m", "portrait"] and how["cwd"] == ROOT and how["check"]
        if command[3] == "learn":
            out = newcomer.Path(words["--out"])
            out.mkdir(parents=True)
            (out / newcomer.ADAPTER).write_bytes(b"12345")
            return
        for k in range(DRAWN):
            newcomer.write_image(np.full((16, 16, 3), k, np.uint8), f"{words['--each']}/{k}.png")
        newcomer.Path(words["--out"]).write_bytes(b"")

    monkeypatch.setattr(newcomer.subprocess, "run", run)
    trial = Trial("portraits64", tmp_path, 12, people=2)
    assert [len(views) for views in trial.views] == [VIEWS] * 2
    for _ in range(2):
        assert trial.learn(1)["bytes"] == 5
        drawn = trial.draw(1)
    assert [call[0] for call in calls] == ["learn", "paint"]
    assert calls[0][2:4] == ["--noun", trial.nouns[1]] and calls[0][-2:] == ["--steps", "12"]
    photos = sorted((tmp_path / "photographs" / "boris").iterdir())
    assert len(photos) == LEARNED and not [path for path in photos if path.suffix == ".txt"]
    assert [picture[0, 0, 0] for picture in drawn] == list(range(DRAWN))
    assert sheet(trial, [drawn, drawn]).ndim == 3
