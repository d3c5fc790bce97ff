"""data/README.md: how the faces are rendered; its pictures are those of docs/faces.md."""

from docs.pages import faces
from docs.shared import Page


def context(results):
    return {"measured": faces.measured(results["faces"])}


PAGE = Page("data/README.md", faces.FILES, context)
