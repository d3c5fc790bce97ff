"""What the page works with: a model that is loaded once, a folder, and the jobs of every page."""

import secrets
from collections import OrderedDict
from itertools import count
from pathlib import Path
from threading import Lock

from portrait.web.jobs import Jobs
from portrait.web.people import People

PAINTERS = 2  # with their models
DESKS = 100  # browsers whose work is remembered, those that came last


class Studio:
    """The one object that a server keeps.

    Args:
        pipeline: `ddpm.pipeline.Pipeline`, which draws everything.
        folder: for everything that is written, with names that the studio makes; it may go when
            the studio ends.
        people: folder of those who are learned, which stays.

    Attributes:
        name: of the weights.
        jobs: `Jobs`.
        model: a lock; whoever draws holds it.
        people: `people.People`.
    """

    def __init__(self, pipeline, folder, people):
        self.pipeline, self.name = pipeline, pipeline.model.path.name
        self.folder, self.jobs, self.model = Path(folder), Jobs(), Lock()
        self.people, self._painters = People(people, self.folder / "learning.log"), OrderedDict()
        self._numbers, self._desks, self._lock = count(1), OrderedDict(), Lock()

    def new_folder(self):
        """A folder that nobody has used, of a name that nobody can guess: `Path`; it is made by
        whoever writes there."""
        name = f"{next(self._numbers):05d}-{secrets.token_hex(8)}"
        return self.folder / "pictures" / name

    def desk(self, browser):
        """What a browser has worked on: a dict, of each tab's own, which is kept over a reload.

        Args:
            browser: str that tells it from others.
        """
        with self._lock:
            desk = self._desks.setdefault(browser, {})
            self._desks.move_to_end(browser)
            if len(self._desks) > DESKS:
                self._desks.popitem(last=False)
            return desk

    def painter(self, person=None, strength=1.0):
        """What paints faces, loaded when it is asked for first; the last ones stay in memory.

        Args:
            person: `known.Known`; None for nobody.
            strength: of the person's adapter.
        """
        from portrait.person import ADAPTER  # here, for it loads the face detector

        try:
            key = person and (person.folder, (person.folder / ADAPTER).stat().st_mtime_ns, strength)
        except FileNotFoundError:  # deleted since the job was asked for
            raise ValueError(f"{person.trigger} is not there any more.") from None
        if key not in self._painters:
            while len(self._painters) >= PAINTERS:
                self._painters.popitem(last=False)
            self._painters[key] = self._load_painter(person, strength)
        self._painters.move_to_end(key)
        return self._painters[key]

    def _load_painter(self, person, strength):
        from portrait import painter  # here, for only portraits need it

        if person is None:
            return painter.Painter(self.pipeline.model.path)
        return painter.Painter(person.weights, None, [person.addon(strength)])
