"""The objective of the autoencoder: pictures through few numbers and back, on any backend."""

import keras
from keras import ops

from ddpm.core.denoiser import in_micro_batches
from ddpm.nets.layers import halve
from ddpm.presets import AutoencodingConfig

EQUIVARIANT_SHARE = 4  # one picture of so many also decodes halved latents


@keras.saving.register_keras_serializable(package="ddpm")
class AutoencodingObjective(keras.Model):
    """Reconstruction by an autoencoder whose latents are noisy and halve with the picture.

    The loss of a picture is a sum of mean absolute errors: of the pixels, of differences between
    neighbours (which mean absolute error alone lets blur), and of the picture at a half and a
    quarter of its side. Latents get noise of one fixed deviation, so that near ones decode alike,
    and a small weight on their mean square keeps them from outgrowing it: together the divergence
    of N(z, noise^2) from N(0, 1) (Kingma and Welling 2014), its deviation not learned. For the
    first of every `EQUIVARIANT_SHARE` pictures, latents averaged over 2 x 2 cells must decode to
    the picture at half its side: what is easy to scale is easier to diffuse (Kouzelis et al. 2025,
    EQ-VAE, arXiv:2502.09509, section 3).

    Args:
        network: an `Autoencoder`.
        config: `AutoencodingConfig`.
        seed: int, of the noise.
        micro_batches: compute a batch as so many independent parts (`in_micro_batches`).
    """

    def __init__(self, network, config=None, seed=0, micro_batches=1, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.network = network
        self.loss_config = config or AutoencodingConfig()
        self.micro_batches = micro_batches
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=None):
        """One draw of the objective.

        Args:
            inputs: float32 (B, H, W, 3) in [-1, 1], or a dict with it as "x0"; H and W multiples
                of 16.
            training: whether the batch is computed in parts.

        Returns:
            float32 (B,): each picture's loss; the term of the halved latents is spread over all.
        """
        x = inputs["x0"] if isinstance(inputs, dict) else inputs
        return in_micro_batches(self.losses, self.micro_batches if training else 1, x)

    def losses(self, x, training=False):
        """The losses of pictures that are computed together; see `call`."""
        weights, network = self.loss_config, self.network
        z = network.encode(x)
        noise = keras.random.normal(ops.shape(z), seed=self.seed_generator)
        noisy = z + network.config.noise * noise
        loss = reconstruction_error(x, network.decode(noisy), weights)
        loss = loss + weights.magnitude * ops.mean(ops.square(z), axis=(1, 2, 3))
        few = slice(None, None, EQUIVARIANT_SHARE)
        halved = reconstruction_error(halve(x[few]), network.decode(halve(noisy[few])), weights)
        return loss + weights.equivariance / EQUIVARIANT_SHARE * ops.mean(halved)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The mean over the batch of what `call` returned."""
        return ops.mean(y_pred)


def reconstruction_error(x, y, weights):
    """Mean absolute errors of pixels, of differences and of coarser scales: (B, H, W, C) twice ->
    (B,)."""
    error = x - y
    total = mean_of_picture(ops.abs(error)) + weights.gradients * (
        mean_of_picture(ops.abs(error[:, 1:] - error[:, :-1]))
        + mean_of_picture(ops.abs(error[:, :, 1:] - error[:, :, :-1]))
    )
    for _ in range(2):
        error = halve(error)
        total = total + weights.coarse * mean_of_picture(ops.abs(error))
    return total


def mean_of_picture(x):
    """(B, H, W, C) -> (B,)."""
    return ops.mean(x, axis=(1, 2, 3))
