"""The face dataset: a parametric head, a renderer, captions, a command that makes datasets, and a
loader.

    make_faces(out, n, identities, size, seed)    render a dataset folder
    load_images(folder, size) -> Pictures         load it, or anyone's own pictures, square
    load_uncut(folder, size) -> Pictures          the same in their own shapes, for random windows

    faces.py      datasets: processes, resuming         loading.py    pictures from folders
    people/       who is in a picture, and its caption
    light/        paint, lamps, camera, drawn styles
    shape/        head, hair, clothes as triangles

Arrows run one way: faces -> people -> light -> shape; loading imports none of them.
Importing this is cheap: what renders is imported only when something is rendered.
"""

from data.faces import make_faces
from data.loading import Pictures, load_images, load_uncut

__all__ = ["Pictures", "load_images", "load_uncut", "make_faces"]
