"""Identity: who is to be seen, as a unit vector that an encoder of faces makes of another picture
of the same person. Of another one, so that a network learns from it what is the person's, and not
what is the picture's: light, pose, expression, background.

The encoder is the caller's: this package knows vectors. The zero vector is nobody.
"""

from dataclasses import dataclass

import numpy as np

from ddpm.conditions.record import Condition

# The columns of a `Source` that `rows` needs: the first two, or the vector that all pictures have.
EMBEDDINGS, PEOPLE, FACE = "embeddings", "identities", "face"


@dataclass(frozen=True)
class IdentitySettings:
    """Settings of the identity.

    Args:
        dimensions: D, length of the vector.
        tokens: that it becomes.
        width: elements of a token; as wide as those of the text, where there is text.
        p_drop: probability that a training picture is given nobody, whatever else is dropped. High,
            because a face says nearly everything that a caption does: beside it the words would
            hardly be learned.
        p_alone: probability that a training picture that is given somebody is told no words: a face
            is often all that is asked for.
    """

    dimensions: int = 128
    tokens: int = 4
    width: int = 128
    p_drop: float = 0.5
    p_alone: float = 0.0


def check_face(face, conditions, name):
    """Refuse to draw a person where the model cannot, or by a vector of another encoder.

    Args:
        face: float (D,) or (M, D); None where it is not known yet.
        conditions: {name: settings} of the model.
        name: of the model, for the sentence.

    Raises:
        ValueError: one sentence.
    """
    if "identity" not in conditions:
        raise ValueError(
            f"{name} was trained without identities; leave --face away. To paint a person into a "
            "photo: python -m portrait reconstruct --template PHOTO --face FACE"
        )
    dimensions = conditions["identity"].dimensions
    if face is not None and face.shape[-1] != dimensions:
        raise ValueError(
            f"{name} knows a face by {dimensions} numbers; make them with the encoder that it was "
            f"trained with. Received: {face.shape[-1]} numbers."
        )


def others_of(people, embeddings):
    """Which pictures can say who is in a picture: the others of the same person that show a face.

    Args:
        people: int (N,), who is in each picture.
        embeddings: float (N, D), NaN where no face was found.

    Returns:
        list of N int arrays, indices of pictures; empty where the person has no other.
    """
    seen = np.flatnonzero(np.isfinite(embeddings).all(axis=1))
    order = seen[np.argsort(people[seen], kind="stable")]
    names, starts = np.unique(people[order], return_index=True)
    of = dict(zip(names.tolist(), np.split(order, starts[1:]), strict=True))
    nobody = np.zeros(0, np.int64)
    return [
        (shown := of.get(person, nobody))[shown != i] for i, person in enumerate(people.tolist())
    ]


def _null(settings, n):
    return {"identity": np.zeros((n, settings.dimensions), np.float32)}


def _from_request(request, settings, model, indices):
    if request.face is None:
        return None
    faces = np.atleast_2d(request.face).astype(np.float32)
    return {"identity": faces[np.array(indices) % len(faces)]}


def _negative(request, settings, n):
    return None if request.face is None else _null(settings, n)


def _rows(source, settings):
    if FACE in source.columns:
        face = np.float32(source.columns[FACE])
        return lambda window: {"identity": face}
    embeddings = source.columns[EMBEDDINGS]
    others = others_of(np.asarray(source.columns[PEOPLE]), embeddings)
    nobody = np.zeros(settings.dimensions, np.float32)

    def row(window):
        there = others[window.index]
        if not len(there):
            return {"identity": nobody}
        return {"identity": np.float32(embeddings[there[window.rng.integers(len(there))]])}

    return row


def _encoder(settings, dtype):
    from ddpm.nets.identity import IdentityEncoder  # here, for it starts a backend

    return IdentityEncoder(settings.dimensions, settings.tokens, settings.width, dtype=dtype)


CONDITION = Condition(
    arrays=("identity",),
    settings=IdentitySettings,
    null=_null,
    from_request=_from_request,
    negative=_negative,
    rows=_rows,
    p_drop=lambda settings: settings.p_drop,
    p_alone=lambda settings: settings.p_alone,
    encoder=_encoder,
    token_width=lambda settings: settings.width,
)
