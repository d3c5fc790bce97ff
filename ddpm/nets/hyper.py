"""The hypernetwork: from the features of one face to the numbers of a light adapter.

Reference:
    Ruiz et al. 2023, HyperDreamBooth (arXiv:2307.06949), section 4.2.
"""

from dataclasses import asdict, dataclass

import keras
import numpy as np
from keras import ops

from ddpm.nets.adapters import call_with, light_deltas, outer
from ddpm.nets.layers import EPSILON, attend, join_heads, named_weights, split_heads
from ddpm.nets.lidb import PREDICTED, REFERENCE, LightForm
from ddpm.nets.text import TransformerLayer


@dataclass(frozen=True)
class HyperSettings:
    """Settings of a hypernetwork.

    Args:
        width: elements of a token.
        blocks: of the decoder.
        head_width: elements of an attention head; divides `width`.
        refinements: k, how often the prediction is refined.
        before, behind: what a predicted 1 is worth, of a (whose length begins at 1) and of b (whose
            length is the relative size of a kernel's change): small, for every step of the
            optimizer moves a prediction by some hundredths.
    """

    width: int = 192
    blocks: int = 4
    head_width: int = 32
    refinements: int = 3
    before: float = 0.1
    behind: float = 0.01


@keras.saving.register_keras_serializable(package="ddpm")
class TokenCrossAttention(keras.layers.Layer):
    """h + out(attention from norm(h) to other tokens): (B, N, C), (B, M, W) -> (B, N, C).

    Args:
        head_width: elements of an attention head; divides C.
    """

    def __init__(self, head_width=32, **kwargs):
        super().__init__(**kwargs)
        self.head_width = head_width
        self.norm = keras.layers.LayerNormalization(epsilon=EPSILON, dtype=self.dtype_policy)

    def build(self, h_shape, tokens_shape):
        width, dtype = h_shape[-1], self.dtype_policy
        self.heads = width // self.head_width
        self.norm.build(h_shape)
        self.q = keras.layers.Dense(width, dtype=dtype)
        self.kv = keras.layers.Dense(2 * width, dtype=dtype)
        self.out = keras.layers.Dense(width, dtype=dtype)
        self.q.build(h_shape)
        self.kv.build(tokens_shape)
        self.out.build(h_shape)

    def call(self, h, tokens):
        (q,) = split_heads(self.q(self.norm(h)), 1, self.heads)
        k, v = split_heads(self.kv(tokens), 2, self.heads)
        return h + self.out(join_heads(attend(q, k, v)))

    def get_config(self):
        return {**super().get_config(), "head_width": self.head_width}


@keras.saving.register_keras_serializable(package="ddpm")
class HyperNetwork(keras.Model):
    """Features of faces to the numbers of light adapters: (P, M, F) -> float32 (P, L, A + B).

    One token a kernel, a learned embedding plus what is predicted of it so far (zero at first),
    looks at the tokens of the face and at the other kernels' tokens, and says by how much its
    numbers are to change; k times, with the same weights. a is a learned vector of length 1 plus
    its prediction, so that b has a gradient while all predictions are zero, as they are at the
    start: an untrained hypernetwork changes nothing.

    Args:
        form: `LightForm` of what is predicted, or its dict.
        faces: (M, F): tokens of a face, and elements of each. The last token is of another kind
            than the others: the whole face's.
        settings: `HyperSettings`, or its dict.
    """

    def __init__(self, form, faces, settings=None, **kwargs):
        super().__init__(**kwargs)
        self.form = form if isinstance(form, LightForm) else LightForm(**form)
        self.settings = settings or HyperSettings()
        if isinstance(settings, dict):
            self.settings = HyperSettings(**settings)
        self.faces = tuple(faces)
        s, dtype = self.settings, self.dtype_policy
        self.places = keras.layers.Dense(s.width, dtype=dtype)
        self.whole = keras.layers.Dense(s.width, dtype=dtype)
        self.face_norm = keras.layers.LayerNormalization(epsilon=EPSILON, dtype=dtype)
        self.so_far = keras.layers.Dense(s.width, use_bias=False, dtype=dtype)
        self.cross = [TokenCrossAttention(s.head_width, dtype=dtype) for _ in range(s.blocks)]
        self.transformer = [
            TransformerLayer(s.width, s.head_width, dtype=dtype) for _ in range(s.blocks)
        ]
        self.norm = keras.layers.LayerNormalization(epsilon=EPSILON, dtype=dtype)
        # float32, for small changes of a number are added up.
        self.head = keras.layers.Dense(
            self.form.columns, kernel_initializer="zeros", dtype="float32"
        )
        worth = np.full(self.form.columns, s.before, np.float32)
        worth[self.form.numbers[0] :] = s.behind
        self._worth = worth * self.form.used()
        self.build((None, *self.faces))

    def build(self, input_shape):
        if self.built:
            return
        width, rows = self.settings.width, self.form.rows
        normal = keras.initializers.RandomNormal(0.02)
        self.position = self.add_weight((self.faces[0], width), normal, name="position")
        self.kernel = self.add_weight((rows, width), normal, name="kernels")
        a = self.form.numbers[0]
        self.first = self.add_weight(
            (rows, a), keras.initializers.Constant(1.0), name="first", autocast=False
        )
        faces, tokens = (None, self.faces[0], width), (None, rows, width)
        self.places.build((None, None, self.faces[1]))
        self.whole.build((None, None, self.faces[1]))
        self.face_norm.build(faces)
        self.so_far.build((None, rows, self.form.columns))
        for cross, layer in zip(self.cross, self.transformer, strict=True):
            cross.build(tokens, faces)
            layer.build(tokens)
        self.norm.build(tokens)
        self.head.build(tokens)
        self.built = True

    def call(self, faces):
        """The numbers of light adapters.

        Args:
            faces: float (P, M, F).

        Returns:
            float32 (P, L, A + B), zero where `LightForm.used` is not.
        """
        faces = self._look(ops.cast(faces, self.compute_dtype))
        numbers = ops.zeros((ops.shape(faces)[0], self.form.rows, self.form.columns), "float32")
        for _ in range(self.settings.refinements):
            numbers = numbers + self._refine(numbers, faces)
        return self._start() + self._worth * numbers

    def _look(self, faces):
        """Tokens of faces, (P, M, F) -> (P, M, width)."""
        tokens = ops.concatenate([self.places(faces[:, :-1]), self.whole(faces[:, -1:])], axis=1)
        return self.face_norm(tokens + ops.cast(self.position, self.compute_dtype))

    def _refine(self, numbers, faces):
        """By how much the numbers change: float32 (P, L, A + B)."""
        h = self.so_far(ops.cast(numbers, self.compute_dtype))
        h = h + ops.cast(self.kernel, self.compute_dtype)
        for cross, layer in zip(self.cross, self.transformer, strict=True):
            h = layer(cross(h, faces))
        return self.head(ops.cast(self.norm(h), "float32"))

    def _start(self):
        """The numbers that predictions are added to: float32 (L, A + B)."""
        a, b = self.form.numbers
        first = self.first * self.form.used()[:, :a].astype(np.float32)
        first = first * ops.rsqrt(ops.sum(ops.square(first), axis=1, keepdims=True) + 1e-12)
        return ops.pad(first, ((0, 0), (0, b)))

    def get_config(self):
        own = {"form": self.form.to_dict(), "faces": list(self.faces)}
        return {**super().get_config(), **own, "settings": asdict(self.settings)}


@keras.saving.register_keras_serializable(package="ddpm")
class HyperAdapted(keras.Model):
    """A network whose kernels change from person to person, as a hypernetwork predicts from another
    picture of each: (x_t, t, condition) -> prediction.

    The rows are grouped by person: of P people, the first B / P rows are the first one's. The
    network's own weights are constants; what is trained is the hypernetwork.

    Args:
        network: a built network.
        hyper: `HyperNetwork`, whose form has names of the network's kernels.
    """

    def __init__(self, network, hyper, **kwargs):
        super().__init__(autocast=False, **{"dtype": network.dtype_policy, **kwargs})
        self.network = network
        self.network.trainable = False
        self.hyper = hyper
        weights = named_weights(network)
        self._named = {name: weights[name] for name in hyper.form.shapes}
        self.built = True

    @property
    def config(self):
        """The network's configuration."""
        return self.network.config

    def call(self, x_t, t, condition=None, training=False):
        """As the network's, with `lidb.REFERENCE` in the condition: float (P, M, F), features of P
        faces, P known when the step is compiled; or with `lidb.PREDICTED`, what the hypernetwork
        has made of them. Without either, the network as it is."""
        condition = dict(condition or {})
        faces, numbers = condition.pop(REFERENCE, None), condition.pop(PREDICTED, None)
        if faces is None and numbers is None:
            return self.network(x_t, t, condition or None, training=training)
        numbers = self.hyper(faces) if numbers is None else numbers
        return self.call_with_numbers(numbers, x_t, t, condition, training)

    def call_with_numbers(self, numbers, x_t, t, condition, training=False):
        """The prediction with P light adapters of these numbers, float32 (P, L, A + B)."""
        people, found = numbers.shape[0], light_deltas(self.hyper.form, numbers)
        rows = [ops.split(array, people) for array in (x_t, t)]
        own = {name: ops.split(array, people) for name, array in condition.items()}
        predictions = []
        for i in range(people):
            changed = {}
            for name, (before, behind) in found.items():
                delta = outer(self.hyper.form, name, before[i], behind[i])
                changed[id(self._named[name])] = ops.convert_to_tensor(self._named[name]) + delta
            given = {name: parts[i] for name, parts in own.items()}
            predictions.append(
                call_with(self.network, changed, rows[0][i], rows[1][i], given or None, training)
            )
        return ops.concatenate(predictions)
