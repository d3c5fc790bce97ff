"""The last stage of an autoencoder: its decoder alone goes on, against a critic of patches, so that
strands and pores come back sharp. The encoder stays, and so do the latents of all models.
"""

import keras
from keras import ops

from ddpm.nets.layers import space_to_depth
from ddpm.nets.mp_layers import MPConv, mp_silu, with_ones
from ddpm.training.autoencoding import (
    AutoencodingObjective,
    mean_of_picture,
    reconstruction_error,
)

LATE = 300  # steps after which the decoder hears the critic
WEIGHT, LIMIT = 0.05, 1.0  # of the critic's number in the decoder's loss, and how far it counts


@keras.saving.register_keras_serializable(package="ddpm")
class PatchCritic(keras.Model):
    """How much each patch of a picture looks like one of a photograph rather than a decoded one.

    Squares of 2 x 2 pixels are folded into channels; each number sees 52 pixels of a side.

    Args:
        widths: channels of its convolutions, each but the last on half the grid of the one before.

    Reference:
        Isola et al. 2017 (pix2pix, arXiv:1611.07004), section 3.2.2, with unit kernels instead of
        normalisations.
    """

    def __init__(self, widths=(32, 64, 96), **kwargs):
        super().__init__(**kwargs)
        self.widths = tuple(widths)
        dtype = self.dtype_policy
        self.convs = [MPConv(width, dtype=dtype) for width in self.widths]
        self.head = MPConv(1, gain=1.0, dtype=dtype)
        self.build((None, None, None, 3))

    def build(self, input_shape):
        if self.built:
            return
        channels = input_shape[-1]
        for conv in self.convs:
            conv.build((None, None, None, 4 * channels + 1))
            channels = conv.width
        self.head.build((None, None, None, channels))
        self.built = True

    def call(self, x):
        """Args: x (B, H, W, 3), H and W multiples of 8. Returns: float32 (B, H / 8, W / 8, 1)."""
        h = ops.cast(x, self.compute_dtype)
        for conv in self.convs:
            h = mp_silu(conv(with_ones(space_to_depth(h, 2))))
        return ops.cast(self.head(h), "float32")

    def get_config(self):
        return {**super().get_config(), "widths": list(self.widths)}


@keras.saving.register_keras_serializable(package="ddpm")
class SharpeningObjective(AutoencodingObjective):
    """Reconstruction by a decoder whose errors a critic of patches sees.

    The critic learns to tell pictures from decoded ones by the hinge loss; the decoder, besides its
    reconstruction error, is to raise the critic's number of what it decodes. Both are terms of one
    loss: where the decoder learns, the critic's weights are constants, and where the critic learns,
    the decoded picture is. That number counts only up to `LIMIT`, so that the decoder gains nothing
    by exaggeration, and not at all in the first `LATE` steps, in which the critic learns alone.

    Args:
        network: an `Autoencoder`; its encoder's weights are constants.
        config: `AutoencodingConfig`.
        seed: int, of the latents' noise.
        micro_batches: for the sake of `ObjectiveConfig.make`; batches are computed whole.

    Reference:
        Esser et al. 2021 (VQGAN, arXiv:2012.09841), section 3.1; Lim and Ye 2017
        (arXiv:1705.02894), the hinge loss.
    """

    def __init__(self, network, config=None, seed=0, micro_batches=1, **kwargs):
        super().__init__(network.freeze_encoder(), config, seed, micro_batches, **kwargs)
        self.critic = PatchCritic(dtype=network.dtype_policy)
        self.steps = self.add_weight(shape=(), initializer="zeros", trainable=False, name="steps")

    def call(self, inputs, training=None):
        """One draw of the objective.

        Args:
            inputs: float32 (B, H, W, 3) in [-1, 1], or a dict with it as "x0"; H and W multiples
                of 8.
            training: whether the step counts.

        Returns:
            float32 (B,): each picture's loss.
        """
        x = inputs["x0"] if isinstance(inputs, dict) else inputs
        z = ops.stop_gradient(self.network.encode(x))
        noise = keras.random.normal(ops.shape(z), seed=self.seed_generator)
        y = self.network.decode(z + self.network.config.noise * noise)
        loss = reconstruction_error(x, y, self.loss_config)
        constants = [ops.stop_gradient(ops.convert_to_tensor(v)) for v in self.critic.variables]
        convincing, _ = self.critic.stateless_call(constants, [], y)
        switched_on = ops.cast(self.steps >= LATE, "float32")
        loss = loss - WEIGHT * switched_on * mean_of_picture(ops.minimum(convincing, LIMIT))
        if training:
            self.steps.assign(self.steps + 1.0)
        true, decoded = self.critic(x), self.critic(ops.stop_gradient(y))
        loss = loss + mean_of_picture(ops.relu(1.0 - true))
        return loss + mean_of_picture(ops.relu(1.0 + decoded))
