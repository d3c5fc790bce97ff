"""The autoencoder: pictures of H x W to latents of H/8 x W/8 and back.

    picture -> fold 4 x 4 -> blocks -> fold 2 x 2 -> blocks -> latents
    latents -> blocks -> unfold 2 x 2 -> blocks -> unfold 2 x 2 -> block -> unfold 2 x 2 -> picture

Most of the work is done on the coarsest grids, where a convolution does much arithmetic for each
pass over memory. All convolutions are magnitude-preserving (`mp_layers.py`), so there are no
normalisation layers: a picture's brightness and contrast pass through, and what one corner shows
changes nothing in another.
"""

import keras
from keras import ops

from ddpm.nets.config import VAE_STRIDE, VAEConfig
from ddpm.nets.layers import depth_to_space, space_to_depth
from ddpm.nets.mp_layers import MPConv, mp_silu, mp_sum, with_ones


@keras.saving.register_keras_serializable(package="ddpm")
class MPBlock(keras.layers.Layer):
    """mp_sum(x, conv(silu(conv(silu(x))))): a residual block of constant width.

    Args:
        width: channels.
        t: share of the branch in the sum.

    Reference:
        Karras et al. 2024 (arXiv:2312.02696), figure 22, without attention and embedding.
    """

    def __init__(self, width, t=0.3, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.t = t
        self.conv1 = MPConv(width, dtype=self.dtype_policy)
        self.conv2 = MPConv(width, dtype=self.dtype_policy)

    def build(self, input_shape):
        self.conv1.build(input_shape)
        self.conv2.build(input_shape)

    def call(self, x):
        """Args: x (B, H, W, width). Returns: the same shape."""
        return mp_sum(x, self.conv2(mp_silu(self.conv1(mp_silu(x)))), self.t)

    def get_config(self):
        return {**super().get_config(), "width": self.width, "t": self.t}


@keras.saving.register_keras_serializable(package="ddpm")
class Autoencoder(keras.Model):
    """Pictures to latents and back, for any height and width that 8 divides.

    Latents here are as the network makes them; `codec.latent_codec` brings them to mean 0 and
    deviation 1.

    Args:
        config: a `VAEConfig`.

    Reference:
        Kingma and Welling 2014 (arXiv:1312.6114), with noise of one fixed deviation;
        Rombach et al. 2022 (arXiv:2112.10752), section 3.1.
    """

    def __init__(self, config, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        dtype, c = self.dtype_policy, config
        self.enc_stem = MPConv(c.encoder_widths[0], dtype=dtype)
        self.enc_down = MPConv(c.encoder_widths[1], size=1, dtype=dtype)
        for level, (width, blocks) in enumerate(
            zip(c.encoder_widths, c.encoder_blocks, strict=True)
        ):
            setattr(self, f"enc{level}", [MPBlock(width, dtype=dtype) for _ in range(blocks)])
        self.enc_head = MPConv(c.latent_channels, dtype=dtype)
        self.dec_stem = MPConv(c.decoder_widths[0], dtype=dtype)
        for level, (width, blocks) in enumerate(
            zip(c.decoder_widths, c.decoder_blocks, strict=True)
        ):
            setattr(self, f"dec{level}", [MPBlock(width, dtype=dtype) for _ in range(blocks)])
        for level, width in enumerate(c.decoder_widths[1:]):
            setattr(self, f"dec_up{level}", MPConv(4 * width, size=1, dtype=dtype))
        self.dec_head = MPConv(4 * c.channels, gain=0.5, dtype=dtype)
        self.build((None, c.image_size, c.image_size, c.channels))

    def build(self, input_shape):
        if self.built:
            return
        c = self.config

        def grid(channels):
            return (None, None, None, channels)

        self.enc_stem.build(grid(16 * c.channels + 1))
        self.enc_down.build(grid(4 * c.encoder_widths[0]))
        self.enc_head.build(grid(c.encoder_widths[1]))
        self.dec_stem.build(grid(c.latent_channels + 1))
        for level, width in enumerate(c.decoder_widths[:-1]):
            getattr(self, f"dec_up{level}").build(grid(width))
        self.dec_head.build(grid(c.decoder_widths[-1]))
        for side, widths in (("enc", c.encoder_widths), ("dec", c.decoder_widths)):
            for level, width in enumerate(widths):
                for block in getattr(self, f"{side}{level}"):
                    block.build(grid(width))
        self.built = True

    def encoder_layers(self):
        """The layers of the way from pictures to latents."""
        levels = (getattr(self, f"enc{i}") for i in range(len(self.config.encoder_widths)))
        blocks = [block for level in levels for block in level]
        return [self.enc_stem, self.enc_down, *blocks, self.enc_head]

    def freeze_encoder(self):
        """Let the latents stay what they are, whatever is trained. Returns the network itself."""
        for layer in self.encoder_layers():
            layer.trainable = False
        return self

    def encode(self, x):
        """Pictures to latents without noise.

        Args:
            x: float (B, H, W, channels) in [-1, 1], H and W multiples of 8.

        Returns:
            float32 (B, H/8, W/8, latent_channels), not normalised.

        Raises:
            ValueError: if 8 does not divide H and W.
        """
        height, width = x.shape[1:3]
        if (height or 0) % VAE_STRIDE or (width or 0) % VAE_STRIDE:
            raise ValueError(
                f"Height and width must be multiples of {VAE_STRIDE}. "
                f"Received: shape {tuple(x.shape)}"
            )
        h = self.enc_stem(with_ones(space_to_depth(ops.cast(x, self.compute_dtype), 4)))
        for block in self.enc0:
            h = block(h)
        h = self.enc_down(space_to_depth(h, 2))
        for block in self.enc1:
            h = block(h)
        return ops.cast(self.enc_head(h), "float32")

    def decode(self, z):
        """Latents to pictures.

        Args:
            z: float (B, h, w, latent_channels), as `encode` makes them.

        Returns:
            float32 (B, 8 h, 8 w, channels), about [-1, 1], not clipped.
        """
        h = self.dec_stem(with_ones(ops.cast(z, self.compute_dtype)))
        for level in range(len(self.config.decoder_widths)):
            for block in getattr(self, f"dec{level}"):
                h = block(h)
            if level + 1 < len(self.config.decoder_widths):
                h = depth_to_space(getattr(self, f"dec_up{level}")(h), 2)
        return ops.cast(depth_to_space(self.dec_head(mp_silu(h)), 2), "float32")

    def call(self, x):
        """Pictures through both: the reconstruction, float32 as x."""
        return self.decode(self.encode(x))

    def get_config(self):
        return {**super().get_config(), "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "config": VAEConfig.from_dict(config["config"])})
