"""Where a recipe is sent: to the tab that makes such pictures, for the fields there."""

from dataclasses import dataclass, replace

from portrait.web import drawing, framing, painting, portraying

NAMES = {"draw": "Draw", "paint": "Paint in", "portrait": "Portrait"}  # of tabs, by their id
BUTTONS = {"draw": "Draw", "paint": "Paint", "portrait": "Paint"}
LACKING = {
    "draw": "",
    "paint": "A recipe holds neither the picture nor the strokes: drop and brush them anew.",
    "portrait": "A recipe holds no photos: drop the template and the faces anew.",
}


@dataclass(frozen=True)
class Sent:
    """A recipe on its way to a tab.

    Args:
        tab: a key of `NAMES`.
        values: {name of a field: value}.
        notes: sentences on what is not as the recipe says.
    """

    tab: str
    values: dict
    notes: tuple = ()

    @property
    def before(self):
        """Sentences beside the button that sends it."""
        said = f"It goes to the tab {NAMES[self.tab]}."
        return [said, *self.notes, *filter(None, [LACKING[self.tab]])]

    @property
    def after(self):
        """Sentences in the tab that it was sent to."""
        said = f"The fields are those of the picture: press {BUTTONS[self.tab]}."
        return [said, *self.notes, *filter(None, [LACKING[self.tab]])]


def read(recipe, size):
    """Where a recipe goes, and with what.

    Args:
        recipe: dict, of any file.
        size: height and width of the studio's pictures, pixels; numbers of a framing are scaled to
            it.

    Returns:
        `Sent`.

    Raises:
        ValueError: one sentence, where no tab can make its picture.
    """
    if "template" in recipe and "faces" in recipe:
        return Sent("portrait", portraying.settings_in(recipe).to_dict())
    if "init" in recipe:
        values = vars(painting.form_of(recipe))
        values = {name: values[name] for name in values if name != "canvas"}
        return _scaled(Sent("paint", values), recipe, size)
    if not {"prompt", "prompts", "grid"}.intersection(recipe):
        raise ValueError(
            "the recipe is that of something else; only pictures of "
            f"{', '.join(NAMES.values())} can be sent on."
        )
    return _scaled(Sent("draw", vars(drawing.form_of(recipe))), recipe, size)


def _scaled(sent, recipe, size):
    """With the framing of a picture of another size."""
    before = framing.size_of(recipe)
    if before in (None, size) or sent.values["framing"] != framing.BY_NUMBERS:
        return sent
    note = f"Its framing is scaled from {before} px to the {size} px of this model."
    return replace(sent, values=sent.values | framing.scaled(recipe, size), notes=(note,))
