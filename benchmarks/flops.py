"""Floating-point operations of a TensorFlow graph, by formula, and what the machine can do at most.

Counted are convolutions and products of matrices, forward and backward, two operations for each
multiplication with its addition: what a network must compute, however it is computed. All else is
passes over memory.
"""

import math
import time

PEAK_SIDE, PEAK_ROUNDS = 4096, 5  # of the matrices multiplied


def operations(graph):
    """Floating-point operations of a graph whose shapes are static: int.

    Raises:
        ValueError: if a shape is not known.
    """
    return sum(_FORMULAS[op.type](op) for op in graph.get_operations() if op.type in _FORMULAS)


def peak(dtype, at_once=1):
    """Operations a second of large products of matrices: the best of a few.

    Args:
        dtype: "bfloat16" or "float32".
        at_once: how many products run side by side: as many as there are cores, where each
            operation has one thread.
    """
    import tensorflow as tf

    shape = (at_once, PEAK_SIDE, PEAK_SIDE)
    matrices = tf.unstack(tf.cast(tf.random.normal(shape, seed=0), dtype))

    @tf.function
    def multiply():
        return [tf.matmul(a, a) for a in matrices]

    multiply()  # compiles
    seconds = []
    for _ in range(PEAK_ROUNDS):
        began = time.perf_counter()
        for product in multiply():
            product[0, 0].numpy()
        seconds.append(time.perf_counter() - began)
    return 2 * at_once * PEAK_SIDE**3 / min(seconds)


def _shape(tensor):
    if not tensor.shape.is_fully_defined():
        raise ValueError(f"{tensor.name} has no static shape. Received: {tensor.shape}.")
    return tensor.shape.as_list()


def _convolution(kernel, grid):
    """Of a kernel (h, w, in, out) at every place of a grid (B, H, W, C)."""
    batch, height, width, _ = grid
    return 2 * batch * height * width * math.prod(kernel)


def _matrices(op):
    """Of a product of (stacks of) matrices, either of them transposed."""
    first = _shape(op.inputs[0])
    transposed = any(
        op.get_attr(name) for name in ("transpose_a", "adj_x") if name in op.node_def.attr
    )
    return 2 * math.prod(_shape(op.outputs[0])) * first[-2 if transposed else -1]


_FORMULAS = {
    "Conv2D": lambda op: _convolution(_shape(op.inputs[1]), _shape(op.outputs[0])),
    "Conv2DBackpropInput": lambda op: _convolution(_shape(op.inputs[1]), _shape(op.inputs[2])),
    "Conv2DBackpropFilter": lambda op: _convolution(_shape(op.outputs[0]), _shape(op.inputs[2])),
    "MatMul": _matrices,
    "BatchMatMulV2": _matrices,
}
