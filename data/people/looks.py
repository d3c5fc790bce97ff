"""What people may look like: garments, expressions, and how far features go."""

# How much of somebody a picture shows: how often, and between what shares of the picture's width
# the eyes stand apart.
FRAMINGS = {
    "close": (0.14, 0.248, 0.265),
    "portrait": (0.74, 0.215, 0.25),
    "wide": (0.12, 0.165, 0.2),
}
TALL_CUTS = ("afro", "curly", "bun", "quiff")  # cuts that need room above the head

GARMENTS = ("T-shirt", "V-neck top", "polo neck", "shirt", "jacket")


def _both(**units):
    """ARKit units of the left and of the right side alike."""
    return {f"{name}{side}": value for name, value in units.items() for side in ("Left", "Right")}


# Expressions: the ARKit units at full strength, how strongly they are shown, how often (shares).
EXPRESSIONS = {
    "neutral": ({}, (0.0, 0.0), 0.22),
    "slight smile": (
        _both(mouthSmile=0.5, mouthStretch=0.12, cheekSquint=0.4, eyeSquint=0.18),
        (0.6, 1.0),
        0.18,
    ),
    "smile": (
        _both(mouthSmile=0.8, mouthStretch=0.2, cheekSquint=0.8, eyeSquint=0.4, mouthDimple=0.2),
        (0.7, 1.0),
        0.18,
    ),
    "open smile": (
        _both(
            mouthSmile=0.8,
            mouthStretch=0.3,
            mouthUpperUp=0.7,
            cheekSquint=0.95,
            eyeSquint=0.4,
            mouthLowerDown=0.3,
        )
        | {"jawOpen": 0.14},
        (0.7, 1.0),
        0.15,
    ),
    "laugh": (
        _both(
            mouthSmile=0.9,
            mouthStretch=0.4,
            mouthUpperUp=0.75,
            cheekSquint=1.0,
            eyeSquint=0.55,
            mouthLowerDown=0.3,
        )
        | {"jawOpen": 0.34},
        (0.75, 1.0),
        0.05,
    ),
    "smirk": (
        {"mouthSmileLeft": 0.75, "cheekSquintLeft": 0.35, "browOuterUpLeft": 0.3},
        (0.6, 1.0),
        0.03,
    ),
    "surprised": (
        _both(browOuterUp=0.6, eyeWide=0.6) | {"jawOpen": 0.4, "browInnerUp": 0.7},
        (0.5, 1.0),
        0.04,
    ),
    "serious": (_both(browDown=0.35, mouthPress=0.3), (0.5, 1.0), 0.05),
    "angry": (
        _both(browDown=0.9, mouthPress=0.4, eyeSquint=0.35, noseSneer=0.45, mouthFrown=0.2),
        (0.6, 1.0),
        0.02,
    ),
    "sad": (_both(mouthFrown=0.5) | {"browInnerUp": 0.6, "mouthShrugLower": 0.2}, (0.5, 1.0), 0.03),
    "pursed lips": ({"mouthPucker": 0.6, "mouthFunnel": 0.15}, (0.5, 1.0), 0.02),
    "eyes closed": (_both(eyeBlink=0.93, mouthSmile=0.2), (1.0, 1.0), 0.015),
    "talking": (
        _both(mouthLowerDown=0.3, mouthUpperUp=0.15) | {"jawOpen": 0.2},
        (0.5, 1.0),
        0.035,
    ),
}

# How far single features may go; features of these folders are drawn, all others stay put.
FEATURE_SPREAD = {
    "head": 0.28,
    "forehead": 0.35,
    "eyebrows": 0.5,
    "eyes": 0.36,
    "nose": 0.38,
    "mouth": 0.32,
    "cheek": 0.4,
    "chin": 0.38,
    "ears": 0.22,
    "neck": 0.15,
    "asym": 0.12,
}
# Those that break a face when taken far, with the share of the spread they keep.
GENTLE = {
    "head/head-age": 0.0,
    "head/head-trans-across": 0.0,
    "head/head-trans-height": 0.0,
    "head/head-trans-depth": 0.0,
    "head/head-angle": 0.4,
    "neck/neck-trans-across": 0.0,
    "neck/neck-trans-height": 0.0,
    "neck/neck-trans-depth": 0.0,
    "eyes/eye-push1": 0.3,
    "eyes/eye-push2": 0.3,
    "nose/nose-point": 0.6,
    "nose/nose-trans-across": 0.12,
    **{f"asym/asym-mouth-{n}-{side}": 0.5 for n in (1, 2) for side in "lr"},
    **{f"asym/asym-jaw-{n}-{side}": 0.6 for n in (1, 2, 3) for side in "lr"},
    "mouth/mouth-trans-across": 0.12,
    "eyes/eye-height2": 0.7,
    "nose/nose-trans-depth": 0.5,
    "mouth/mouth-trans-depth": 0.5,
    "ears/ear-shape-pointed": 0.3,
    "nose/nose-septumangle": 0.5,
    "mouth/mouth-scale-depth": 0.5,
    "chin/chin-jaw-drop": 0.4,
    "nose/nose-compression": 0.5,
    "neck/measure-neck-height": 0.0,
    "eyebrows/eyebrows-angle": 0.6,
    "neck/neck-scale-vert": 0.5,
    "chin/chin-prognathism": 0.5,
    "forehead/forehead-nubian": 0.25,
    "forehead/forehead-scale-vert": 0.5,
    "head/head-square": 0.5,
    "head/head-rectangular": 0.5,
    "head/head-triangular": 0.35,
    "head/head-invertedtriangular": 0.4,
    "head/head-diamond": 0.4,
    "head/head-scale-vert": 0.6,
    "head/head-oval": 0.5,
    "head/head-fat": 0.6,
    "head/head-round": 0.7,
    "mouth/mouth-laugh-lines": 0.5,
    "head/head-scale-horiz": 0.7,
}
# How far proportions go of themselves; ratios as people have them ask for more.
FREE_SPREAD = {"eye height": 0.3, "nose size": 0.5}

# Where the middle of a feature lies, if not at the base mesh.
LEAN = {
    "head/head-scale-horiz": -0.3,
    "head/head-fat": -0.15,
    "eyes/eye-scale": 0.3,
    "neck/neck-scale-horiz": -0.3,
    "head/head-oval": 0.1,
    "chin/chin-width": -0.45,
    "chin/chin-triangle": 0.2,
    "nose/nose-volume": -0.25,
    "eyes/eye-height2": 0.3,
    "mouth/mouth-angles": 0.45,
    "mouth/mouth-scale-horiz": 0.2,
    "mouth/mouth-lowerlip-volume": -0.4,
    "mouth/mouth-upperlip-volume": -0.3,
    "ears/ear-scale": -0.25,
    "ears/ear-scale-vert": -0.15,
    "ears/ear-trans-height": 0.55,
    "mouth/mouth-lowerlip-height": -0.15,
    "nose/nose-point": 0.2,
    "nose/nose-septumangle": -0.1,
    "eyebrows/eyebrows-angle": 0.15,
    "eyebrows/eyebrows-trans-height": 0.15,
}
LEAN_FEMALE = {
    "eyebrows/eyebrows-trans-height": 0.35,
    "eyes/eye-scale": 0.4,
    "nose/nose-scale-horiz": -0.25,
    "nose/nose-volume": -0.45,
    "nose/nose-hump": -0.2,
    "chin/chin-width": -0.6,
    "chin/chin-bones": -0.3,
    "mouth/mouth-upperlip-volume": 0.0,
    "mouth/mouth-lowerlip-volume": -0.1,
    "cheek/cheek-bones": 0.15,
    "neck/neck-scale-horiz": -0.5,
    "neck/measure-neck-circ": -0.2,
}
# What the years add to the middle of a feature, from 30 to 85.
AGING = {
    "eyes/eye-bag": 0.9,
    "eyes/eye-eyefold": -0.5,
    "mouth/mouth-laugh-lines": 0.9,
    "mouth/mouth-upperlip-volume": -0.5,
    "mouth/mouth-lowerlip-volume": -0.4,
    "cheek/cheek-inner": -0.4,
    "cheek/cheek-trans-height": -0.4,
    "neck/neck-double": 0.5,
    "ears/ear-scale": 0.25,
    "nose/nose-scale-vert": 0.25,
    "mouth/mouth-angles": -0.3,
}
