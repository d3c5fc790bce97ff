"""Colours of skin, hair, eyes, cloth, frames and walls (sRGB, 0 to 255), and their way to linear
light."""

import numpy as np

Colour = tuple[float, float, float]  # sRGB, 0 to 255

# From the fairest to the deepest, by the middle of the cheek in even light.
SKIN = np.array(
    [
        [236, 203, 184],
        [228, 189, 166],
        [217, 171, 143],
        [200, 151, 119],
        [178, 128, 96],
        [149, 102, 75],
        [115, 77, 56],
        [86, 57, 42],
    ],
    float,
)
HAIR = {
    "black": (22, 19, 18),
    "dark brown": (44, 30, 22),
    "brown": (78, 52, 34),
    "light brown": (120, 88, 62),
    "blond": (192, 158, 118),
    "red": (122, 64, 38),
    "grey": (128, 126, 124),
    "white": (206, 204, 200),
}
DYES = {
    "auburn": (98, 40, 26),
    "copper": (146, 80, 48),
    "platinum": (222, 208, 186),
    "pink": (206, 112, 142),
    "blue": (58, 92, 150),
    "green": (62, 122, 88),
    "purple": (104, 62, 128),
}
EYES = {
    "dark brown": (50, 30, 18),
    "brown": (88, 54, 28),
    "hazel": (116, 88, 44),
    "green": (88, 108, 70),
    "blue": (78, 108, 136),
    "grey": (98, 108, 114),
}
CLOTHES = {
    "white": (226, 224, 219),
    "black": (34, 34, 37),
    "grey": (126, 128, 131),
    "navy": (38, 48, 78),
    "blue": (74, 106, 150),
    "light blue": (158, 184, 208),
    "green": (70, 98, 74),
    "red": (140, 46, 44),
    "pink": (204, 150, 150),
    "beige": (198, 178, 148),
    "brown": (98, 74, 56),
    "yellow": (206, 170, 88),
    "orange": (194, 112, 58),
    "purple": (96, 70, 124),
    "teal": (62, 116, 118),
    "burgundy": (98, 34, 46),
}
BACKDROPS = {
    "grey": (146, 148, 150),
    "light grey": (204, 204, 202),
    "dark": (58, 60, 64),
    "blue": (112, 136, 160),
    "beige": (196, 182, 162),
    "green": (122, 140, 122),
    "brown": (122, 104, 90),
    "teal": (92, 128, 130),
    "rose": (184, 154, 150),
    "white": (232, 231, 228),
}
FRAMES = {  # sRGB
    "gold": (196, 160, 96),
    "silver": (176, 178, 182),
    "black metal": (40, 40, 42),
    "black": (24, 23, 24),
    "brown": (74, 48, 34),
    "tortoiseshell": (104, 62, 32),
    "clear": (158, 154, 148),
    "red": (124, 30, 34),
    "blue": (38, 58, 104),
}
STRAW = {"beige": (206, 180, 132), "white": (222, 214, 196), "brown": (128, 92, 60)}
JEWELS = {"gold": (212, 168, 92), "silver": (190, 192, 196), "pearl": (232, 224, 212)}


def linear(srgb):
    """sRGB 0 to 255 to linear 0 to 1."""
    value = np.asarray(srgb, np.float32) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


def between(palette, place):
    """A colour of a palette (K, 3) at `place` in [0, 1]."""
    at = place * (len(palette) - 1)
    return np.array([np.interp(at, np.arange(len(palette)), palette[:, k]) for k in range(3)])


def vary(rng, colour, spread):
    """A colour lighter or darker, and a little off."""
    colour = (
        np.array(colour) * np.exp(rng.normal(0, spread)) * np.exp(rng.normal(0, spread / 14, 3))
    )
    return tuple(map(float, np.clip(colour, 0, 255)))
