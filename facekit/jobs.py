"""The commands' work on one photo, importable by name, as worker processes need it."""

import numpy as np

from common.images import read_image, write_image
from common.squares import middle_square
from facekit import control as control_of
from facekit import draw
from facekit import masks as masks_of
from facekit.align import align as cut
from facekit.detect import detect, largest
from facekit.head import head_square


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


def control(path, names, out, size, whole=False):
    """Write the four control pictures; returns the number of faces.

    They show the square round the largest head, where `portrait.photograph` paints; of a photo
    without a face, or with `whole`, all of it: with a size its middle square, for faces must keep
    their proportions.
    """
    image = read_image(path)
    faces = detect(image)
    square, corner = None, np.zeros(2)
    if faces and not whole:
        square = head_square(largest(faces), image.shape)
    elif size is not None:
        square = middle_square(image.shape)
    if square is not None:
        image, corner = square.cut(image), np.array([square.left, square.top])
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
