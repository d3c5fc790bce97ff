"""Features for distances between sets of pictures.

    shape and colour    48 principal components of a histogram of oriented gradients and 16 of an
                        8 x 8 LAB thumbnail, fitted to training pictures, whitened: the whole
                        picture with hair and background
    encoder             the project's face encoder, on the mean place of a face
    dlib                dlib's, likewise, where installed: trained on photographs

The face encoders take one fixed crop, at the mean face of the training pictures, rather than
detected faces: samples without a face must not be left out of the comparison.
"""

import cv2
import numpy as np

SHAPE, COLOUR = 48, 16
SIDE = 64
LARGE = 256
KNOWN = 200  # training pictures from which the mean place of a face is taken


def features(names, train):
    """Makers of features, uint8 (N, S, S, 3) -> float (N, D).

    Args:
        names: some of "shape and colour", "encoder", "dlib".
        train: uint8 (N, S, S, 3), the training pictures.

    Returns:
        dict of functions by name.
    """
    makers = {}
    for name in names:
        makers[name] = Features(train) if name == "shape and colour" else Faces(name, train)
    return makers


def available():
    """The names of the features that this machine can make."""
    from facekit import identity

    return ["shape and colour", "encoder", *(["dlib"] if "dlib" in identity.available() else [])]


def raw_features(images):
    """Gradients and colours of pictures.

    Args:
        images: uint8 (N, S, S, 3).

    Returns:
        (float32 (N, 1764), float32 (N, 192)).
    """
    hog = cv2.HOGDescriptor((SIDE, SIDE), (16, 16), (8, 8), (8, 8), 9)
    shape, colour = [], []
    for image in images:
        image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        shape.append(hog.compute(image).ravel())
        thumbnail = cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA)
        colour.append(cv2.cvtColor(thumbnail, cv2.COLOR_RGB2LAB).ravel())
    return np.array(shape, np.float32), np.array(colour, np.float32)


class Features:
    """Principal components of a set of pictures, scaled to variance 1 there.

    Args:
        images: uint8 (N, S, S, 3): the training pictures.

    Calling it with pictures returns float32 (M, SHAPE + COLOUR).
    """

    def __init__(self, images):
        self.bases = []
        for raw, count in zip(raw_features(images), (SHAPE, COLOUR), strict=True):
            mean = raw.mean(0)
            _, singular, axes = np.linalg.svd(raw - mean, full_matrices=False)
            scale = np.sqrt(len(raw) - 1) / singular[:count]
            self.bases.append((mean, axes[:count].T * scale))

    def __call__(self, images):
        raws = raw_features(images)
        return np.hstack(
            [(raw - mean) @ axes for raw, (mean, axes) in zip(raws, self.bases, strict=True)]
        )


class Faces:
    """Embeddings of a face encoder at the mean place of a face.

    Args:
        name: "encoder" or "dlib".
        images: uint8 (N, S, S, 3): the training pictures, from whose faces that place is taken.

    Calling it with pictures returns float32 (M, 128).

    Raises:
        ValueError: if none of the pictures shows a face.
    """

    def __init__(self, name, images):
        from facekit.detect import detect, largest
        from facekit.identity import load_embedder

        self.embedder = load_embedder(name)
        chosen = np.linspace(0, len(images) - 1, min(len(images), KNOWN)).astype(int)
        found = [largest(detect(_large(images[i]))) for i in chosen]
        points = [face.points5 for face in found if face is not None]
        if not points:
            raise ValueError("no face was found in the training pictures; name pictures of faces.")
        self.points = np.mean(points, axis=0)

    def __call__(self, images):
        from facekit.align import align

        if self.embedder.name == "dlib":
            return np.stack(
                [self.embedder.describe(_large(image), self.points) for image in images]
            )
        side = self.embedder.settings.size
        crops = [align(_large(image), self.points, side).image for image in images]
        return self.embedder.embed_crops(np.stack(crops))


def face_share(images):
    """In which pictures MediaPipe's short-range detector, made for heads as large as these, finds a
    face after enlarging to 256 px.

    Args:
        images: uint8 (N, S, S, 3).

    Returns:
        bool (N,).
    """
    import mediapipe

    with mediapipe.solutions.face_detection.FaceDetection(model_selection=0) as detector:
        return np.array([bool(detector.process(_large(image)).detections) for image in images])


def _large(image):
    return cv2.resize(np.ascontiguousarray(image), (LARGE, LARGE), interpolation=cv2.INTER_CUBIC)
