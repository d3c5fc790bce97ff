"""New words: rows behind those of a text encoder's table, learned while the table stays."""

import keras
import numpy as np
from keras import ops

from ddpm.conditions.text import TABLE


@keras.saving.register_keras_serializable(package="ddpm")
class Words(keras.layers.Layer):
    """The vectors of new words: what an `adapters.Adapter` is for kernels, for the rows of a table.

    The network has these rows already, and zeros in them; `adapters.Adapted` adds the vectors.

    Args:
        first: number of the first row.
        count: of rows, the table's last ones.
        width: elements of a vector.

    Reference:
        Gal et al. 2022, textual inversion (arXiv:2208.01618), section 3.2.
    """

    def __init__(self, first, count, width, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.first, self.count, self.width = first, count, width
        self.vectors = self.add_weight(
            shape=(count, width), initializer="zeros", name="vectors", autocast=False
        )
        self.built = True

    def deltas(self, strength=1.0):
        """What is added to the table: {its name: float32 (first + count, width)}.

        Args:
            strength: a number, or a tensor of one.
        """
        # Padded, not multiplied by one-hot rows: no accelerator rounds a sum with zeros.
        return {TABLE: ops.pad(strength * self.vectors, ((self.first, 0), (0, 0)))}

    def call(self, strength):
        """`deltas` of a strength that is a tensor."""
        return self.deltas(strength)

    def get_config(self):
        own = {"first": self.first, "count": self.count, "width": self.width}
        return {**super().get_config(), **own}


def first_vectors(table, count, like=None):
    """Where new words begin.

    Args:
        table: float32 (rows, width), of the words that there are.
        count: vectors wanted.
        like: row of a word that is near to them; None begins in the middle of all words.

    Returns:
        float32 (count, width). Those behind the first differ from it by noise of a tenth of the
        table's size: vectors that begin alike learn nearly alike.
    """
    start = table.mean(axis=0) if like is None else table[like]
    noise = np.random.default_rng(0).normal(size=(count, table.shape[1]))
    noise[0] = 0.0
    size = 0.1 * np.sqrt(np.mean(np.square(table)))
    return (start + size * noise).astype(np.float32)
