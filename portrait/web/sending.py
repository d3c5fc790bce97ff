"""Where a recipe is sent: to the tab that makes such pictures, for the fields there."""

from dataclasses import dataclass

from portrait.web import drawing, painting, portraying

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
    """

    tab: str
    values: dict

    @property
    def before(self):
        """Sentences beside the button that sends it."""
        return [f"It goes to the tab {NAMES[self.tab]}.", *filter(None, [LACKING[self.tab]])]

    @property
    def after(self):
        """Sentences in the tab that it was sent to."""
        said = f"The fields are those of the picture: press {BUTTONS[self.tab]}."
        return [said, *filter(None, [LACKING[self.tab]])]


def read(recipe):
    """Where a recipe goes, and with what.

    Args:
        recipe: dict, of any file.

    Returns:
        `Sent`.

    Raises:
        ValueError: one sentence, where no tab can make its picture.
    """
    if "template" in recipe and "faces" in recipe:
        return Sent("portrait", portraying.settings_in(recipe).to_dict())
    if "init" in recipe:
        values = vars(painting.form_of(recipe))
        return Sent("paint", {name: values[name] for name in values if name != "canvas"})
    if not {"prompt", "prompts", "grid"}.intersection(recipe):
        raise ValueError(
            "the recipe is that of something else; only pictures of "
            f"{', '.join(NAMES.values())} can be sent on."
        )
    return Sent("draw", vars(drawing.form_of(recipe)))
