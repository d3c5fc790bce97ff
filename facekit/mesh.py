"""Names for the 478 points of MediaPipe's face mesh.

The numbers are those of MediaPipe's face mesh (canonical face model: 468 points, and twice five for
the irises), read off its published map of the vertices. Left and right are the picture's.
"""

import numpy as np

OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
EYE_LEFT = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
EYE_RIGHT = (362, 382, 381, 380, 374, 373, 390, 249, 263, 466, 388, 387, 386, 385, 384, 398)
BROW_LEFT = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
BROW_RIGHT = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
LIPS_OUTER = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375),
    *(291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
)
LIPS_INNER = (
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324),
    *(308, 415, 310, 311, 312, 13, 82, 81, 80, 191),
)
NOSE = (168, 122, 351, 48, 278, 129, 358, 64, 294, 98, 327, 97, 326, 2)  # their hull is the nose
IRIS_LEFT, IRIS_RIGHT = (468, 469, 470, 471, 472), (473, 474, 475, 476, 477)  # centre first

# Middles of the lids and corners of the eyes, as five points want an eye.
EYE_CENTRES = ((33, 133, 159, 145), (362, 263, 386, 374))
NOSE_TIP, MOUTH_LEFT, MOUTH_RIGHT = 1, 61, 291


def five_points(mesh):
    """float32 (5, 2): the eyes (middle of the opening), nose tip and mouth corners of a mesh."""
    eyes = [mesh[list(eye)].mean(0) for eye in EYE_CENTRES]
    return np.array([*eyes, *mesh[[NOSE_TIP, MOUTH_LEFT, MOUTH_RIGHT]]], np.float32)
