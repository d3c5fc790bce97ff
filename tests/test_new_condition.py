"""The house carries: a new condition is one record in this file, and nothing else is touched.

A class label, 0 or 1, embedded and added to the time embedding as SDXL's sizes are.
"""

from dataclasses import dataclass

import keras
import numpy as np
import pytest
from keras import ops

from ddpm.bundle import Model, load_model, save_model
from ddpm.conditions import (
    CONDITIONS,
    Condition,
    DropRates,
    Encoding,
    Source,
    default_condition,
    drop_conditions,
    null_condition,
)
from ddpm.pipeline import Pipeline, Request
from ddpm.presets import PRESETS
from ddpm.training.batches import BatchBuilder, batches
from ddpm.training.trainer import Trainer

CLASSES = 2
DARK, BRIGHT = 0, 1


@dataclass(frozen=True)
class LabelSettings:
    """Number of classes; one more label means "no class"."""

    classes: int = CLASSES


class LabelEncoder(keras.layers.Layer):
    """A label to features: (B,) int32 -> `Encoding` with features (B, 16)."""

    feature_width = 16

    def __init__(self, classes, **kwargs):
        super().__init__(**kwargs)
        self.embedding = keras.layers.Embedding(
            classes + 1, self.feature_width, dtype=self.dtype_policy
        )

    def build(self, label_shape):
        self.embedding.build(label_shape)

    def call(self, label):
        return Encoding(features=ops.cast(self.embedding(label), self.compute_dtype))


def null(settings, n):
    return {"label": np.full(n, settings.classes, np.int32)}


def rows(source, settings):
    return lambda window: {"label": np.int32(source.columns["label"][window.index])}


LABEL = Condition(
    arrays=("label",),
    settings=LabelSettings,
    null=null,
    negative=lambda request, settings, n: null(settings, n) if "label" in request.arrays else None,
    rows=rows,
    encoder=lambda settings, dtype: LabelEncoder(settings.classes, dtype=dtype),
)


@pytest.fixture(scope="module", autouse=True)
def in_the_table():
    CONDITIONS["label"] = LABEL
    yield
    del CONDITIONS["label"]


def preset_with_label():
    preset = PRESETS["micro"].with_conditions(label=LabelSettings())
    return preset.with_(
        # As the conditional presets: where all is noise, the label is all there is to go by.
        objective={"weighting": "clamped_snr", "timestep_bias": 1.5},
        run={"learning_rate": 5e-3, "warmup_steps": 5, "ema_decay": 0.9},
    )


@pytest.fixture(scope="module")
def dark_and_bright():
    """32 flat pictures of many levels, and which half of the levels each is from."""
    rng = np.random.default_rng(0)
    label = np.arange(32) % CLASSES
    level = np.where(label == DARK, 90, 165) + rng.uniform(-40, 40, 32)
    pictures = level[:, None, None, None] + rng.integers(-20, 20, (32, 32, 32, 3))
    return Source(np.uint8(pictures), columns={"label": label})


@pytest.fixture(scope="module")
def trained(dark_and_bright, tmp_path_factory):
    """A small network after 60 steps on them: a `Trainer`."""
    preset, folder = preset_with_label(), tmp_path_factory.mktemp("label")
    trainer = Trainer(lambda: preset.make_network("float32"), preset, folder, None)
    build = BatchBuilder(dark_and_bright, preset)
    stream = batches(dark_and_bright.images, 16, seed=0, flip=True, build=build)
    for _ in range(60):
        trainer.model.train_on_batch(*next(stream))
    trainer.update_average()
    return trainer


def brightness(pipeline, label, guidance=1.0):
    arrays = {} if label is None else {"label": np.full(1, label, np.int32)}
    request = Request(n=4, batch_size=4, steps=6, guidance=guidance, arrays=arrays)
    return float(pipeline.draw(request).mean())


def test_a_batch_holds_the_labels_of_its_pictures(dark_and_bright):
    build = BatchBuilder(dark_and_bright, preset_with_label())
    indices = np.array([3, 4, 5, 30])
    batch = build(indices, np.zeros(4, bool), np.random.default_rng(0), drop=False)
    np.testing.assert_array_equal(batch["label"], indices % CLASSES)


def test_labels_are_dropped_as_often_as_asked(rng):
    conditions = {"label": LabelSettings()}
    labels = {"label": np.zeros(20_000, np.int32)}
    dropped = drop_conditions(conditions, labels, rng, DropRates(0.2, 0.1))["label"] == CLASSES
    assert dropped.mean() == pytest.approx(1 - 0.8 * 0.9, abs=0.015)


def test_nothing_requested_is_no_class():
    preset, config = preset_with_label(), preset_with_label().network
    np.testing.assert_array_equal(default_condition(preset, 3)["label"], [CLASSES] * 3)
    np.testing.assert_array_equal(null_condition(config.conditions, 2)["label"], [CLASSES] * 2)


def test_the_label_decides_what_is_drawn_and_guidance_makes_more_of_it(trained):
    pipeline = trained.pipeline
    dark, bright = (brightness(pipeline, label) for label in (DARK, BRIGHT))
    assert bright - dark > 40
    assert dark < brightness(pipeline, None) < bright
    # The negative side is no class at all: each is pushed away from the middle.
    assert brightness(pipeline, BRIGHT, guidance=2.0) > bright
    assert pipeline.nfe == 2 * 6


def test_the_weights_file_holds_it(trained, tmp_path):
    preset = preset_with_label()
    save_model(trained.averaged, preset, tmp_path / "a.weights.h5")
    model = load_model(tmp_path / "a.weights.h5", "float32")
    assert isinstance(model, Model) and model.preset == preset
    assert brightness(Pipeline(model), BRIGHT) == brightness(trained.pipeline, BRIGHT)


def test_another_condition_is_refused(trained):
    with pytest.raises(ValueError, match="conditioned on label"):
        trained.averaged(np.zeros((1, 32, 32, 3), np.float32), np.zeros(1), {"mood": np.zeros(1)})
