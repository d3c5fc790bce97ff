"""The identity's encoder: the vector of a face to a few tokens."""

import keras
from keras import ops

from ddpm.conditions.record import Encoding
from ddpm.nets.layers import EPSILON


@keras.saving.register_keras_serializable(package="ddpm")
class IdentityEncoder(keras.layers.Layer):
    """A unit vector to tokens: norm(Dense(v sqrt(D)) + learned tokens).

    Args:
        dimensions: D, length of the vector.
        tokens: L, number of tokens.
        width: W, elements of a token.

    Reference:
        Ye et al. 2023, IP-Adapter (arXiv:2308.06721), section 3.2.1: a dense layer and a
        normalisation, four tokens. Its attention of their own is left out, for here the network is
        trained with them: they stand beside the words.
    """

    def __init__(self, dimensions=128, tokens=4, width=128, **kwargs):
        super().__init__(**kwargs)
        self.dimensions, self.tokens, self.width = dimensions, tokens, width
        dtype = self.dtype_policy
        self.dense = keras.layers.Dense(tokens * width, use_bias=False, dtype=dtype)
        self.norm = keras.layers.LayerNormalization(epsilon=EPSILON, dtype=dtype)

    @property
    def feature_width(self):
        """Elements of the pooled vector."""
        return self.dimensions

    def build(self, identity_shape):
        self.dense.build((None, self.dimensions))
        self.learned = self.add_weight(
            shape=(self.tokens, self.width),
            initializer=keras.initializers.RandomNormal(0.02),
            name="learned",
        )
        self.norm.build((None, self.tokens, self.width))

    def call(self, identity):
        """Encode vectors.

        Args:
            identity: (B, D), of length 1, or 0 for nobody.

        Returns:
            `Encoding`: features (B, D), the vector itself with a mean square of 1, 0 for nobody;
            tokens (B, L, W); token_mask bool (B, L), all of a person's and none of nobody's.
        """
        somebody = ops.any(ops.not_equal(identity, 0), axis=-1, keepdims=True)
        # A unit vector's elements are as small as D is large; a layer wants them near 1.
        v = ops.cast(identity, self.compute_dtype) * self.dimensions**0.5
        tokens = ops.reshape(self.dense(v), (-1, self.tokens, self.width))
        tokens = self.norm(tokens + ops.cast(self.learned, self.compute_dtype))
        return Encoding(v, tokens, ops.repeat(somebody, self.tokens, axis=1))

    def get_config(self):
        own = {"dimensions": self.dimensions, "tokens": self.tokens, "width": self.width}
        return {**super().get_config(), **own}
