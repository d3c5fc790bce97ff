"""The text encoder: tokens to vectors, a small transformer that is trained with the model."""

import keras
from keras import ops

from ddpm.conditions.record import Encoding
from ddpm.conditions.text import PAD
from ddpm.nets.layers import EPSILON, attend, join_heads, split_heads

KERNEL = 7  # tokens that a convolution sees, its own in the middle


@keras.saving.register_keras_serializable(package="ddpm")
class TextEncoder(keras.layers.Layer):
    """Tokens to vectors: embeddings, a convolution over neighbours, then pre-norm transformer
    layers in which every token attends to every token.

    The convolution says at once what attention would have to find out: that in "short black hair,
    in a red jacket" black belongs to hair. It is zero at the start.

    Args:
        vocabulary_size: number of different tokens.
        length: tokens of a row.
        width: elements of a vector.
        layers: number of transformer layers.
        head_width: elements of an attention head; divides `width`.

    Reference:
        Vaswani et al. 2017 (arXiv:1706.03762), section 3; the normalisation before each part as in
        Radford et al. 2021 (CLIP, arXiv:2103.00020).
    """

    def __init__(self, vocabulary_size, length=48, width=128, layers=2, head_width=32, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size, self.length, self.width = vocabulary_size, length, width
        self.head_width = head_width
        dtype = self.dtype_policy
        normal = keras.initializers.RandomNormal(0.02)
        self.token_embedding = keras.layers.Embedding(vocabulary_size, width, normal, dtype=dtype)
        self.position_embedding = keras.layers.Embedding(length, width, normal, dtype=dtype)
        self.conv = keras.layers.Conv1D(
            width, KERNEL, padding="same", kernel_initializer="zeros", dtype=dtype
        )
        self.transformer = [TransformerLayer(width, head_width, dtype=dtype) for _ in range(layers)]
        self.norm = _norm(dtype)

    @property
    def feature_width(self):
        """Elements of the pooled vector."""
        return self.width

    def build(self, input_shape):
        self.token_embedding.build(input_shape)
        self.position_embedding.build((self.length,))
        shape = (None, self.length, self.width)
        self.conv.build(shape)
        for layer in self.transformer:
            layer.build(shape)
        self.norm.build(shape)

    def call(self, tokens):
        """Encode rows of tokens.

        Args:
            tokens: int32 (B, length).

        Returns:
            `Encoding`: features (B, width), the vector of START, which stands for the whole; tokens
            (B, length, width); token_mask bool (B, length).
        """
        token_mask = ops.not_equal(tokens, PAD)
        words = self.token_embedding(tokens) * ops.cast(token_mask, self.compute_dtype)[:, :, None]
        h = words + self.conv(words) + self.position_embedding(ops.arange(self.length))
        for layer in self.transformer:
            h = layer(h, token_mask)
        h = self.norm(h)
        return Encoding(h[:, 0], h, token_mask)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "length": self.length,
            "width": self.width,
            "layers": len(self.transformer),
            "head_width": self.head_width,
        }


@keras.saving.register_keras_serializable(package="ddpm")
class TransformerLayer(keras.layers.Layer):
    """h + attention(norm(h)), then h + dense(swish(dense(norm(h)))): (B, N, C) -> (B, N, C).

    Args:
        width: C.
        head_width: elements of an attention head; divides `width`.

    Reference:
        Vaswani et al. 2017 (arXiv:1706.03762), section 3.1, with the normalisation first.
    """

    def __init__(self, width, head_width, **kwargs):
        super().__init__(**kwargs)
        self.width, self.head_width, self.heads = width, head_width, width // head_width
        dtype = self.dtype_policy
        self.norm1, self.norm2 = _norm(dtype), _norm(dtype)
        self.qkv = keras.layers.Dense(3 * width, dtype=dtype)
        self.out = keras.layers.Dense(width, dtype=dtype)
        self.dense1 = keras.layers.Dense(4 * width, activation="swish", dtype=dtype)
        self.dense2 = keras.layers.Dense(width, dtype=dtype)

    def build(self, h_shape):
        for layer in (self.norm1, self.norm2, self.qkv, self.out, self.dense1):
            layer.build(h_shape)
        self.dense2.build((*h_shape[:-1], 4 * self.width))

    def call(self, h, token_mask=None):
        """Args: h (B, N, C); token_mask bool (B, N), tokens that count. Returns: (B, N, C)."""
        q, k, v = split_heads(self.qkv(self.norm1(h)), 3, self.heads)
        h = h + self.out(join_heads(attend(q, k, v, token_mask)))
        return h + self.dense2(self.dense1(self.norm2(h)))

    def get_config(self):
        return {**super().get_config(), "width": self.width, "head_width": self.head_width}


def _norm(dtype):
    return keras.layers.LayerNormalization(epsilon=EPSILON, dtype=dtype)
