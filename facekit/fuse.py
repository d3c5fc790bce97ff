"""Face fusion: a face warped onto another triangle by triangle, colour-matched and blended.

The plain version pastes the face by its five points. The full one warps every triangle of the mesh,
so that eyes, nose, mouth and outline fall on the template's, and blends inside a soft mask.

References: Burt and Adelson, A Multiresolution Spline With Application to Image Mosaics, ACM TOG
1983; Perez, Gangnet and Blake, Poisson Image Editing, SIGGRAPH 2003.
"""

from dataclasses import replace

import cv2
import numpy as np

from common.images import resize
from facekit import colour, masks
from facekit.align import umeyama, warp
from facekit.head import surroundings
from facekit.mesh import OVAL, five_points
from facekit.triangles import rasterised, triangles

SHARE = 0.6
BORDERS = ("multiband", "poisson", "soft")
INSET = 0.1  # of the face's width: how far inside the oval the blending ends
_NEAR, _FAR = 0.08, 0.3  # of the face's width: how far a point's movement reaches
_OPENS = 0.03  # parts of the face's width
_SEEN = 0.25  # below this share of its size in the template, a triangle of the face is not trusted


def warp_face(image, mesh_from, mesh_to, shape):
    """Piecewise affine warp of one face into the shape and place of another.

    Args:
        image: uint8 (H, W, 3): where the pixels come from.
        mesh_from: (478, 2): the face in it.
        mesh_to: (478, 2): where each point goes.
        shape: (H', W', ...) of the result.

    Returns:
        uint8 (H', W', 3), 0 outside the mesh, and float32 (H', W') in [0, 1]: how well each pixel
        was seen in `image`; 0 outside the mesh and where the face there was turned away.
    """
    mesh_from, mesh_to = np.asarray(mesh_from, float), np.asarray(mesh_to, float)
    image, mesh_from = _reduced(image, mesh_from, mesh_to)
    corners = triangles()
    inverse, share = _affines(mesh_to[corners], mesh_from[corners])
    which = rasterised(mesh_to[corners], shape)
    rows, columns = np.nonzero(which >= 0)
    here = which[rows, columns]
    at = np.column_stack([columns + 0.5, rows + 0.5, np.ones(len(rows))])
    source = np.full((*shape[:2], 2), -1, np.float32)
    source[rows, columns] = np.einsum("pij,pj->pi", inverse[here], at) - 0.5
    result = cv2.remap(image, source, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    result[which < 0] = 0
    seen = np.zeros(shape[:2], np.float32)
    seen[rows, columns] = np.clip(share[here] / _SEEN, 0, 1)
    return result, seen


def warp_mask(mask, mesh_from, mesh_to, shape):
    """A mask of one face on another, as `warp_face` has its pixels.

    Args:
        mask: float (H, W) in [0, 1].
        mesh_from, mesh_to, shape: as of `warp_face`.

    Returns:
        float32 (H', W') in [0, 1], 0 outside the mesh.
    """
    levels = np.rint(255 * np.clip(mask, 0, 1)).astype(np.uint8)
    warped, _ = warp_face(np.repeat(levels[..., None], 3, axis=2), mesh_from, mesh_to, shape)
    return warped[..., 0].astype(np.float32) / 255


def paste_by_points(template, points5_to, image, points5_from, mask):
    """Paste a face on another by the similarity transform of five points: the plain version.

    Args:
        template, image: uint8 (H, W, 3) and (H', W', 3).
        points5_to, points5_from: (5, 2): the faces in them.
        mask: float32 (H, W) in [0, 1]: how much of the face to use.

    Returns:
        uint8 (H, W, 3), bit for bit the template where the mask is 0.
    """
    matrix = umeyama(points5_from, points5_to)
    return mix(template, warp(image, matrix, template.shape[:2]), mask)


def fuse(
    template,
    face_to,
    image,
    face_from,
    share=SHARE,
    border="multiband",
    match=1.0,
    inset=INSET,
    hidden=None,
    skin=None,
):
    """Fuse a face of one picture with a face of another.

    Args:
        template: uint8 (H, W, 3).
        face_to: `facekit.detect.Face` in it.
        image: uint8 (H', W', 3).
        face_from: `facekit.detect.Face` in it.
        share: 0..1, how much of the new face; 0 returns the template.
        border: "multiband", "poisson" or "soft".
        match: 0..1, how far the new face takes the template's colours first.
        inset: how far inside the oval the blending ends: see `inset_mask`.
        hidden: float32 (H', W') in [0, 1], where something is in front of the new face, which does
            not travel: the template shows there; None for nowhere.
        skin: float32 (H, W) in [0, 1], the template's skin, whose colours are taken; None for all
            of the face but eyes and mouth.

    Returns:
        uint8 (H, W, 3), bit for bit the template outside the face's oval.

    Raises:
        ValueError: for a share or match outside 0..1, or an unknown border.
    """
    if border not in BORDERS:
        raise ValueError(f"a border is one of {', '.join(BORDERS)}. Received: {border!r}.")
    for name, value in (("share", share), ("match", match)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie between 0 and 1. Received: {value}.")
    left, top, right, bottom = surroundings(face_to, template.shape)
    result = template.copy()
    view, face_to = template[top:bottom, left:right], face_to.moved(-left, -top)
    if view.size:
        known = None if skin is None else skin[top:bottom, left:right]
        result[top:bottom, left:right] = _fused(
            view, face_to, image, face_from, share, border, match, inset, hidden, known
        )
    return result


def _fused(template, face_to, image, face_from, share, border, match, inset, hidden, skin):
    warped, seen = warp_face(image, face_from.mesh, face_to.mesh, template.shape)
    if hidden is not None:
        seen = seen * (1 - warp_mask(hidden, face_from.mesh, face_to.mesh, template.shape))
    mask = inset_mask(face_to, template.shape, inset) * _smooth_seen(seen, face_to)
    parts = masks.regions(face_to, template.shape)
    if mouth_opening(face_to) - mouth_opening(face_from) > _OPENS:
        # A closed mouth has no teeth to give: an open one keeps its own.
        kept = masks.soften(parts["inner mouth"], 0.01 * masks.face_width(face_to))
        mask, seen = mask * (1 - kept), seen * (1 - kept)
    if match:
        warped = _matched(warped, template, parts, seen, match, skin)
    if border == "soft":
        return mix(template, warped, mask * share)
    filled = np.where((seen > 0)[..., None], warped, template)
    blended = (multiband if border == "multiband" else poisson)(template, filled, mask)
    return mix(template, blended, (seen > 0) * np.minimum(1, mask * 4) * share)


def shaped(face_to, face_from, share=1.0):
    """A face in its own pose and place but in the shape of another.

    The other's points, with their depth, are aligned to the face's by a similarity transform in
    space.

    Args:
        face_to: `facekit.detect.Face`, whose pose is kept.
        face_from: the face whose shape is wanted.
        share: 0 keeps the shape, 1 takes the other's.

    Returns:
        `facekit.detect.Face`: `face_to` with other mesh, box and five points.

    Reference: Umeyama 1991, as `facekit.align.umeyama`, in three dimensions.
    """
    to, source = (
        np.column_stack([face.mesh, face.depth]).astype(float) for face in (face_to, face_from)
    )
    a, b = source - source.mean(0), to - to.mean(0)
    u, d, vt = np.linalg.svd(b.T @ a)
    mirror = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    scale = (d * mirror).sum() / (a**2).sum()
    there = scale * a @ (u * mirror @ vt).T + to.mean(0)
    mesh = ((1 - share) * face_to.mesh + share * there[:, :2]).astype(np.float32)
    low, high = mesh.min(0), mesh.max(0)
    box = np.concatenate([low, high - low]).astype(np.float32)
    return replace(face_to, mesh=mesh, points5=five_points(mesh), box=box)


def reshaped(image, mesh_from, mesh_to, mask):
    """Warp a picture smoothly, so that its face takes another outline.

    Each pixel of the face moves as the points of the outline near it do; outside the movement fades
    until nothing moves at the mask's border. Folds and shadows stay where they belong in the face:
    following a smile too, they would gather at the jaw.

    Args:
        image: uint8 (H, W, 3).
        mesh_from, mesh_to: (478, 2): the face in it, and where each of its points goes.
        mask: float32 (H, W), above 0 where pixels may move; covers both shapes.

    Returns:
        uint8 (H, W, 3), bit for bit the picture where the mask is 0.
    """
    height, width = image.shape[:2]
    inside = rasterised(mesh_to[triangles()], image.shape) >= 0
    if not inside.any():
        return image.copy()
    mesh_from, mesh_to = (mesh[list(OVAL)] for mesh in (mesh_from, mesh_to))
    field = np.zeros((height, width, 3), np.float32)  # movement times weight, weight
    at = np.round(mesh_to - 0.5).astype(int)
    there = ((at >= 0) & (at < (width, height))).all(1)
    moved = np.column_stack([mesh_from - mesh_to, np.ones(len(at))])[there]
    np.add.at(field, (at[there, 1], at[there, 0]), moved)
    near, far = (
        cv2.GaussianBlur(field, (0, 0), share * np.ptp(mesh_to[:, 0])) for share in (_NEAR, _FAR)
    )
    field = near + 0.01 * far  # the second counts where no point is near
    move = field[..., :2] / np.maximum(field[..., 2:], 1e-12)
    to_border, to_face = (
        cv2.distanceTransform(np.uint8(where), cv2.DIST_L2, 5) for where in (mask > 0, ~inside)
    )
    move *= (to_border / np.maximum(to_border + to_face, 1e-6))[..., None]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    result = cv2.remap(
        image, columns + move[..., 0], rows + move[..., 1], cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip
    return np.where(mask[..., None] > 0, result, image)


def inset_mask(face, shape, inset=INSET):
    """A mask that is 1 in the middle of a face and falls smoothly to 0 inside its oval.

    Args:
        face: `facekit.detect.Face`.
        shape: (H, W, ...).
        inset: a share of the face's width: how far from the oval it is half.

    Returns:
        float32 (H, W).
    """
    oval = masks.regions(face, shape)["oval"]
    padded = cv2.copyMakeBorder((oval > 0.5).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    deep = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    x = np.clip(deep / (2 * inset * masks.face_width(face)), 0, 1)
    return (x * x * (3 - 2 * x)).astype(np.float32)


def mouth_opening(face):
    """Distance between the lips, in parts of the face's width."""
    return float(np.linalg.norm(face.mesh[13] - face.mesh[14])) / masks.face_width(face)


def mix(below, above, mask):
    """`below` where the mask is 0, bit for bit; `above` where it is 1; shares of both between."""
    weight = np.asarray(mask, np.float32)[..., None]
    mixed = below + weight * (above.astype(np.float32) - below)
    mixed = np.clip(np.round(mixed), 0, 255).astype(np.uint8)
    return np.where(weight > 0, mixed, below)


def multiband(below, above, mask, levels=None):
    """Blend two pictures of one size band by band: wide transitions for what is coarse, narrow ones
    for what is fine.

    Args:
        below, above: uint8 (H, W, 3).
        mask: float32 (H, W): 1 where `above` shows.
        levels: bands; by default as many as leave about 8 pixels.

    Returns:
        uint8 (H, W, 3).

    Reference: Burt and Adelson 1983.
    """
    height, width = mask.shape
    if levels is None:
        levels = int(np.clip(np.log2(max(1, min(height, width)) / 8), 0, 6))
    pyramids = [_laplacian(picture.astype(np.float32), levels) for picture in (below, above)]
    weights = [mask.astype(np.float32)]
    for _ in range(levels):
        weights.append(cv2.pyrDown(weights[-1]))
    bands = [
        low + weight[..., None] * (high - low)
        for low, high, weight in zip(*pyramids, weights, strict=True)
    ]
    result = bands.pop()
    while bands:
        band = bands.pop()
        result = cv2.pyrUp(result, dstsize=(band.shape[1], band.shape[0])) + band
    return np.clip(np.round(result), 0, 255).astype(np.uint8)


def poisson(below, above, mask):
    """Keep the gradients of `above` where the mask is over one half, and `below` around it.

    Args:
        below, above: uint8 (H, W, 3).
        mask: float32 (H, W).

    Returns:
        uint8 (H, W, 3).

    Reference: Perez et al. 2003, equation 7 (`cv2.seamlessClone` solves it).
    """
    hard = np.uint8(255) * (mask > 0.5)
    hard[[0, 1, -2, -1]] = 0
    hard[:, [0, 1, -2, -1]] = 0
    rows, columns = np.nonzero(hard)
    if len(rows) < 16:
        return below.copy()
    middle = (int(columns.min() + columns.max()) // 2, int(rows.min() + rows.max()) // 2)
    return cv2.seamlessClone(above, below, hard, middle, cv2.NORMAL_CLONE)


def seam_energy(image, ring):
    """Mean squared gradient of the lightness in a ring: the strength of its edges.

    Args:
        image: uint8 (H, W, 3).
        ring: float32 (H, W).

    Returns:
        float, in squared units of L (0..100) a pixel.
    """
    light = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 0]
    dx, dy = (
        cv2.Sobel(light, cv2.CV_32F, *order, ksize=3, scale=1 / 8) for order in ((1, 0), (0, 1))
    )
    return float(((dx**2 + dy**2) * ring).sum() / max(float(ring.sum()), 1e-6))


def _laplacian(picture, levels):
    """Laplacian pyramid from fine to coarse; the last level is the residual."""
    bands = []
    for _ in range(levels):
        smaller = cv2.pyrDown(picture)
        bands.append(picture - cv2.pyrUp(smaller, dstsize=(picture.shape[1], picture.shape[0])))
        picture = smaller
    return [*bands, picture]


def _matched(warped, template, parts, seen, strength, skin):
    """The warped face in the template's colours, lips and eyes in its own."""
    protect = np.clip(parts["eyes"] + parts["lips"] + parts["inner mouth"], 0, 1)
    covered = (seen > 0).astype(np.float32)
    wanted = covered * (1 - protect) * (1 if skin is None else skin)
    if wanted.sum() < 16:
        return warped
    return colour.transfer(
        warped,
        template,
        covered,
        wanted,
        strength=strength,
        protect=protect,
        relight=True,
    )


def _smooth_seen(seen, face):
    sigma = 0.03 * masks.face_width(face)
    shrunk = cv2.erode(seen, np.ones((3, 3), np.uint8), iterations=max(1, round(sigma)))
    return np.minimum(masks.soften(shrunk, sigma), (seen > 0).astype(np.float32))


def _reduced(image, mesh_from, mesh_to):
    """Average the source down where it is more than half again as fine as the target."""
    fine = np.ptp(mesh_from, axis=0).max() / max(np.ptp(mesh_to, axis=0).max(), 1e-6)
    if fine <= 1.5:
        return np.ascontiguousarray(image), mesh_from
    size = np.maximum(1, np.round(np.array(image.shape[:2]) / fine * 1.2)).astype(int)
    small = resize(image, tuple(int(v) for v in size))
    return small, mesh_from * (size / image.shape[:2])[::-1]


def _affines(corners_to, corners_from):
    """Of each triangle: float64 (T, 2, 3), target to source, and how much of its size in the target
    it has in the source, 0 where it shows its back."""
    ones = np.ones((*corners_to.shape[:2], 1))
    to, source = np.concatenate([corners_to, ones], -1), corners_from
    flat = np.abs(np.linalg.det(to)) < 1e-6
    to[flat] = np.eye(3)
    inverse = np.linalg.solve(to, source).transpose(0, 2, 1)  # to @ inverse.T = source
    stretch = np.linalg.det(inverse[:, :, :2])
    scale = np.median(np.abs(stretch))
    return inverse, np.where(flat, 0, np.maximum(stretch, 0) / max(scale, 1e-9))
