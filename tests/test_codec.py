"""The codec: pictures to what is diffused, and back."""

import numpy as np

from ddpm.codec import PIXELS, to_float, to_uint8


def test_levels_of_grey_are_rounded_and_clipped():
    x = np.array([-2, -1, -1 + 0.9 / 255, -1 + 1.1 / 255, 0.999, 1, 7, 1 - 2.2 / 255])
    assert to_uint8(x).tolist() == [0, 0, 0, 1, 255, 255, 255, 254]
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_uint8(every.astype(np.float32) / 127.5 - 1), every)


def test_pixels_come_back_exactly():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, -1)
    x0 = PIXELS.encode(images)
    assert x0.dtype == np.float32 and x0.shape == images.shape
    assert (x0.min(), x0.max()) == PIXELS.bounds == (-1, 1) and PIXELS.stride == 1
    assert np.array_equal(PIXELS.decode(x0), images)
    assert np.array_equal(to_float(images), x0) and PIXELS.decode(x0).dtype == np.uint8


def test_what_a_network_overshoots_is_clipped_on_the_way_back():
    assert PIXELS.decode(np.array([[[[-3.0, 3.0, np.float32(0)]]]])).ravel().tolist() == [
        0,
        255,
        128,
    ]
