"""What the page shows of an adapter, block by block."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from ddpm.adapters import AdapterAddOn, load_adapter, save_adapter
from ddpm.nets.ranks import block_of, parse_ranks
from portrait.person import ADAPTER
from portrait.web import adapting, drawing
from portrait.web.drawing import Form
from portrait.web.jobs import Job
from portrait.web.studio import Studio

FORM = Form("a red disc", n=3, seed=5, steps=4)


@pytest.fixture(scope="module")
def pipeline(conditional):
    from ddpm.pipeline import Pipeline

    return Pipeline.load(conditional, precision="float32")


@pytest.fixture
def studio(pipeline, tmp_path, monkeypatch):
    """One that knows Anna, who has a random adapter of rank 2."""
    from ddpm.nets.adapters import ranks_of
    from ddpm.nets.layers import named_weights

    rng, factors = np.random.default_rng(0), {}
    weights = named_weights(pipeline.model.network)
    for name, rank in ranks_of(pipeline.model.network, parse_ranks("*=2")).items():
        *front, width = weights[name].shape
        down, up = (rng.normal(0, 0.2, shape) for shape in ((*front, rank), (rank, width)))
        factors[name] = (np.float32(down), np.float32(up), 2.0)
    folder = tmp_path / "people" / "anna"
    folder.mkdir(parents=True)
    save_adapter(factors, folder / ADAPTER, pipeline.model.digest)
    weights = str(pipeline.model.path)
    anna = SimpleNamespace(folder=folder, weights=weights, saying=lambda prompt: prompt or "a disc")
    studio = Studio(pipeline, tmp_path, tmp_path / "people")
    monkeypatch.setattr(studio.people, "find", {"anna": folder}.__getitem__)
    monkeypatch.setattr(adapting, "load_person", {folder: anna}.__getitem__)
    return studio


def drawn_with(studio, file):
    """The picture of the form with an adapter on the model, by another way."""
    from ddpm.pipeline import Pipeline

    pipeline = Pipeline(studio.pipeline.model, [AdapterAddOn(file)])
    return pipeline.draw(drawing.request_of(replace(FORM, n=1)))[0]


def test_each_block_is_drawn_alone_from_the_same_noise(studio, pipeline):
    steps = list(adapting.look(studio, FORM, "anna", Job()))
    view, changes = steps[-1]
    assert not view.problem and len(steps) == 4 + len(changes.blocks)
    plain = pipeline.draw(drawing.request_of(replace(FORM, n=1)))[0]
    np.testing.assert_array_equal(changes.without, plain)
    file = load_adapter(studio.people.find("anna") / ADAPTER)
    np.testing.assert_allclose(changes.whole, drawn_with(studio, file), atol=1)
    names = [block.name for block in changes.blocks]
    assert names == list(dict.fromkeys(map(block_of, file.factors))) and "mid" in names
    mid = changes.blocks[names.index("mid")]
    alone = {k: v for k, v in file.factors.items() if block_of(k) == "mid"}
    expected = drawn_with(studio, replace(file, factors=alone))
    np.testing.assert_allclose(mid.picture, expected, atol=1)
    apart = np.sqrt(np.mean((np.float64(mid.picture) - plain) ** 2))
    assert mid.apart == pytest.approx(apart) and apart > 1
    assert (mid.kernels, mid.ranks) == (len(alone), (2,))
    shown = adapting.shown(changes)
    assert shown.count("<img") == 2 + len(names) and "ddpm/nets/adapters.py:" in shown


def test_the_length_of_changes_is_in_shares_of_the_kernels(studio, pipeline):
    from keras import ops

    from ddpm.nets.layers import named_weights

    file = load_adapter(studio.people.find("anna") / ADAPTER)
    changes = adapting.measure(file, pipeline.model.network)
    weights = named_weights(pipeline.model.network)
    for block in changes.blocks:
        added = kernels = 0.0
        for name, (down, up, alpha) in file.factors.items():
            if block_of(name) == block.name:
                added += np.sum((alpha / 2 * (down @ up)) ** 2)
                kernels += np.sum(ops.convert_to_numpy(weights[name]) ** 2)
        assert block.share == pytest.approx(np.sqrt(added / kernels), rel=1e-4)
    assert adapting.shown(changes).count("<img") == 0  # before anything is drawn


def test_nobody_to_take_apart_is_a_sentence(studio):
    ((view, changes),) = adapting.look(studio, FORM, None, Job())
    assert view.problem.startswith("choose a person first") and changes is None


def test_it_stops_between_two_pictures(studio):
    job, seen = Job(), []
    for step in adapting.look(studio, FORM, "anna", job):
        seen.append(step)
        if len(seen) == 2:
            job.stop()
    view, changes = seen[-1]
    assert view.status == "Stopped." and changes.without is not None and changes.whole is None
