"""The walls inside data/: imports are absolute and run one way."""

import ast
from pathlib import Path

import data

FOLDER = Path(data.__file__).parent
# What each part of data/ may import of data/.
MAY = {
    "shape": {"shape"},
    "light": {"light", "shape"},
    "people": {"people", "light", "shape"},
    "faces": {"people", "light", "shape"},
    "loading": set(),
}


def imported(path):
    """(level, module) of each import in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.level, node.module
        elif isinstance(node, ast.Import):
            yield from ((0, name.name) for name in node.names)


def test_imports_are_absolute_and_run_from_people_to_light_to_shape():
    for path in FOLDER.rglob("*.py"):
        own = path.relative_to(FOLDER).parts[0].removesuffix(".py")
        for level, module in imported(path):
            assert level == 0, (path, module)
            top, _, rest = module.partition(".")
            assert top not in ("ddpm", "facekit", "portrait"), (path, module)
            if top == "data" and own in MAY:
                assert rest.split(".")[0] in MAY[own], (path, module)
