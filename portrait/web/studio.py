"""What the page works with: a model that is loaded once, a folder, and the jobs of every page."""

from itertools import count
from pathlib import Path
from threading import Lock

from portrait.web.jobs import Jobs


class Studio:
    """The one object that a server keeps.

    Args:
        pipeline: `ddpm.pipeline.Pipeline`, which draws everything.
        folder: for everything that is written, with names that the studio makes.

    Attributes:
        name: of the weights.
        jobs: `Jobs`.
        model: a lock; whoever draws holds it.
    """

    def __init__(self, pipeline, folder):
        self.pipeline, self.name = pipeline, pipeline.model.path.name
        self.folder, self.jobs, self.model = Path(folder), Jobs(), Lock()
        self._numbers = count(1)

    def new_folder(self):
        """A folder that nobody has used: `Path`; it is made by whoever writes there."""
        return self.folder / "pictures" / f"{next(self._numbers):05d}"
