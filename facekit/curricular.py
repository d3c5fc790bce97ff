"""CurricularFace: an angular margin, and hard negatives that weigh more as training goes on.

Reference:
    Huang et al. 2020, CurricularFace: Adaptive Curriculum Learning Loss for Deep Face Recognition,
    CVPR, arXiv:2004.00288.
"""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("facekit")
class CurricularFace(keras.layers.Layer):
    """Logits of people from embeddings, for a softmax cross entropy.

    With theta_j the angle between an embedding and the centre of person j, and y its own person,

        logit_y = s cos(theta_y + m)
        logit_j = s cos(theta_j)                   where cos(theta_j) <= cos(theta_y + m), else
        logit_j = s cos(theta_j) (t + cos(theta_j))                (equations 4, 5 and 7)

    where t, which starts at 0, follows the mean of the batch's cos(theta_y) (equation 10). Where
    theta_y + m would pass pi, cos(theta_y) - m sin(m) takes the place of cos(theta_y + m), as in
    the authors' code, so that the logit keeps falling with the angle.

    Args:
        people: number of people.
        scale: s, positive.
        margin: m in radians, in [0, pi / 2).
        momentum: share of t that is kept in a step, in [0, 1).

    Raises:
        ValueError: for numbers outside these ranges.
    """

    def __init__(self, people, scale=64.0, margin=0.5, momentum=0.99, **kwargs):
        # float32: cosines that differ in the third digit are what the loss is about.
        super().__init__(**{**kwargs, "dtype": "float32"})
        if people < 2:
            raise ValueError(f"Telling people apart takes two. Received: people={people}.")
        if scale <= 0 or not 0 <= margin < math.pi / 2 or not 0 <= momentum < 1:
            raise ValueError(
                "scale must be positive, margin in [0, pi/2) and momentum in [0, 1). "
                f"Received: scale={scale}, margin={margin}, momentum={momentum}."
            )
        self.people, self.scale, self.margin, self.momentum = people, scale, margin, momentum

    def build(self, embeddings_shape, labels_shape):
        self.centres = self.add_weight(
            shape=(embeddings_shape[-1], self.people),
            initializer=keras.initializers.RandomNormal(stddev=0.01),
            name="centres",
        )
        self.t = self.add_weight(shape=(), initializer="zeros", trainable=False, name="t")

    def call(self, embeddings, labels, training=False):
        """Logits, and in training a step of t.

        Args:
            embeddings: (B, D) of unit length.
            labels: (B,) integers in [0, people).

        Returns:
            (B, people) float32. Without `training` no margin and no weights: s cos(theta).
        """
        cosines = ops.clip(ops.matmul(embeddings, unit_columns(self.centres)), -1.0, 1.0)
        if not training:
            return self.scale * cosines
        own = ops.one_hot(labels, self.people, dtype="float32")  # (B, people)
        cosine = ops.sum(own * cosines, axis=-1, keepdims=True)  # (B, 1), cos(theta_y)
        t = self._follow(ops.mean(ops.stop_gradient(cosine)))
        target = with_margin(cosine, self.margin)
        hard = cosines > target
        cosines = ops.where(hard, cosines * (t + cosines), cosines)
        return self.scale * (own * target + (1.0 - own) * cosines)

    def _follow(self, mean):
        self.t.assign(self.momentum * self.t + (1.0 - self.momentum) * mean)
        return ops.stop_gradient(ops.convert_to_tensor(self.t))

    def get_config(self):
        return {
            **super().get_config(),
            "people": self.people,
            "scale": self.scale,
            "margin": self.margin,
            "momentum": self.momentum,
        }


def unit_columns(x):
    """Every column divided by its length: (D, N) -> (D, N)."""
    return x * ops.rsqrt(ops.sum(ops.square(x), axis=0, keepdims=True) + 1e-12)


def with_margin(cosine, margin):
    """cos(theta + m) from cos(theta), falling over the whole of [0, pi]; any shape."""
    sine = ops.sqrt(ops.maximum(1.0 - ops.square(cosine), 1e-6))  # its slope stays finite at 1
    moved = cosine * math.cos(margin) - sine * math.sin(margin)
    past = cosine <= math.cos(math.pi - margin)
    return ops.where(past, cosine - margin * math.sin(margin), moved)
