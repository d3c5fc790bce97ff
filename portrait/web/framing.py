"""How the head lies in the picture: words for it, and the numbers that a model is told
(`ddpm.conditions.size_crop`)."""

from ddpm.cli import SIZE_CROP, read_pair
from ddpm.conditions.size_crop import size_crop
from ddpm.presets import PRESETS

AS_TRAINED, BY_NUMBERS = "as trained", "by numbers"


def _close_up(top, left):
    return {"crop": (top, left), "target_size": (1.25, 1.25)}


# What each word asks for, in sides of the model's pictures. A window that is cut out further to the
# right shows the face further to the left.
NAMED = {
    AS_TRAINED: {},
    "close-up": _close_up(0.125, 0.125),
    "close-up, face on the left": _close_up(0.125, 0.25),
    "close-up, face on the right": _close_up(0.125, 0),
    "close-up, face at the top": _close_up(0.25, 0.125),
    "close-up, face at the bottom": _close_up(0, 0.125),
    "soft, as from a small file": {"original_size": (0.5, 0.5)},
}
FRAMINGS = (*NAMED, BY_NUMBERS)


def pixels(word, size):
    """The numbers of a word of `NAMED`: {name of `SIZE_CROP`: two int}.

    Args:
        word: str.
        size: height and width of the model's pictures, pixels.
    """
    return {
        name: tuple(round(share * size) for share in pair) for name, pair in NAMED[word].items()
    }


def asked(form, size):
    """What a form's framing asks for.

    Args:
        form: `drawing.Form`.
        size: as of `pixels`; only words of `NAMED` other than `AS_TRAINED` need it.

    Returns:
        Arguments of `Request`: {name of `SIZE_CROP`: two int}.

    Raises:
        ValueError: one sentence.
    """
    if form.framing not in FRAMINGS:
        raise ValueError(f"a framing is one of {'; '.join(FRAMINGS)}.")
    if form.framing != BY_NUMBERS:
        return pixels(form.framing, size)
    texts = {name: (getattr(form, name) or "").strip() for name in SIZE_CROP}
    return {
        name: read_pair(name.replace("_", " "), text, *SIZE_CROP[name], 10_000, int)
        for name, text in texts.items()
        if text
    }


def of_recipe(recipe):
    """The fields of the framing that a recipe's picture has.

    Args:
        recipe: dict, of any file.

    Returns:
        Arguments of `drawing.Form`: a word of `NAMED` where one says the recipe's numbers.

    Raises:
        ValueError: one sentence.
    """
    given = {name: recipe[name] for name in SIZE_CROP if name in recipe}
    for name, pair in given.items():
        if not isinstance(pair, list) or [type(number) for number in pair] != [int, int]:
            raise ValueError(f"the recipe's {name} is no pair of whole numbers.")
    size = size_of(recipe)
    for word in NAMED if size else ():
        told = {name.removesuffix("_size"): pair for name, pair in pixels(word, size).items()}
        numbers = size_crop(size, **told).astype(int).reshape(3, 2)
        if given == dict(zip(SIZE_CROP, numbers.tolist(), strict=True)):
            return {"framing": word}
    texts = {name: ",".join(map(str, pair)) for name, pair in given.items()}
    return {"framing": BY_NUMBERS, **texts} if given else {}


def scaled(recipe, size):
    """The numbers of a recipe's framing for a model of another size.

    Args:
        recipe: dict that `of_recipe` takes, of a model whose size is known.
        size: height and width of the model's pictures, pixels.

    Returns:
        {name of `SIZE_CROP`: text}.
    """
    zoom = size / size_of(recipe)
    return {
        name: ",".join(str(max(least, round(number * zoom))) for number in recipe[name])
        for name, (_, least) in SIZE_CROP.items()
        if name in recipe
    }


def size_of(recipe):
    """Height and width of the pictures of a recipe's model, pixels; None where it is not known."""
    name = recipe.get("preset")
    preset = PRESETS.get(name) if isinstance(name, str) else None
    return preset and preset.size
