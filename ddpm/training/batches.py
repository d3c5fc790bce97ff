"""Batches in a fixed order: windows of pictures, and their conditions."""

import threading

import numpy as np

from common.images import resize
from ddpm.codec import to_float
from ddpm.conditions import CONDITIONS, DropRates, Window, drop_conditions
from ddpm.conditions.size_crop import size_crop
from ddpm.nets.lidb import KNOWN, REFERENCE
from ddpm.training.part_maps import part_rows

MAX_ZOOM = 1.4  # side of the resized picture in windows, at random crops
MIN_DOWNSCALE = 0.25  # side of a picture that is made small on purpose, in windows


def batches(images, batch_size, seed, start=0, flip=True, build=None):
    """Endless batches in an order that depends on the seed and the step alone.

    Args:
        images: uint8 (N, H, W, C), may be memory-mapped, or, with `build`, any sequence; N at
            least `batch_size`.
        batch_size: pictures a batch. The rest of N / batch_size sits out an epoch, a different rest
            each time.
        seed: int.
        start: the step to begin with, so that a resumed run sees what it would have seen.
        flip: mirror each picture with probability 1/2.
        build: makes a batch of chosen pictures, (indices, mirrored, rng) -> dict, for models with
            conditions or crops; see `BatchBuilder`.

    Yields:
        (x0,): float32 (batch_size, H, W, C) in [-1, 1], or what `build` returns, in the tuple that
        `fit` expects.
    """
    steps = len(images) // batch_size
    epoch, first = divmod(start, steps)
    while True:
        rng = np.random.default_rng((seed, epoch))
        order = rng.permutation(len(images))
        mirrored = rng.random(len(images)) < 0.5 * flip
        for step in range(first, steps):
            at = slice(step * batch_size, (step + 1) * batch_size)
            if build is not None:
                rng = np.random.default_rng((seed, epoch, step))
                yield (build(order[at], mirrored[at], rng),)
                continue
            batch = np.asarray(images[np.sort(order[at])])
            batch = np.where(mirrored[at, None, None, None], batch[:, :, ::-1], batch)
            yield (to_float(batch),)
        epoch, first = epoch + 1, 0


class Feed:
    """Batches that can be stopped.

    TensorFlow asks for batches in a thread of its own, ahead of time. When the interpreter ends,
    it waits for that thread while it holds the lock that Python needs: if a batch is being made
    then, it waits for ever. So who trains stops the feed first.

    Args:
        batches: an iterator.
    """

    def __init__(self, batches):
        self._batches, self._lock = batches, threading.Lock()
        self._stopped, self._ended = threading.Event(), threading.Event()

    def __iter__(self):
        """A generator of the batches; it ends once the feed is stopped."""
        try:
            while True:
                with self._lock:
                    if self._stopped.is_set():
                        return
                    batch = next(self._batches)
                yield batch
        finally:
            self._ended.set()

    def stop(self, patience=0.2):
        """Make no more batches, and wait for the one that is being made.

        Args:
            patience: seconds to wait besides until it has been handed over; where nobody asks for
                another one, nobody will.
        """
        self._stopped.set()
        with self._lock:
            pass
        self._ended.wait(patience)


class BatchBuilder:
    """Batches with conditions: windows of the pictures, and a row of arrays for each.

    Args:
        source: a `conditions.Source`.
        preset: the `Preset`: the windows' size, how they are cut, what is dropped.
        conditions: {name: settings} to make arrays for; None for those of the preset's network.
        windows: (i, mirrored, rng, `DataConfig`) -> (x0, `Window`) of picture i; None cuts them out
            of the source's pictures.
    """

    def __init__(self, source, preset, conditions=None, windows=None):
        self.source, self.preset = source, preset
        self.windows = windows or PixelWindows(source, preset.size)
        self.conditions = preset.network.conditions if conditions is None else conditions
        self.rows = [CONDITIONS[name].rows(source, s) for name, s in self.conditions.items()]
        if preset.objective.part_weight:
            self.rows.append(part_rows(source, preset.size, preset.codec.stride))

    def __call__(self, indices, mirrored, rng, drop=True):
        """One batch.

        Args:
            indices: int (B,), which pictures.
            mirrored: bool (B,), which of them are mirrored.
            rng: NumPy generator.
            drop: drop some of the conditions, as training wants.

        Returns:
            {"x0": float32 (B, H, W, C), and the condition's arrays}, some of them dropped
            (`conditions.drop_conditions`); with `part_maps.ARRAY` where the objective asks for it.
        """
        x0, rows = [], []
        for i, mirror in zip(indices, mirrored, strict=True):
            x, window = self.windows(i, mirror, rng, self.preset.data)
            x0.append(x)
            rows.append({k: v for row in self.rows for k, v in row(window).items()})
        condition = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        if condition and drop:
            objective = self.preset.objective
            rates = DropRates(objective.p_uncond, objective.p_uncond, objective.p_full_mask)
            condition = drop_conditions(self.conditions, condition, rng, rates)
        return {"x0": np.stack(x0), **condition}


class WithPrior:
    """Batches of which a half are other pictures of the same class, so that a model which learns a
    person does not forget what people look like.

    Args:
        build: makes batches of the pictures that are learned.
        prior: likewise, of those of the class.
        n: how many of the class there are.

    Reference:
        Ruiz et al. 2023, DreamBooth (arXiv:2208.12242), equation 2 with lambda = 1: a batch of each
        a step, their losses summed; there the class is drawn by the model itself.
    """

    def __init__(self, build, prior, n):
        self.build, self.prior, self.n = build, prior, n

    def __call__(self, indices, mirrored, rng):
        """One batch, as `BatchBuilder` makes it: the first half of the pictures asked for, then as
        many of the class as are missing."""
        own = (len(indices) + 1) // 2
        first = self.build(indices[:own], mirrored[:own], rng)
        second = self.prior(rng.integers(0, self.n, len(indices) - own), mirrored[own:], rng)
        return {name: np.concatenate([array, second[name]]) for name, array in first.items()}


class OfPeople:
    """Batches of several pictures of each of a few people, and the features of another picture of
    each: so that what is predicted from the features is the person's, and not the picture's.

    Args:
        build: makes batches of chosen pictures, as `BatchBuilder` does.
        people: int (N,), who is in each picture.
        faces: float (N, 2, M, F), features of the face in each picture and in its mirror image, NaN
            where none was found.
        views: pictures of each person.
        known: {person: float (L, A + B)}, numbers of adapters that were learned of some of them
            before; None where there are none.

    Raises:
        ValueError: if nobody has a picture with a face and another one besides.
    """

    def __init__(self, build, people, faces, views, known=None):
        self.build, self.people, self.faces, self.views = build, people, faces, views
        self.adapters = known
        seen = np.isfinite(faces[:, 0, 0, 0])
        self.of = {who: np.flatnonzero(people == who) for who in np.unique(people)}
        self.seen = {who: own[seen[own]] for who, own in self.of.items()}
        self.known = [who for who in self.of if len(self.of[who]) > 1 and len(self.seen[who])]
        if not self.known:
            raise ValueError(
                "nobody in the pictures has one with a face and another one besides. Make a set "
                "that has such with: python -m data"
            )
        self.may = set(self.known)

    def __call__(self, indices, mirrored, rng):
        """One batch, as `BatchBuilder` makes it, of the people in every `views`-th of the pictures
        asked for, and `lidb.REFERENCE`, float32 (P, M, F), a row a person; where adapters are
        known, `lidb.KNOWN`, float32 (P, L, A + B), zeros for those of whom none is."""
        chosen, references, adapters = [], [], []
        for who in self.people[indices[:: self.views]]:
            if who not in self.may:
                who = self.known[rng.integers(len(self.known))]
            reference = rng.choice(self.seen[who])
            others = self.of[who][self.of[who] != reference]
            chosen.append(rng.choice(others, self.views, replace=len(others) < self.views))
            references.append(self.faces[reference, int(rng.random() < 0.5)])
            if self.adapters:
                nothing = np.zeros_like(next(iter(self.adapters.values())))
                adapters.append(self.adapters.get(who, nothing))
        batch = self.build(np.concatenate(chosen), mirrored, rng)
        batch[REFERENCE] = np.stack(references).astype(np.float32)
        return batch | ({KNOWN: np.stack(adapters).astype(np.float32)} if adapters else {})


class PixelWindows:
    """Windows cut out of pictures, for models that diffuse pixels.

    Args:
        source: a `conditions.Source`.
        size: of the windows, pixels.
    """

    def __init__(self, source, size):
        self.source, self.size = source, size

    def __call__(self, i, mirrored, rng, data):
        """One window.

        Args:
            i: which picture.
            mirrored: mirror it.
            rng: NumPy generator.
            data: `DataConfig`.

        Returns:
            (x0, window): float32 (S, S, 3) in [-1, 1], and a `Window`.
        """
        sizes = self.source.sizes
        image, numbers, matrix = cut_window(
            np.asarray(self.source.images[i]),
            self.size,
            rng,
            None if sizes is None else tuple(sizes[i]),
            mirrored,
            data.p_crop,
            data.p_downscale,
        )
        return to_float(image), Window(image, i, bool(mirrored), numbers, matrix, rng)


def cut_window(image, size, rng, original=None, mirror=False, p_crop=0.0, p_downscale=0.0):
    """Cut a training window out of a picture.

    Args:
        image: uint8 (H, W, 3), of any size.
        size: S of the window.
        rng: numpy Generator.
        original: (height, width) of the file where `image` is a reduced copy.
        mirror: mirror the picture first.
        p_crop: probability of a random place and scale; else the whole shorter side, in the middle.
        p_downscale: probability that the picture is made smaller first, and said to be: so a set
            whose pictures are all large teaches what a small one looks like.

    Returns:
        (window, size_crop, matrix): uint8 (S, S, 3); float32 (6,); float32 (2, 3), which takes the
        picture's points (pixels, corner at 0) to the window's.
    """
    height, width = image.shape[:2]
    matrix = np.array([[1, 0, 0], [0, 1, 0]], np.float64)
    original = original or (height, width)
    if mirror:
        image = image[:, ::-1]
        matrix[0] = -1, 0, width
    if rng.random() < p_downscale and min(height, width) > MIN_DOWNSCALE * size:
        share = (MIN_DOWNSCALE * size / min(height, width)) ** rng.random()
        original = _scaled((height, width), share)
        image = resize(image, original)
    zoom = 1.0
    cropped = rng.random() < p_crop
    if cropped:
        zoom = rng.uniform(1, MAX_ZOOM)
    target = _scaled((height, width), zoom * size / min(height, width))
    image = resize(image, target)
    spare = np.array(target) - size
    top, left = rng.integers(0, spare + 1) if cropped else spare // 2
    scale = np.array([[target[1] / width], [target[0] / height]])
    matrix = matrix * scale - np.array([[0, 0, left], [0, 0, top]])
    cut = image[top : top + size, left : left + size]
    return cut, size_crop(size, original, (top, left), target), matrix.astype(np.float32)


def _scaled(size, share):
    return tuple(max(1, round(side * share)) for side in size)
