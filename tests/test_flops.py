"""Operations counted by formula, of graphs whose counts are known."""

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow's graphs are counted", allow_module_level=True)

import tensorflow as tf

from benchmarks.flops import operations


def count(function, *shapes):
    arguments = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    return operations(tf.function(function).get_concrete_function(*arguments).graph)


def test_products_of_matrices():
    assert count(tf.matmul, (5, 7), (7, 3)) == 2 * 5 * 7 * 3
    transposed = count(lambda a, b: tf.matmul(a, b, transpose_a=True), (7, 5), (7, 3))
    assert transposed == 2 * 5 * 7 * 3
    stacks = count(lambda a, b: tf.matmul(a, b, transpose_b=True), (2, 4, 5, 7), (2, 4, 3, 7))
    assert stacks == 8 * 2 * 5 * 7 * 3


@pytest.mark.parametrize("strides", [1, 2])
def test_a_convolution_and_its_gradients(strides):
    kernel, places = 3 * 3 * 4 * 6, 2 * (8 // strides) * (8 // strides)

    def forward(x, w):
        return tf.nn.conv2d(x, w, strides, "SAME")

    def backward(x, w):
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            y = forward(x, w)
        return tape.gradient(y, [x, w])

    assert count(forward, (2, 8, 8, 4), (3, 3, 4, 6)) == 2 * kernel * places
    assert count(backward, (2, 8, 8, 4), (3, 3, 4, 6)) == 3 * 2 * kernel * places
    with pytest.raises(ValueError, match="no static shape"):
        count(forward, (None, 8, 8, 4), (3, 3, 4, 6))
