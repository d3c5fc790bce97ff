"""The walls inside data/: imports run from the dataset maker to people, to light, to shape."""

import ast
from pathlib import Path

import data

FOLDER = Path(data.__file__).parent
# What each part of data/ may import of data/, beside itself.
BELOW = {
    "shape": set(),
    "light": {"shape"},
    "people": {"light", "loading", "shape"},
    "faces": {"people", "light", "shape"},
    "loading": set(),
}


def test_imports_run_one_way():
    seen = set()
    for path in FOLDER.rglob("*.py"):
        own = path.relative_to(FOLDER).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if own in BELOW and isinstance(node, ast.ImportFrom):
                top, _, inner = node.module.partition(".")
                part = inner.partition(".")[0]
                assert top != "data" or part in {own} | BELOW[own], (path, node.module)
                seen |= {(own, part)} if top == "data" else set()
    assert {("faces", "people"), ("people", "light"), ("light", "shape")} <= seen
