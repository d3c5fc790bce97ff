"""One helper that every layer must pass, whatever it computes."""

import keras
import numpy as np
from keras import ops

POLICIES = ("float32", "mixed_bfloat16")


class Probe(keras.Model):
    """A layer between inputs and a mean squared error: what `fit` needs to train it alone."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, inputs, training=False):  # named, so that the layer is told of it
        return self.layer(*inputs)


def run_layer_test(cls, arguments, inputs, output_shape):
    """Check config, shapes, dtypes and training of one layer under every precision policy.

    Args:
        cls: the layer's class.
        arguments: its constructor's arguments.
        inputs: tuple of arrays, as `call` takes them.
        output_shape: the shape that must come out.
    """
    for policy in POLICIES:
        layer = cls(**arguments, dtype=policy)
        y = layer(*inputs)
        assert tuple(y.shape) == output_shape, (policy, y.shape)
        assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
        assert np.all(np.isfinite(ops.convert_to_numpy(ops.cast(y, "float32"))))
        assert {v.dtype for v in layer.weights} <= {"float32"}, "weights must stay float32"
        check_config(layer, arguments)
        check_same_weights_same_result(layer, inputs)
        check_symbolic(layer, inputs, output_shape)
        check_fit(cls(**arguments, dtype=policy), inputs, output_shape)


def check_config(layer, arguments):
    """A layer made from the config has the same config, with every argument in it."""
    config = layer.get_config()
    assert set(arguments) <= set(config), set(arguments) - set(config)
    assert {name: config[name] for name in arguments} == arguments
    assert type(layer).from_config(config).get_config() == config


def check_same_weights_same_result(layer, inputs):
    """The config and the weights are all that a layer is."""
    randomise(layer)
    twin = type(layer).from_config(layer.get_config())
    twin(*inputs)
    twin.set_weights(layer.get_weights())
    first, second = (ops.convert_to_numpy(ops.cast(f(*inputs), "float32")) for f in (layer, twin))
    np.testing.assert_array_equal(first, second)


def check_symbolic(layer, inputs, output_shape):
    """Shapes are known before there are numbers, with the batch left open."""
    symbols = [
        keras.KerasTensor((None, *x.shape[1:]), dtype=str(x.dtype)) for x in map(np.asarray, inputs)
    ]
    assert tuple(layer(*symbols).shape) == (None, *output_shape[1:])


def check_fit(layer, inputs, output_shape):
    """A few steps of `fit` lower the loss, and move every weight."""
    layer(*inputs)
    randomise(layer)
    before = layer.get_weights()
    probe = Probe(layer)
    probe.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse", jit_compile=False)
    target = np.random.default_rng(1).normal(size=output_shape).astype("float32")
    batch = output_shape[0]
    losses = probe.fit(inputs, target, batch_size=batch, epochs=6, verbose=0).history["loss"]
    if before:
        assert losses[-1] < losses[0], losses
    for weight, old in zip(layer.weights, before, strict=True):
        assert np.any(ops.convert_to_numpy(weight) != old), weight.path


def randomise(layer, scale=0.1, seed=0):
    """Add noise to every weight, so that nothing hides behind a zero or a one."""
    rng = np.random.default_rng(seed)
    layer.set_weights([w + scale * rng.normal(size=w.shape) for w in layer.get_weights()])
