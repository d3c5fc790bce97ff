"""Composition of the rendered faces, counted over sampled people without rendering."""

from collections import Counter

import numpy as np

from data.faces import sample_face
from data.people.view import attributes

AGES = (18, 30, 40, 50, 60, 70, 86)
ORIGINS = ("african", "asian", "caucasian")
QUANTILES = (0, 1, 25, 50, 75, 99, 100)


def balance(n, settings):
    """Attributes and poses of n people, one view each.

    Args:
        n: how many.
        settings: of the dataset they would be in, as `data.faces.sample_face` takes them.

    Returns:
        dictionary: "shares", attribute -> value -> share of the pictures, and "quantiles",
        attribute -> percent -> value.
    """
    known, poses = [], []
    for i in range(n):
        person, view, _ = sample_face(i, settings)
        known.append({**flat(attributes(person, view)), "style": view.style})
        poses.append((view.pose.yaw, view.pose.pitch, view.pose.roll))
    columns = {name: [one.get(name) for one in known] for name in known[0]}
    columns |= dict(zip(("yaw", "pitch", "roll"), zip(*poses, strict=True), strict=True))
    shares, quantiles = {}, {}
    for name, values in columns.items():
        if name == "age":
            shares["age"] = age_shares(values)
        if name == "origin":
            shares["main origin"] = share_of([ORIGINS[int(np.argmax(v))] for v in values])
        for key, series in numeric(name, values).items():
            quantiles[key] = dict(
                zip(map(str, QUANTILES), np.percentile(series, QUANTILES).tolist(), strict=True)
            )
        if not numeric(name, values):
            shares[name] = share_of(values)
    return {"people": n, "shares": shares, "quantiles": quantiles}


def flat(facts):
    """Facts of which none is a dictionary: of the lights' strengths in red, green and blue, one
    number a light, their mean."""
    result = {}
    for name, value in facts.items():
        if isinstance(value, dict):
            result |= {f"{name} {part}": float(np.mean(v)) for part, v in value.items()}
        else:
            result[name] = value
    return result


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def numeric(name, values):
    """The series of numbers in a column: one, or one for each place of its lists, or none."""
    if all(map(is_number, values)):
        return {name: values}
    lists = all(isinstance(value, (list, tuple)) and value for value in values)
    if not lists or not all(is_number(x) for value in values for x in value):
        return {}
    if len({len(value) for value in values}) > 1:
        return {}
    places = ORIGINS if name == "origin" else range(1, len(values[0]) + 1)
    return {f"{name} {p}": [v[k] for v in values] for k, p in enumerate(places)}


def share_of(values):
    """Value -> share of the pictures that have it, the most frequent first. Of lists, each entry
    counts; nothing is "none"."""
    counts = Counter()
    for value in values:
        several = list(value) if isinstance(value, (list, tuple)) else [value]
        counts.update(name_of(one) for one in several or [None])
    return {name: count / len(values) for name, count in counts.most_common()}


def name_of(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value or value == 0 else "none"


def age_shares(ages):
    counts, _ = np.histogram(ages, AGES)
    names = [f"{low}-{high - 1}" for low, high in zip(AGES, AGES[1:], strict=False)]
    return dict(zip(names, (counts / len(ages)).tolist(), strict=True))
