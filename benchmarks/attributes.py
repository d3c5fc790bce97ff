"""Attributes of rendered faces: their labels, prompts that name them, and a classifier, trained on
renders only, that measures how well samples follow their prompts.
"""

import keras
import numpy as np
from keras import layers, ops

# The values of each attribute. What is in between two values has no label (-1).
VALUES = {
    "sex": ("man", "woman"),
    "age": ("young", "middle", "old"),
    "hair colour": ("black", "brown", "blond", "red", "grey"),
    "hair length": ("bald", "short", "bob", "long"),
    "beard": ("none", "full beard"),
    "glasses": ("none", "glasses"),
    "smile": ("serious", "smiling"),
    "background": ("beige", "blue", "brown", "dark", "green", "grey", "rose", "teal", "white"),
}
_HAIR = {
    **dict.fromkeys(("black",), "black"),
    **dict.fromkeys(("dark brown", "brown", "light brown"), "brown"),
    **dict.fromkeys(("blond", "platinum"), "blond"),
    **dict.fromkeys(("red", "copper", "auburn"), "red"),
    **dict.fromkeys(("grey", "white"), "grey"),
}
_LENGTH = {
    **dict.fromkeys(("bald",), "bald"),
    **dict.fromkeys(("buzz", "cropped", "side part", "swept back", "quiff", "receding"), "short"),
    **dict.fromkeys(("bob", "fringed bob"), "bob"),
    **dict.fromkeys(("long straight", "long wavy"), "long"),
}
_BEARD = {"": "none", "full beard": "full beard", "short beard": "full beard"}
_SMILE = {
    **dict.fromkeys(("smile", "open smile", "laugh"), "smiling"),
    **dict.fromkeys(("neutral", "serious", "angry", "sad", "pursed lips"), "serious"),
}
_PAPER = ("sweep", "gradient", "muslin", "plaster wall")
AGES = {"young": (0, 28), "middle": (40, 60), "old": (72, 200)}


def labels(attributes):
    """Labels of one rendered face.

    Args:
        attributes: of a line of `faces.jsonl`.

    Returns:
        int (8,): for each attribute the index of its value in `VALUES`, -1 for none of them.
    """
    a = attributes
    covered = bool(a["hat"])
    bald = a["cut"] == "bald"
    age = next((word for word, (low, high) in AGES.items() if low <= a["age"] < high), None)
    greying = a["greying"] > 0.18 and a["hair"] not in ("grey", "white")
    paper = a["backdrop"] in _PAPER and a["light"] != "coloured light"
    found = {
        "sex": a["sex"],
        "age": age,
        "hair colour": None if covered or bald or greying else _HAIR.get(a["hair"]),
        "hair length": None if covered else _LENGTH.get(a["cut"]),
        "beard": _BEARD.get(a["beard"]) if a["sex"] == "man" else None,
        "glasses": "glasses" if a["glasses"] else "none",
        "smile": _SMILE.get(a["expression"]),
        "background": a["backdrop_colour"].removeprefix("light ") if paper else None,
    }
    return np.array(
        [VALUES[k].index(v) if v in VALUES[k] else -1 for k, v in found.items()], np.int32
    )


def prompts(n, rng):
    """Prompts that name all attributes, each value as often as the others.

    Args:
        n: how many.
        rng: numpy Generator.

    Returns:
        (list of n strings, int (n, 8) labels).
    """
    chosen = [{name: rng.choice(values) for name, values in VALUES.items()} for _ in range(n)]
    for face in chosen:
        # Only combinations that renders have; for others see `benchmarks.conditioning.unseen`.
        if face["sex"] == "woman":
            face["beard"] = "none"
            if face["hair length"] == "bald":
                face["hair length"] = "long"
        elif face["hair length"] in ("bob", "long"):
            face["hair length"] = "short"
    return [prompt(face) for face in chosen], np.array([_labels(face) for face in chosen])


def prompt(face):
    """The prompt for one face: a dict of values; a missing attribute is not named."""
    sex, age = face["sex"], face.get("age")
    who = {"young": f"young {sex}", "old": f"elderly {sex}"}.get(age, sex)
    mood = {"smiling": "smiling ", "serious": "serious "}.get(face.get("smile"), "")
    decade = f" in {'his' if sex == 'man' else 'her'} fifties" if age == "middle" else ""
    colour = face.get("hair colour", "")
    hair = {
        "bald": "a bald head",
        "short": f"short {colour} hair",
        "bob": f"a {colour} bob",
        "long": f"long straight {colour} hair",
    }.get(face.get("hair length"), f"{colour} hair")
    features = [" ".join(hair.split())]
    if face.get("beard") == "full beard":
        features.append("a full beard")
    if face.get("glasses") == "glasses":
        features.append("glasses")
    listed = (
        features[0] if len(features) == 1 else ", ".join(features[:-1]) + " and " + features[-1]
    )
    where = f", before a {face['background']} background" if face.get("background") else ""
    return f"a photo of a {mood}{who}{decade} with {listed}{where}"


def _labels(face):
    row = [VALUES[name].index(face[name]) if name in face else -1 for name in VALUES]
    if face.get("sex") == "woman":  # as in `labels`
        row[list(VALUES).index("beard")] = -1
    if face.get("hair length") == "bald":
        row[list(VALUES).index("hair colour")] = -1
    return row


def make_classifier(size):
    """A small residual network with one head an attribute: (B, S, S, 3) uint8 -> dict of logits."""
    x = inputs = keras.Input((size, size, 3))
    x = layers.Rescaling(1 / 127.5, -1)(x)
    for width in (32, 64, 128, 256):
        x = layers.Conv2D(width, 3, strides=2, padding="same", activation="swish")(x)
        h = layers.GroupNormalization(8)(x)
        h = layers.Conv2D(width, 3, padding="same", activation="swish")(h)
        x = x + layers.Conv2D(width, 3, padding="same", kernel_initializer="zeros")(h)
    x = layers.GroupNormalization(8)(x)
    # Position matters (a beard is not a fringe), hence no global pooling.
    x = layers.Conv2D(64, 1, activation="swish")(x)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    x = layers.Dense(256, activation="swish")(x)
    heads = [layers.Dense(len(v), name=k.replace(" ", "_"))(x) for k, v in VALUES.items()]
    return keras.Model(inputs, layers.Concatenate()(heads))


def masked_loss(truth, logits):
    """Mean cross-entropy over the attributes that have a value: truth (B, 8), logits (B, all)."""
    total, counted, first = 0.0, 0.0, 0
    for i, values in enumerate(VALUES.values()):
        there = ops.cast(truth[:, i] >= 0, "float32")
        losses = keras.losses.sparse_categorical_crossentropy(
            ops.maximum(truth[:, i], 0), logits[:, first : first + len(values)], from_logits=True
        )
        total, counted = total + ops.sum(there * losses), counted + ops.sum(there)
        first += len(values)
    return total / ops.maximum(counted, 1.0)


def train(images, truth, epochs, seed=0):
    """Train the classifier on renders, augmented by flips, shifts, blur, brightness and noise.

    Args:
        images: uint8 (N, S, S, 3).
        truth: int (N, 8).
        epochs: passes.
        seed: int.

    Returns:
        A function: uint8 (M, S, S, 3) -> int (M, 8).
    """
    keras.utils.set_random_seed(seed)
    model = make_classifier(images.shape[1])
    steps = epochs * (len(images) // 128)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.02), masked_loss, jit_compile=False)
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for first in range(0, len(images) - 127, 128):
            chosen = np.sort(order[first : first + 128])
            model.train_on_batch(_varied(images[chosen], rng), truth[chosen])

    def classify(pictures):
        logits = model.predict(pictures.astype(np.float32), batch_size=256, verbose=0)
        bounds = np.cumsum([len(values) for values in VALUES.values()])[:-1]
        return np.stack([part.argmax(1) for part in np.split(logits, bounds, axis=1)], axis=1)

    return classify


def _varied(images, rng):
    x = images.astype(np.float32)
    x = np.where(rng.random((len(x), 1, 1, 1)) < 0.5, x[:, :, ::-1], x)
    x = np.roll(x, tuple(rng.integers(-2, 3, 2)), (1, 2))
    if rng.random() < 0.5:  # soft, as samples of a briefly trained model are
        x = (x + np.roll(x, 1, 1) + np.roll(x, 1, 2) + np.roll(x, (1, 1), (1, 2))) / 4
    x = x * rng.uniform(0.85, 1.15, (len(x), 1, 1, 1)) + rng.normal(0, 6, x.shape)
    return np.clip(x, 0, 255).astype(np.float32)


def accuracies(said, truth):
    """Balanced accuracy of each attribute: the mean over its values, so that sets of different
    composition can be compared.

    Args:
        said, truth: int (N, 8) labels.

    Returns:
        {attribute: float}.
    """
    result = {}
    for i, name in enumerate(VALUES):
        shares = [(said[truth[:, i] == v, i] == v).mean() for v in np.unique(truth[:, i]) if v >= 0]
        result[name] = float(np.mean(shares))
    return result
