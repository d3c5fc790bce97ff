"""What attention layers look at, recomputed."""

import keras
import numpy as np
import pytest
from keras import ops

from ddpm.nets.attention_maps import attention_maps
from ddpm.nets.layers import CrossAttention, SelfAttention, attend, attention_weights
from ddpm.nets.mp_unet import MPAttention


class Two(keras.Model):
    """A layer that looks at pixels, then one that looks at tokens."""

    def __init__(self, pixels, words):
        super().__init__()
        self.pixels, self.words = pixels, words

    def call(self, x, tokens, mask, training=False):
        return self.words(self.pixels(x), tokens, mask)


@pytest.fixture(params=["plain", "mp"])
def network(request):
    if request.param == "mp":
        return Two(MPAttention(8), MPAttention(8))
    return Two(SelfAttention(8, 4), CrossAttention(8, 4))


def test_weights_are_shares_and_leave_out_what_is_masked(network, rng):
    x = rng.normal(size=(2, 3, 4, 16)).astype("float32")
    tokens = rng.normal(size=(2, 5, 7)).astype("float32")
    mask = np.arange(5) < np.array([[3], [5]])
    before = np.asarray(network(x, tokens, mask))
    (pixels,), (words,) = attention_maps(network, x, tokens, mask)
    assert pixels.shape == (2, 3, 4, 3, 4) and words.shape == (2, 3, 4, 5)
    np.testing.assert_allclose(pixels.sum((-1, -2)), 1, atol=1e-5)
    np.testing.assert_allclose(words.sum(-1), 1, atol=1e-5)
    assert (words[0, ..., 3:] == 0).all() and (words[1] > 0).all()
    # The network is as it was: the same result, and nothing is noted any more.
    np.testing.assert_array_equal(network(x, tokens, mask), before)
    assert "call" not in vars(network.pixels)


def test_a_query_looks_at_the_key_that_it_resembles():
    keys = 20 * np.eye(4, dtype="float32")[None, None]
    queries = keys[:, :, [2, 0]]
    weights = np.asarray(attention_weights(queries, keys))
    assert weights.argmax(-1).tolist() == [[[2, 0]]] and (weights.max(-1) > 0.99).all()
    values = np.arange(4, dtype="float32")[None, None, :, None]
    np.testing.assert_allclose(
        attend(queries, keys, ops.array(values))[0, 0, :, 0], [2, 0], atol=1e-4
    )
