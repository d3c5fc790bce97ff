"""Which part of a face each cell of a training window shows, as the renderer knows it: what
`objectives.PartsObjective` asks the middle of a network for."""

import cv2
import numpy as np

ARRAY = "parts"  # of a batch, uint8 (B, h, w)


def part_rows(source, size, stride):
    """What makes the row of a batch's array.

    Args:
        source: a `conditions.Source` with `labels`.
        size: of the windows, pixels.
        stride: pixels a side to a cell.

    Returns:
        (`Window`) -> {ARRAY: uint8 (size / stride, size / stride)}.
    """

    def row(window):
        labels = np.asarray(source.labels[window.index])
        side = np.shape(source.images[window.index])[0]
        matrix = window.matrix * np.array([side / len(labels)] * 2 + [1.0])
        return {ARRAY: cell_labels(labels, matrix, size, stride)}

    return row


def cell_labels(labels, matrix, size, stride):
    """The label in the middle of each cell of a window.

    Args:
        labels: uint8 (H, W), the part map of a whole picture.
        matrix: float (2, 3), from the map's points (pixels, corner at 0) to the window's.
        size: of the window, pixels.
        stride: pixels a side to a cell.

    Returns:
        uint8 (size / stride, size / stride); 0, background, outside the picture.
    """
    to_cells = np.float64(matrix) / stride
    to_cells[:, 2] += to_cells[:, :2].sum(1) / 2 - 0.5  # corners at 0 -> middles at 0
    cells = (size // stride, size // stride)
    return cv2.warpAffine(np.ascontiguousarray(labels), to_cells, cells, flags=cv2.INTER_NEAREST)
