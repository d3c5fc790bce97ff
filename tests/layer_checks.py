"""The layer contract: what every layer must pass, whatever it computes."""

from dataclasses import asdict, is_dataclass

import keras
import numpy as np
from keras import ops

POLICIES = ("float32", "mixed_bfloat16")
STEPS = 3  # of training
# Options of `compile`: on TensorFlow a few steps take less time than compiling them; on JAX it is
# the other way.
EAGER = keras.backend.backend() == "tensorflow"
FEW_STEPS = {"run_eagerly": EAGER, "jit_compile": False if EAGER else "auto"}


class Probe(keras.Model):
    """A layer between its inputs and one row of numbers a picture: what it takes to train it alone.

    Args:
        layer: the layer.
    """

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, inputs, training=False):  # named, so that Keras passes it to the layer
        parts = [ops.cast(y, "float32") for y in floats(self.layer(*inputs))]
        parts = [ops.reshape(y, (ops.shape(y)[0], -1)) for y in parts]
        return ops.concatenate(parts, axis=-1)


class SignDescent(keras.optimizers.Optimizer):
    """Each weight goes down its gradient by the learning rate, be the gradient large or small; one
    operation a weight, where Adam takes a dozen."""

    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, learning_rate * ops.sign(ops.cast(gradient, variable.dtype)))


def run_layer_test(
    cls, arguments, inputs, output_shape, output_dtype=None, policies=POLICIES, steps=STEPS
):
    """Check config, shapes, dtypes and training of one layer under every precision policy.

    Args:
        cls: the layer's class.
        arguments: its constructor's arguments; or (policy) -> arguments, where they hold layers.
        inputs: tuple of arrays, or of dicts and tuples of arrays, as `call` takes them.
        output_shape: the shape that must come out, or a list of them where there are more arrays.
        output_dtype: of the floating-point results; None for the layer's compute dtype.
        policies: words of `POLICIES`.
        steps: of training, at least two, that must lower the loss.

    Raises:
        AssertionError: the layer breaks the contract.
    """
    shapes = output_shape if isinstance(output_shape, list) else [output_shape]
    for policy in policies:
        keras.utils.set_random_seed(0)
        given = _arguments(arguments, policy)
        layer = cls(**given, dtype=policy)
        outputs = _arrays(layer(*inputs))
        assert [tuple(y.shape) for y in outputs] == shapes, (policy, [y.shape for y in outputs])
        for y in floats(outputs):
            dtype = keras.backend.standardize_dtype(y.dtype)
            assert dtype == (output_dtype or layer.compute_dtype), (policy, dtype)
            assert np.all(np.isfinite(numpy_of(y)))
        assert {v.dtype for v in layer.weights} <= {"float32"}, "weights must stay float32"
        check_config(layer, given)
        check_same_weights_same_result(layer, inputs)
        check_symbolic(layer, inputs, shapes)
        check_training(cls(**_arguments(arguments, policy), dtype=policy), inputs, steps)


def _arguments(arguments, policy):
    return arguments(policy) if callable(arguments) else arguments


def check_config(layer, arguments):
    """A layer made from the config has the same config, with every argument in it."""
    config = layer.get_config()
    assert set(arguments) <= set(config), set(arguments) - set(config)
    for name, value in arguments.items():
        assert without_names(plain(config[name])) == without_names(plain(value)), name
    assert type(layer).from_config(config).get_config() == config


def plain(value):
    """An argument as a config has it: dataclasses and layers as dicts, tuples as lists."""
    if isinstance(value, keras.layers.Layer):
        return plain(value.get_config())
    if is_dataclass(value):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def without_names(value):
    """A config without the names that Keras numbers its layers by: two that were made alike are
    named differently."""
    if isinstance(value, dict):
        return {key: without_names(item) for key, item in value.items() if key != "name"}
    return [without_names(item) for item in value] if isinstance(value, list) else value


def check_same_weights_same_result(layer, inputs):
    """The config and the weights are all that a layer is."""
    randomise(layer)
    twin = type(layer).from_config(layer.get_config())
    twin(*inputs)
    twin.set_weights(layer.get_weights())
    for first, second in zip(floats(layer(*inputs)), floats(twin(*inputs)), strict=True):
        np.testing.assert_array_equal(numpy_of(first), numpy_of(second))


def check_symbolic(layer, inputs, shapes):
    """Shapes are known before there are numbers, with the batch left open."""
    symbols = keras.tree.map_structure(
        lambda x: keras.KerasTensor((None, *x.shape[1:]), dtype=str(x.dtype)), inputs
    )
    # Keras' symbolic call takes no None among the results.
    partial = None in keras.tree.flatten(layer(*inputs))
    outputs = _arrays((layer.compute_output_spec if partial else layer)(*symbols))
    assert [tuple(y.shape) for y in outputs] == [(None, *shape[1:]) for shape in shapes]


def check_training(layer, inputs, steps=STEPS):
    """One step moves every weight, but for those of frozen parts; a few lower the loss."""
    layer(*inputs)
    randomise(layer)
    if not layer.weights:
        return
    before = layer.get_weights()
    probe = Probe(layer)
    target = np.random.default_rng(1).normal(size=probe(inputs).shape).astype("float32")
    probe.compile(SignDescent(3e-3), "mse", **FEW_STEPS)
    losses = [float(probe.train_on_batch(inputs, target))]
    frozen = {id(v) for part in layer._flatten_layers() if not part.trainable for v in part.weights}
    for weight, old in zip(layer.weights, before, strict=True):
        moved = np.any(ops.convert_to_numpy(weight) != old)
        assert moved != (id(weight) in frozen), weight.path
    losses += [float(probe.train_on_batch(inputs, target)) for _ in range(steps - 1)]
    if layer.trainable_weights:
        assert losses[-1] < losses[0], losses


def _arrays(outputs):
    return [y for y in keras.tree.flatten(outputs) if y is not None]


def floats(outputs):
    """The floating-point arrays of a layer's outputs."""
    return [y for y in _arrays(outputs) if "float" in keras.backend.standardize_dtype(y.dtype)]


def numpy_of(x):
    """An array of any backend and dtype as NumPy float32."""
    return ops.convert_to_numpy(ops.cast(x, "float32"))


def randomise(layer, scale=0.1, seed=0):
    """Add noise to every weight, so that nothing hides behind a zero or a one."""
    rng = np.random.default_rng(seed)
    layer.set_weights([w + scale * rng.normal(size=w.shape) for w in layer.get_weights()])
