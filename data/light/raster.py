"""The rasteriser: which triangle is behind each pixel.

VTK (off screen, no display) does the one thing that arrays do slowly: it fills
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


def _start_vtk():
    """Import VTK, and silence its remarks about a missing display.

    Raises:
        ValueError: if a system library is missing.
    """
    if sys.platform == "linux" and not any(_loads(name) for name in WINDOW_LIBRARIES):
        raise ValueError(f"VTK finds nothing to draw with: {MISSING}")
    try:
        import vtk
    except ImportError as error:
        raise ValueError(f"VTK cannot be loaded ({error}): {MISSING}") from None
    vtk.vtkObject.GlobalWarningDisplayOff()
    vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    return vtk


def _loads(library):
    """Whether a system library can be loaded; VTK crashes where it finds none."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


class Rasteriser:
    """A square off-screen window that is kept from picture to picture.

    Window, mesh and mapper are VTK's own and live as long as the rasteriser: what is made anew for
    each picture would leave a little of itself behind in VTK or in the driver.

    Args:
        size: its width and height in pixels.
    """

    def __init__(self, size):
        self.size = size
        self._vtk = vtk = _start_vtk()
        self._mesh, mapper, actor = vtk.vtkPolyData(), vtk.vtkPolyDataMapper(), vtk.vtkActor()
        self._mesh.SetPoints(vtk.vtkPoints())
        self._mesh.SetPolys(vtk.vtkCellArray())
        mapper.SetInputData(self._mesh)
        mapper.SetScalarModeToUseCellData()
        mapper.SetColorModeToDirectScalars()
        actor.SetMapper(mapper)
        actor.GetProperty().LightingOff()
        self._renderer, self._window = vtk.vtkRenderer(), vtk.vtkRenderWindow()
        self._renderer.AddActor(actor)
        self._renderer.SetBackground(0, 0, 0)
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)  # a mixed colour would be a wrong number
        self._window.SetSize(size, size)
        self._window.AddRenderer(self._renderer)
        camera = self._renderer.GetActiveCamera()
        camera.ParallelProjectionOn()
        camera.SetPosition(size / 2, size / 2, 1000)
        camera.SetFocalPoint(size / 2, size / 2, 0)
        camera.SetViewUp(0, 1, 0)
        camera.SetParallelScale(size / 2)
        self._numbers = np.zeros((0, 3), np.uint8)
        self._pixels = vtk.vtkUnsignedCharArray()

    def triangle_ids(self, points, triangles):
        """Fill the triangles, each with its number.

        Args:
            points: float32 (N, 3): x and y in pixels (y down, pixel centres at .5), distance from
                the camera.
            triangles: int32 (F, 3).

        Returns:
            int32 (size, size): the number of the nearest triangle, -1 where there is none.
        """
        at = np.stack([points[:, 0], self.size - points[:, 1], NEAR / points[:, 2]], 1)
        self._fill_mesh(at.astype(np.float32), np.ascontiguousarray(triangles, np.int32))
        self._renderer.ResetCameraClippingRange(0, self.size, 0, self.size, 0, NEAR)
        self._window.Render()
        last = self.size - 1
        self._window.GetPixelData(0, 0, last, last, 1, self._pixels, 0)
        picture = _as_numpy(self._pixels).reshape(self.size, self.size, 3)[::-1].astype(np.int32)
        return picture[..., 0] + (picture[..., 1] << 8) + (picture[..., 2] << 16) - 1

    def _fill_mesh(self, points, triangles):
        """Put points float32 (N, 3) and triangles int32 (F, 3) into the kept mesh."""
        self._mesh.GetPoints().SetData(_as_vtk(points))
        offsets = np.arange(0, triangles.size + 1, 3, dtype=np.int32)
        self._mesh.GetPolys().SetData(_as_vtk(offsets), _as_vtk(triangles.ravel()))
        self._mesh.GetCellData().SetScalars(_as_vtk(self._colours(len(triangles))))
        self._mesh.Modified()

    def _colours(self, count):
        """uint8 (count, 3): the numbers 1 to count, spelled in red, green and blue."""
        if len(self._numbers) < count:
            n = np.arange(1, 2 * count + 1)
            self._numbers = np.stack([n & 255, n >> 8 & 255, n >> 16], 1).astype(np.uint8)
        return self._numbers[:count]


def _as_vtk(array):
    """A VTK array that holds a copy of a numpy array."""
    from vtk.util.numpy_support import numpy_to_vtk

    return numpy_to_vtk(array, deep=True)


def _as_numpy(array):
    """A numpy view of a VTK array."""
    from vtk.util.numpy_support import vtk_to_numpy

    return vtk_to_numpy(array)


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
