"""The rasteriser: which triangle is behind each pixel.

VTK (through pyvista, off screen, no display) does the one thing that arrays do slowly: it fills
triangles with a depth buffer. Every triangle is filled with a flat colour that spells its number.
All else (what is interpolated over a triangle, paint, light, shadow, the part map, which landmark
is visible) is arrays over the pixels it hits, in `data.light.shading`: nothing of it hides in a
graphics pipeline, and no number depends on a driver's shading.
"""

import ctypes
import sys

import numpy as np

MISSING = (
    "a system library is missing. On Debian and Ubuntu: "
    "apt install libgl1 libegl1 libgl1-mesa-dri libxrender1"
)
WINDOW_LIBRARIES = ("libEGL.so.1", "libOSMesa.so.8", "libOSMesa.so")  # any one of them will do
NEAR = 100.0  # depth given to VTK is NEAR / distance, so that it is linear over the picture


def _start_pyvista():
    """Import pyvista, and silence VTK's remarks about a missing display.

    Raises:
        ValueError: if a system library is missing.
    """
    if sys.platform == "linux" and not any(_loads(name) for name in WINDOW_LIBRARIES):
        raise ValueError(f"VTK finds nothing to draw with: {MISSING}")
    try:
        import pyvista
        import vtk
    except ImportError as error:
        raise ValueError(f"VTK cannot be loaded ({error}): {MISSING}") from None
    vtk.vtkObject.GlobalWarningDisplayOff()
    vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    return pyvista


def _loads(library):
    """Whether a system library can be loaded; VTK crashes where it finds none."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


class Rasteriser:
    """A square off-screen window that is kept from picture to picture.

    Args:
        size: its width and height in pixels.
    """

    def __init__(self, size):
        self.size = size
        self._pyvista = pv = _start_pyvista()
        self._plotter = plotter = pv.Plotter(
            off_screen=True, window_size=(size, size), lighting=None
        )
        plotter.set_background("black")
        plotter.ren_win.SetMultiSamples(0)  # a mixed colour would be a wrong number
        plotter.enable_parallel_projection()
        camera = plotter.camera
        camera.position, camera.focal_point = (size / 2, size / 2, 1000), (size / 2, size / 2, 0)
        camera.up, camera.parallel_scale = (0, 1, 0), size / 2
        self._numbers = np.zeros((0, 3), np.uint8)
        self._actor = None

    def triangle_ids(self, points, triangles):
        """Fill the triangles, each with its number.

        Args:
            points: float32 (N, 3): x and y in pixels (y down, pixel centres at .5), distance from
                the camera.
            triangles: int32 (F, 3).

        Returns:
            int32 (size, size): the number of the nearest triangle, -1 where there is none.
        """
        pv, plotter = self._pyvista, self._plotter
        at = np.stack([points[:, 0], self.size - points[:, 1], NEAR / points[:, 2]], 1).astype(
            np.float32
        )
        mesh = pv.PolyData(at, np.insert(triangles, 0, 3, axis=1).ravel())
        mesh.cell_data["number"] = self._colours(len(triangles))
        if self._actor is None:
            self._actor = plotter.add_mesh(
                mesh,
                scalars="number",
                rgb=True,
                lighting=False,
                show_scalar_bar=False,
                reset_camera=False,
                render=False,
                copy_mesh=False,
            )
            plotter.show(auto_close=False, interactive=False)
        else:
            self._actor.mapper.SetInputData(mesh)
        plotter.renderer.ResetCameraClippingRange(0, self.size, 0, self.size, 0, NEAR)
        plotter.render()
        picture = plotter.screenshot(return_img=True).astype(np.int32)
        return picture[..., 0] + (picture[..., 1] << 8) + (picture[..., 2] << 16) - 1

    def _colours(self, count):
        """uint8 (count, 3): the numbers 1 to count, spelled in red, green and blue."""
        if len(self._numbers) < count:
            n = np.arange(1, 2 * count + 1)
            self._numbers = np.stack([n & 255, n >> 8 & 255, n >> 16], 1).astype(np.uint8)
        return self._numbers[:count]


def interpolate(ids, points, triangles, attributes):
    """Interpolate what vertices know over the pixels that triangles hit, correctly for
    perspective.

    Args:
        ids: int32 (H, W), from `Rasteriser.triangle_ids`.
        points: float32 (N, 3), what was given to it.
        triangles: int32 (F, 3).
        attributes: float32 (N, C).

    Returns:
        hit bool (H, W), triangle int32 (P,), distance float32 (P,) and values float32 (P, C), for
        the P pixels hit in row order.
    """
    hit = ids >= 0
    rows, columns = np.nonzero(hit)
    triangle = ids[hit]
    corner = triangles[triangle]
    x, y, distance = (points[:, k][corner] for k in range(3))  # (P, 3) each
    px, py = columns + np.float32(0.5), rows + np.float32(0.5)
    ax, ay, bx, by = x[:, 1] - x[:, 0], y[:, 1] - y[:, 0], x[:, 2] - x[:, 0], y[:, 2] - y[:, 0]
    area = ax * by - ay * bx
    area = np.where(np.abs(area) < 1e-8, 1e-8, area)
    dx, dy = px - x[:, 0], py - y[:, 0]
    second = np.clip((dx * by - dy * bx) / area, 0, 1)
    third = np.clip((ax * dy - ay * dx) / area, 0, 1)
    weight = np.stack([np.clip(1 - second - third, 0, 1), second, third], 1) / distance
    weight /= weight.sum(1, keepdims=True)
    values = np.einsum("pk,pkc->pc", weight, attributes[corner], optimize=False)
    return hit, triangle, (weight * distance).sum(1), values.astype(np.float32)
