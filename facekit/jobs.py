"""The commands' work on one photo, importable by name, as worker processes need it."""

import numpy as np

from common.images import read_image, write_image
from facekit import control as control_of
from facekit import draw
from facekit import masks as masks_of
from facekit.align import align as cut
from facekit.detect import detect


def align(path, names, out, size, template):
    """Write the crop of every face; returns what align.json says of them."""
    image, faces = read_faces(path)
    rows = []
    for name, face in numbered(names[path], faces):
        crop = cut(image, face.points5, size, template)
        file = f"{name}.png"
        write_image(crop.image, out / file)
        rows.append(
            {
                "path": str(path),
                "crop": file,
                "matrix": [[round(v, 8) for v in row] for row in crop.matrix.tolist()],
                "points5": face.points5.round(3).tolist(),
            }
        )
    return rows


def masks(path, names, out, feather):
    """Write every mask of every face, and a picture of all; returns the number of faces."""
    image, faces = read_faces(path)
    for name, face in numbered(names[path], faces):
        found = {
            **masks_of.regions(face, image.shape, feather),
            "hair": masks_of.hair(image, face),
        }
        write_image(draw.masks(image, found), out / f"{name}_all.jpg")
        found["person"] = masks_of.person(image, face)
        found["inner"] = masks_of.inner(face, image.shape)
        found["ring"] = masks_of.ring(face, image.shape)
        for mask, values in found.items():
            file = out / f"{name}_{mask.replace(' ', '_')}.png"
            write_image(np.round(values * 255).astype(np.uint8), file)
    return len(faces)


def control(path, names, out, size):
    """Write the four control pictures; returns the number of faces.

    With a size, they show the photo's middle square, for faces must keep their proportions.
    """
    image = read_image(path)
    faces = detect(image)
    corner = np.zeros(2)
    if size is not None:
        side = min(image.shape[:2])
        top, left = ((length - side) // 2 for length in image.shape[:2])
        image, corner = image[top : top + side, left : left + side], np.array([left, top])
    made = {
        "canny": control_of.canny(image, size),
        "colour": control_of.colour_grid(image, size),
        "tile": control_of.tile(image, size),
        "points": control_of.face_points(
            image.shape, [face.mesh[:, :2] - corner for face in faces], size
        ),
    }
    for name, picture in made.items():
        write_image(picture, out / f"{names[path]}_{name}.png")
    return len(faces)


def read_faces(path):
    """A picture and its faces; a ValueError where it has none."""
    image = read_image(path)
    faces = detect(image)
    if not faces:
        raise ValueError(f"{path}: no face found.")
    return image, faces


def numbered(name, faces):
    """(name, face): the photo's name, and the face's number where there are several."""
    if len(faces) == 1:
        return [(name, faces[0])]
    return [(f"{name}.face{i}", face) for i, face in enumerate(faces, 1)]
