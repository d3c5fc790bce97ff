"""What `benchmarks.adapters` measures pictures by: likeness, obedience, style, diversity, drift."""

import io
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.adapters_judge import ASKED, Linear, attribute_features, style_features
from benchmarks.adapters_people import asked_labels
from benchmarks.attributes import VALUES, labels
from benchmarks.common import read_json, write_json
from benchmarks.faces_recognised import load
from benchmarks.identity import detected
from benchmarks.quality import thumbnails
from common.files import write_bytes
from common.images import resize
from data.shape.parts import STYLES

SIDE = 256  # px, to which pictures are brought before a face is looked for in them
HELD_OUT = 5  # every so many renders are kept from the judges, to say how often they are right


def vectors(images, embedders):
    """The vectors of the largest faces.

    Args:
        images: uint8 (N, S, S, 3), or a list of pictures.
        embedders: {name: of `facekit.identity`}.

    Returns:
        {name: float32 (N, D)}, unit vectors, NaN where no face is found.
    """
    from facekit.align import align

    images, points = _points(images)
    seen = [i for i, found in enumerate(points) if found is not None]
    result = {}
    for name, embedder in embedders.items():
        rows = np.full((len(images), embedder.dimensions), np.nan, np.float32)
        if name == "encoder" and seen:
            side = embedder.settings.size
            crops = [align(images[i], points[i], side).image for i in seen]
            rows[seen] = embedder.embed_crops(np.stack(crops))
        else:
            for i in seen:
                rows[i] = embedder.embed(images[i], points[i])
        result[name] = rows
    return result


def _points(images):
    """Pictures at SIDE x SIDE, and the points of the largest face in each, or None."""
    large = [np.ascontiguousarray(resize(np.asarray(image), SIDE)) for image in images]
    return large, [detected(image) for image in large]


def likeness(drawn, held):
    """How like a person pictures are.

    Args:
        drawn: float (N, D), unit vectors, NaN where no face was found.
        held: float (M, D), likewise, of the person's pictures that nothing was learned from.

    Returns:
        float: the mean cosine over all pairs that have both faces; NaN where there is none.
    """
    cosines = drawn @ held.T
    return float(np.nanmean(cosines)) if np.isfinite(cosines).any() else float("nan")


def diversity(images):
    """How much pictures of one person differ: the mean over their pairs of the root mean square
    difference of their 32 x 32 thumbnails, 0 to 255.

    Args:
        images: uint8 (N, S, S, 3), N at least 2.
    """
    small = thumbnails(images)
    apart = np.linalg.norm(small[:, None] - small[None], axis=-1)
    return float(apart[np.triu_indices(len(small), 1)].mean())


def obedience(said, asked):
    """The share of what prompts ask for that is seen.

    Args:
        said: int (N, 8), what the judge says of the pictures.
        asked: int (N, 8), -1 where nothing is asked.

    Returns:
        {"all": share, and for each of `ASKED` its own}.
    """
    right, there = said == asked, asked >= 0
    names = list(VALUES)
    own = {name: float(right[:, i][there[:, i]].mean()) for i, name in enumerate(names)
           if name in ASKED and there[:, i].any()}  # fmt: skip
    return {"all": float(right[there].mean()), **own}


class Judges:
    """Linear classifiers of attributes and of style, fitted to renders once and kept.

    Args:
        renders: a set of `data.faces.make_faces`, of other people, drawn and photographed.
        folder: where the judges lie.
    """

    def __init__(self, renders, folder):
        self.renders, self.folder = Path(renders), Path(folder)

    @cached_property
    def linear(self):
        """{what is judged: (`Linear`, share of right answers)}."""
        path, found = self.folder / "judges.npz", {}
        if not path.exists():
            self._fit(path)
        stored, right = np.load(path), read_json(self.folder / "accuracy.json")
        for name in (*ASKED, "style"):
            arrays = (stored[f"{name} {part}"] for part in ("mean", "scale", "weights"))
            found[name] = Linear(*arrays), right[name]
        return found

    def accuracy(self):
        """How often the judges are right about renders that they were not fitted to, the mean over
        their values: {what is judged: share}."""
        return {name: right for name, (_, right) in self.linear.items()}

    def obedience(self, images):
        """`obedience` of pictures, one for each of the prompts in turn."""
        large, points = _points(images)
        said = np.full((len(images), len(VALUES)), -1, np.int32)
        seen = [i for i, found in enumerate(points) if found is not None]
        for i in seen:
            for name, features in attribute_features(large[i], points[i]).items():
                said[i, list(VALUES).index(name)] = self.linear[name][0](features[None])[0]
        return obedience(said, np.resize(asked_labels(), said.shape))

    def style(self, images, style):
        """Whether pictures look more like a style than like a photograph: bool (N,).

        Of the two alone, for what a model draws is softer than a render, and a soft pencil drawing
        is taken for a watercolour where all styles are asked for.

        Args:
            images: uint8 (N, S, S, 3).
            style: of `data.shape.parts.STYLES`, not "photo".
        """
        features = np.array([style_features(image) for image in images])
        scores = self.linear["style"][0].scores(features)
        return scores[:, STYLES.index(style)] > scores[:, STYLES.index("photo")]

    def style_accuracy(self, style):
        """How often `style` is right about renders that the judge was not fitted to: the mean of
        the shares of drawings in the style, and of photographs."""
        images, records = load(self.renders, STYLES)
        held = np.arange(len(records)) % HELD_OUT == 0
        named = np.array([record["style"] for record in records])
        drawn = self.style(np.asarray(images)[held & (named == style)], style)
        photos = self.style(np.asarray(images)[held & (named == "photo")], style)
        return float((drawn.mean() + 1 - photos.mean()) / 2)

    def _fit(self, path):
        images, records = load(self.renders)
        truth = np.array([labels(record["attributes"]) for record in records])
        scale, rows = SIDE / images.shape[1], []
        for image, record in zip(images, records, strict=True):
            large = np.ascontiguousarray(resize(image, SIDE))
            rows.append(attribute_features(large, scale * np.array(record["points5"])))
        sets = {
            name: (np.array([row[name] for row in rows]), truth[:, list(VALUES).index(name)])
            for name in ASKED
        }
        images, records = load(self.renders, STYLES)
        drawn = np.array([STYLES.index(record["style"]) for record in records])
        sets["style"] = np.array([style_features(image) for image in images]), drawn
        arrays, right = {}, {}
        for name, (features, answers) in sets.items():
            features, answers = features[answers >= 0], answers[answers >= 0]
            held = np.arange(len(answers)) % HELD_OUT == 0
            judge = Linear.fit(features[~held], answers[~held])
            arrays |= {f"{name} {part}": array for part, array in vars(judge).items()}
            right[name] = balanced(judge(features[held]), answers[held])
        write_json(right, self.folder / "accuracy.json")
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_bytes(buffer.getvalue(), path)  # last: then the other file is there, too


def balanced(said, truth):
    """The mean over values of the share that is judged right: said, truth int (N,)."""
    return float(np.mean([(said[truth == value] == value).mean() for value in np.unique(truth)]))
