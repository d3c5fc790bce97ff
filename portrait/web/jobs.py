"""Work that is watched and can be stopped, and the jobs of each page."""

import time
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event, Lock, Thread

MAX_WAITING = 32  # jobs of all pages
FULL = f"the queue is full: {MAX_WAITING} jobs wait; try again in a minute."


class Stopped(Exception):
    """Ends work from within, where its job was stopped."""


class Job:
    """A piece of work that a page has asked for."""

    def __init__(self):
        self._stop, self.begun = Event(), False

    @property
    def stopped(self):
        """Whether it was told to stop."""
        return self._stop.is_set()

    def stop(self):
        """Tell it to stop; what waits ends at once, what runs at its next step."""
        self._stop.set()


class Jobs:
    """The jobs of every page, in the order in which they were asked for. A page is anything that
    tells it, and the queue that its jobs wait in, from others."""

    def __init__(self):
        self._lock, self._of = Lock(), defaultdict(list)
        self._heirs, self._threads, self._closed = {}, [], False

    def ask(self, page):
        """Note that a page asks for something, before its turn comes: `Job`.

        Raises:
            ValueError: one sentence: too many jobs wait.
        """
        with self._lock:
            waiting = sum(not job.begun for jobs in self._of.values() for job in jobs)
            if waiting >= MAX_WAITING:
                raise ValueError(FULL)
            self._of[page].append(Job())
            return self._of[page][-1]

    def count(self, queue):
        """How many jobs wait or run in a queue, of pages that are pairs (who, queue)."""
        with self._lock:
            pages = [page for page in self._of if isinstance(page, tuple) and page[1] == queue]
            return sum(len(self._of[page]) for page in pages)

    def has(self, page):
        """Whether a job of a page waits or runs."""
        with self._lock:
            return bool(self._of.get(page))

    def begin(self, page):
        """The page's first job that has not begun; a new one where none was asked for."""
        with self._lock:
            jobs = self._of[page]
            job = next((job for job in jobs if not job.begun), None)
            if job is None:
                jobs.append(job := Job())
            job.begun = True
            return job

    def end(self, page, job):
        """Forget a job that has ended, of a page that may have left."""
        with self._lock:
            page = self._heirs.pop(job, page)
            self._of[page].remove(job)
            if not self._of[page]:
                del self._of[page]

    def forget(self, page):
        """Forget the page's first job that has not begun: one whose fields were refused before it
        could."""
        with self._lock:
            job = next((job for job in self._of.get(page, ()) if not job.begun), None)
        if job is not None:
            self.end(page, job)

    def stop(self, page):
        """Stop the page's first job that was not told to yet, and no other's.

        Returns:
            bool: whether there was one.
        """
        with self._lock:
            job = next((job for job in self._of.get(page, ()) if not job.stopped), None)
        if job is not None:
            job.stop()
        return job is not None

    def cancel(self, page):
        """Stop the page's last job that waits, and neither the one that runs nor any other.

        Returns:
            bool: whether there was one.
        """
        with self._lock:
            waiting = [job for job in self._of.get(page, ()) if not job.begun and not job.stopped]
        for job in waiting[-1:]:
            job.stop()
        return bool(waiting)

    def leave(self, page, heir):
        """Settle the jobs of a page that is closed: those that wait are forgotten, for their turn
        never comes; those that run belong to another page, which may stop them."""
        with self._lock:
            running = [job for job in self._of.pop(page, ()) if job.begun]
            if running:
                self._of[heir] += running
            self._heirs |= dict.fromkeys(running, heir)

    def outlive(self, steps):
        """What a job yields; where its page is closed, a thread does the rest, so that what it
        keeps is there afterwards.

        Args:
            steps: generator.
        """
        try:
            for step in steps:  # noqa: UP028 - `yield from` would close them
                yield step
        except GeneratorExit:
            self.exhaust(steps)
            raise

    def exhaust(self, steps):
        """Let a thread do what a job yields, unless everything ends already; `close` waits for it.

        Args:
            steps: generator.
        """
        with self._lock:
            self._threads = [one for one in self._threads if one.is_alive()]
            if not self._closed:
                self._threads.append(Thread(target=deque, args=(steps, 0), daemon=True))
                self._threads[-1].start()

    def close(self):
        """Stop every job, and wait for those whose pages have left."""
        with self._lock:
            self._closed = True
            jobs, threads = sum(self._of.values(), []), self._threads
        for job in jobs:
            job.stop()
        for thread in threads:
            thread.join()


class Watched:
    """Work in a thread of its own: iterate over what it tells, then take its result.

    Args:
        work: (tell) -> result; calls `tell(event)` between its steps, which ends it by `Stopped`
            where the job was told to stop.
        job: `Job`.

    Attributes:
        result: what `work` returned; None where it was stopped.

    Iterating raises what `work` raises. Whoever leaves the loop early stops the job.
    """

    def __init__(self, work, job):
        self._work, self._job, self.result = work, job, None

    def __iter__(self):
        told, ended = SimpleQueue(), object()

        def tell(event):
            told.put(event)
            if self._job.stopped:
                raise Stopped

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(self._work, tell)
            future.add_done_callback(lambda _: told.put(ended))
            try:
                while (event := told.get()) is not ended:
                    yield event
            except GeneratorExit:
                self._job.stop()
                raise
        try:
            self.result = future.result()
        except Stopped:
            pass


class Clock:
    """How long work will take that has so many steps of equal length.

    The first step is not counted, for it compiles the network.

    Args:
        total: number of steps.
        now: () -> seconds.
    """

    def __init__(self, total, now=time.monotonic):
        self.total, self.done, self._now = total, 0, now
        self._first = None  # (steps, time) when the first of them was done

    def step(self, steps=1):
        """Count steps that are done."""
        self.done += steps
        if self._first is None:
            self._first = self.done, self._now()

    def seconds_left(self):
        """float, or None where it cannot be known yet."""
        if self._first is None or self.done == self._first[0]:
            return None
        spent = self._now() - self._first[1]
        return spent / (self.done - self._first[0]) * (self.total - self.done)
