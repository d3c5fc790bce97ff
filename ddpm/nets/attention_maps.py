"""What attention layers look at: their weights, computed again from what each layer was given."""

from contextlib import contextmanager
from functools import partial

import numpy as np
from keras import ops

from ddpm.nets.layers import CrossAttention, SelfAttention, attention_weights
from ddpm.nets.mp_unet import MPAttention

LAYERS = (SelfAttention, CrossAttention, MPAttention)


def attention_maps(network, *inputs):
    """Call a network, and say what its attention layers look at.

    Args:
        network: a Keras model with layers of `LAYERS`.
        inputs: what it is called with.

    Returns:
        (selves, crosses): two lists in the order of the calls; of self-attention float32 (B, H, W,
        H, W), from a pixel to every pixel; of cross-attention float32 (B, H, W, L), from a pixel to
        every token. Each is the mean of the layer's heads, and sums to 1 over what is looked at.
    """
    with _given(network) as calls:
        network(*inputs, training=False)
    selves, crosses = [], []
    for layer, (x, *tokens) in calls:
        tokens, mask = tokens if tokens else (None, None)
        q, k, _ = layer.project(x) if tokens is None else layer.project(x, tokens)
        weights = np.asarray(ops.mean(attention_weights(q, k, mask), axis=1))  # (B, N, M)
        grid = tuple(x.shape[1:3])
        where = selves if tokens is None else crosses
        seen = grid if tokens is None else weights.shape[-1:]
        where.append(weights.reshape(-1, *grid, *seen))
    return selves, crosses


@contextmanager
def _given(network):
    """While it lasts, note what each attention layer of a network is called with: list of (layer,
    arguments)."""
    calls = []
    layers = [layer for layer in network._flatten_layers() if isinstance(layer, LAYERS)]
    for layer in layers:
        layer.call = partial(_noted, calls, layer, layer.call)
    try:
        yield calls
    finally:
        for layer in layers:
            del layer.call  # the class's again


def _noted(calls, layer, call, *arguments):
    calls.append((layer, arguments))
    return call(*arguments)
