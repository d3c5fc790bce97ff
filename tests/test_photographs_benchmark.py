"""The benchmark of hard pairs: their truth, what is measured of them, what is told."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import photograph_pairs as pairs_of
from benchmarks import photographs
from benchmarks.photograph_pairs import KINDS, PICTURES, Pair
from facekit.identity import load_embedder
from facekit.parsing import PART
from portrait.settings import Settings

SIZE = 160


@pytest.fixture(scope="module")
def folder(made_once):
    """One pair each of three kinds, rendered in a process of its own."""

    def render(place):
        pairs_of.render_all(("easy", "hands", "sunglasses"), 1, place, SIZE, seed=3)

    return made_once("pairs", render)


def pair_of(folder, kind):
    return pairs_of.read_pair(folder, kind, 0)


def test_a_pair_has_its_truth_in_the_templates_view(folder):
    easy = pair_of(folder, "easy")
    assert all(getattr(easy, name).dtype == np.uint8 for name in PICTURES)
    assert (easy.clean == easy.reference).all()
    top = np.s_[: SIZE // 10]  # backdrop and hair are the template's
    apart = np.abs(easy.truth[top].astype(int) - easy.template[top]).mean()
    assert apart < 0.5 * np.abs(easy.truth[top].astype(int) - easy.reference[top]).mean()
    assert 0.1 < easy.face.mean() < 0.6


def test_what_is_pasted_hides_the_reference_but_not_its_clean_copy(folder):
    hands = pair_of(folder, "hands")
    changed = (hands.clean != hands.reference).any(-1)
    assert 0.02 < changed.mean() < 0.6
    glasses = pair_of(folder, "sunglasses")
    assert (glasses.labels == PART["glasses"]).sum() > 50


def test_the_truth_is_not_broken_and_a_stranger_is(folder):
    easy, who = pair_of(folder, "easy"), {"encoder": load_embedder("encoder")}
    made = photographs.result_of(easy, Settings(), photographs.Copier(), photographs.FAST)
    assert (made[0] != easy.template).any()
    right = photographs.measured(easy, easy.truth, made[1], who)
    assert not right["broken"] and right["psnr"] > 60
    assert right["encoder"]["identity"] == pytest.approx(1, abs=1e-3)
    assert right["step"] < 0.5 and photographs.share(right, "encoder") == pytest.approx(1, abs=0.01)
    unchanged = photographs.measured(easy, easy.template, made[1], who)
    assert unchanged["psnr"] < right["psnr"] and unchanged["encoder"]["identity"] < 0.9


def test_a_summary_counts_what_is_told(monkeypatch):
    monkeypatch.setattr(photographs, "JUDGED", {"hair": (2, 4)})
    row = {"kind": "hair", "psnr": 20.0, "step": 1.0, "broken": False, "refused": []}
    row |= {"encoder": {"identity": 0.9, "likeness": 0.4, "possible": 0.5}}
    rows = [
        row | {"number": number, "verdict": {"faults": faults}}
        for number, faults in enumerate((["a"], [], [], [], ["a"], []))
    ]
    found = photographs.judged(rows)
    assert found == {"broken": 2, "broken_warned": 1, "good": 4, "good_warned": 1}
    assert photographs.judged([one | {"number": 9} for one in rows])["broken"] == 0
    total = photographs.summary([*rows, {"kind": "hair", "number": 6}])
    assert total["pairs"] == 7 and total["done"] == 6 and total["encoder_enough"] == 0
    assert total["encoder_share"] == pytest.approx(0.8)


def test_pairs_are_labelled_by_known_kinds():
    assert set(photographs.JUDGED) < set(KINDS)
    empty = np.zeros((2, 2), np.uint8)
    pair = Pair("easy", *(np.zeros((2, 2, 3), np.uint8),) * 4, empty)
    assert not pair.face.any()
    assert replace(pair, labels=empty + np.uint8(PART["skin"])).face.all()
