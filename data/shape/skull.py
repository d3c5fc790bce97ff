"""The skull as hair meets it: how far its surface is in each direction from its centre."""

import cv2
import numpy as np

from data.shape.head import CENTRE, load_head
from data.shape.maths import look_up

DIRECTIONS = (40, 64)  # grid of directions (up-down, round) in which the size is kept


class Skull:
    """How far the surface is from the centre of the skull in each direction, ears left out.

    Args:
        vertices: float32 (V, 3), a neutral face.
    """

    def __init__(self, vertices):
        head = load_head()
        near = (head.rest[:, 1] > 6.25) & (head.masks["ears"] < 0.3)
        near &= np.isin(np.arange(len(near)), head.of_group("body"))
        offset = vertices[near] - CENTRE
        rows, columns, radius = self._cell(offset)
        table = np.zeros(DIRECTIONS, np.float32)
        np.maximum.at(table, (rows.astype(int), columns.astype(int) % DIRECTIONS[1]), radius)
        for _ in range(12):  # directions no vertex lies in take a neighbour's
            wide = cv2.copyMakeBorder(table, 1, 1, 1, 1, cv2.BORDER_WRAP)
            table = np.where(table > 0, table, cv2.dilate(wide, np.ones((3, 3)))[1:-1, 1:-1])
        table[:3] = table[1:3].mean()  # at the pole all columns meet
        wide = cv2.copyMakeBorder(table, 4, 4, 4, 4, cv2.BORDER_REPLICATE)
        wide[:, :4], wide[:, -4:] = wide[:, -8:-4], wide[:, 4:8]
        self.table = cv2.GaussianBlur(wide, (0, 0), 0.9)[4:-4, 4:-4]

    @staticmethod
    def _cell(offset):
        """Row and column (fractional) of directions, and the lengths of (N, 3) offsets."""
        radius = np.linalg.norm(offset, axis=-1)
        row = np.arccos(np.clip(offset[..., 1] / np.maximum(radius, 1e-6), -1, 1)) / np.pi
        column = np.arctan2(offset[..., 0], offset[..., 2]) / (2 * np.pi) + 0.5
        return row * (DIRECTIONS[0] - 1e-3), column * (DIRECTIONS[1] - 1e-3), radius

    def gap(self, points):
        """How far points (N, 3) are above the surface, in decimetres; negative inside."""
        row, column, radius = self._cell(points - CENTRE)
        surface = look_up(self.table, column - 0.5, row - 0.5)
        return radius - np.where(points[:, 1] > 6.35, surface, 0)

    def push_out(self, points, clearance):
        """Move points (N, 3) that are nearer than `clearance` to the surface, or inside it,
        outwards."""
        offset = points - CENTRE.astype(np.float32)
        out = offset / np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), 1e-6)
        return points + out * np.maximum(clearance - self.gap(points), 0)[:, None]
