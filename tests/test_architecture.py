"""The house: which package may import which, and what each must not know."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGES = ("common", "data", "ddpm", "facekit", "portrait")
# What each may import of this project, beside itself. Arrows point down only.
BELOW = {
    "common": set(),
    "data": {"common"},
    "ddpm": {"common"},
    "facekit": {"common"},
    "portrait": {"common", "data", "ddpm", "facekit"},
    "train": {"common", "data", "ddpm", "portrait"},
    "sample": {"common", "ddpm", "portrait"},
}
# The floors within ddpm, lowest first. What stands on one floor may import from those below it.
FLOORS = (
    ("codec", "core"),
    ("conditions",),
    ("nets",),
    ("presets",),
    ("bundle", "tensors"),
    ("tokens",),
    ("adapters",),
    ("hyper",),
    ("pipeline",),
    ("cli", "training"),
    ("average",),
)
# Factories that import what they make when they are called, so that reading presets starts no
# backend; the module that is made knows the maker's constants.
FACTORIES = {
    ("ddpm.conditions.text", "ddpm.nets.text"),
    ("ddpm.conditions.size_crop", "ddpm.nets.layers"),
    ("ddpm.conditions.identity", "ddpm.nets.identity"),
    ("ddpm.conditions.inpaint", "keras"),
    ("ddpm.presets", "ddpm.training.autoencoding"),
    ("ddpm.presets", "ddpm.training.objectives"),
    ("ddpm.presets", "ddpm.training.sharpening"),
}


def modules():
    """{dotted name: path} of the project's own modules, but for tests, docs and benchmarks."""
    paths = [ROOT / "train.py", ROOT / "sample.py"]
    for package in PACKAGES:
        paths += sorted((ROOT / package).rglob("*.py"))
    return {_name(path): path for path in paths}


def _name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path, top_level=False):
    """The modules that a file imports, as dotted names; of a `from a import b`, a.b too."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if top_level else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def project_imports(path, top_level=False):
    known = modules()
    return {name for name in imports(path, top_level) if name in known}


@pytest.mark.parametrize("package", BELOW)
def test_imports_point_down(package):
    for name, path in modules().items():
        if name.partition(".")[0] != package:
            continue
        above = {other.partition(".")[0] for other in project_imports(path)} - {package}
        assert above <= BELOW[package], f"{name} imports {sorted(above - BELOW[package])}"


def test_floors_within_ddpm():
    floor = {part: i for i, floor in enumerate(FLOORS) for part in floor}
    for name, path in modules().items():
        package, _, rest = name.partition(".")
        if package != "ddpm" or not rest:
            continue
        own = floor[rest.partition(".")[0]]
        for other in project_imports(path):
            if not other.startswith("ddpm.") or (name, other) in FACTORIES:
                continue
            assert floor[other.split(".")[1]] <= own, f"{name} imports {other}, which is above it"


def test_no_import_cycles():
    graph = {
        name: {o for o in project_imports(path) if o != name and (name, o) not in FACTORIES}
        for name, path in modules().items()
    }
    # A package's own imports of its parts are not an arrow from whoever imports another part of it.
    while True:
        leaves = {name for name, others in graph.items() if not others & set(graph)}
        if not leaves:
            break
        graph = {name: others for name, others in graph.items() if name not in leaves}
    assert not graph, f"these import each other: {sorted(graph)}"


def test_mediapipe_is_known_to_one_file():
    knowing = {
        name for name, path in modules().items() if any("mediapipe" in i for i in imports(path))
    }
    assert knowing == {"facekit.detect"}


def test_no_backend_is_named():
    for name, path in modules().items():
        for other in imports(path):
            assert other.partition(".")[0] not in ("tensorflow", "jax", "torch"), (name, other)


@pytest.mark.parametrize("package", ["core", "nets", "conditions"])
def test_the_network_needs_no_pictures(package):
    """ddpm/core, ddpm/nets and ddpm/conditions are imported where PIL and cv2 cannot be."""
    names = [n for n in modules() if n.startswith(f"ddpm.{package}")]
    code = (
        "import sys, importlib\n"
        "for name in ('PIL', 'cv2', 'mediapipe', 'tqdm', 'click', 'vtk'):\n"
        "    sys.modules[name] = None\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_reading_a_preset_starts_no_backend():
    code = (
        "import sys, sample, train\n"
        "from ddpm.bundle import default_weights, read_preset\n"
        "read_preset(default_weights())\n"
        "assert not {'keras', 'tensorflow', 'mediapipe'} & set(sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("script", ["train.py", "sample.py"])
def test_entry_scripts_are_thin(script):
    assert len((ROOT / script).read_text().splitlines()) < 200


def test_paths_exist():
    assert all(isinstance(path, Path) and path.exists() for path in modules().values())
