"""The parts of a picture, in the order of their numbers in a part map, and the landmarks of a
head."""

import numpy as np

PARTS = (
    "background",
    "skin",
    "brows",
    "eyes",
    "nose",
    "lips",
    "inner mouth",
    "ears",
    "hair",
    "facial hair",
    "neck",
    "clothes",
    "glasses",
    "hat",
)
PART = {name: number for number, name in enumerate(PARTS)}

STYLES = ("photo", "manga", "pencil", "oil", "watercolour", "pixel art", "3-D cartoon")

# Landmarks: where on the rest head (x, y, z in decimetres) each lies, for the middle line and for
# the person's left; the right is its mirror image. The nearest vertex of the skin is taken.
_MIDDLE = {
    "hairline": (0, 7.99, 1.40),
    "forehead": (0, 7.75, 1.50),
    "glabella": (0, 7.46, 1.53),
    "nasion": (0, 7.32, 1.51),
    "nose bridge": (0, 7.15, 1.56),
    "nose ridge": (0, 7.00, 1.65),
    "nose tip": (0, 6.875, 1.67),
    "nose base": (0, 6.80, 1.57),
    "philtrum": (0, 6.75, 1.56),
    "upper lip top": (0, 6.70, 1.58),
    "lower lip bottom": (0, 6.50, 1.53),
    "chin front": (0, 6.33, 1.50),
    "chin": (0, 6.17, 1.38),
    "throat": (0, 5.95, 0.74),
}
_LEFT = {
    "eye outer": (0.475, 7.285, 1.31),
    "eye inner": (0.185, 7.272, 1.381),
    "upper lid": (0.31, 7.345, 1.42),
    "lower lid": (0.311, 7.241, 1.393),
    "upper lid inner": (0.225, 7.325, 1.40),
    "upper lid outer": (0.41, 7.335, 1.38),
    "lower lid inner": (0.225, 7.245, 1.385),
    "lower lid outer": (0.41, 7.252, 1.36),
    "brow inner": (0.12, 7.47, 1.50),
    "brow middle": (0.34, 7.54, 1.44),
    "brow outer": (0.58, 7.47, 1.22),
    "cheekbone": (0.56, 7.05, 1.18),
    "cheek": (0.42, 6.80, 1.30),
    "nostril wing": (0.17, 6.86, 1.47),
    "nostril": (0.07, 6.82, 1.54),
    "mouth corner": (0.24, 6.619, 1.445),
    "upper lip peak": (0.06, 6.71, 1.575),
    "upper lip side": (0.16, 6.68, 1.52),
    "lower lip side": (0.13, 6.51, 1.50),
    "laugh line": (0.33, 6.75, 1.38),
    "jaw angle": (0.55, 6.60, 0.62),
    "jaw middle": (0.42, 6.35, 1.02),
    "jaw front": (0.22, 6.20, 1.30),
    "temple": (0.66, 7.55, 0.98),
    "forehead side": (0.45, 7.80, 1.25),
    "ear top": (0.80, 7.33, 0.42),
    "ear lobe": (0.72, 6.88, 0.62),
    "side of face": (0.70, 7.20, 0.75),
    "under the eye": (0.31, 7.08, 1.38),
}


def landmark_vertices(rest, candidates):
    """Find the landmarks on a mesh.

    Args:
        rest: float32 (V, 3), rest positions.
        candidates: int (K,), the vertices that may be taken: those of the outer skin.

    Returns:
        names, a tuple, and vertex numbers int (L,). "left" and "right" are the person's own.
    """
    places = dict(_MIDDLE)
    for name, (x, y, z) in _LEFT.items():
        places[f"left {name}"], places[f"right {name}"] = (x, y, z), (-x, y, z)
    at = np.array(list(places.values()))
    distance = np.linalg.norm(rest[candidates][None] - at[:, None], axis=-1)
    return tuple(places), candidates[distance.argmin(1)]
