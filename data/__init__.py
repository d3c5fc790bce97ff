"""The face dataset: a parametric head, a renderer, captions, a command that makes datasets, and a
loader.

    make_faces(out, n, identities, size, seed)    renders a dataset folder
    load_images(folder, size) -> Pictures         loads it, or anyone's own pictures, square
    load_uncut(folder, size) -> Pictures          the same in their own shapes, for random windows

Importing this is cheap: what renders is imported only when something is rendered.
"""

from .faces import make_faces
from .loading import Pictures, load_images, load_uncut

__all__ = ["Pictures", "load_images", "load_uncut", "make_faces"]
