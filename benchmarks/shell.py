"""From the shell's prompt to the PNG: seconds of `python sample.py --n 64`, start-up included.
Written to benchmarks/results/shell.json.

    python -m benchmarks.shell --rounds 5
    python -m benchmarks.shell --out benchmarks/results/shell_portraits256.json \\
        -- --weights portraits256 --autoguidance 1.5
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from benchmarks.common import RESULTS, ROOT, machine, write_json


@click.command(context_settings={"show_default": True})
@click.option("--rounds", type=click.IntRange(1), default=5)
@click.option("--n", type=click.IntRange(1), default=64)
@click.option("--out", type=Path, default=RESULTS / "shell.json")
@click.argument("words", nargs=-1)
def main(rounds, n, out, words):
    """Time the first command that a newcomer types; WORDS are further ones of sample.py's."""
    command = ["sample.py", "--n", str(n), *words]
    about, seconds = machine(), []
    for i in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder) / "samples.png"
            began = time.monotonic()
            words = [sys.executable, *command, "--out", str(picture)]
            subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
            seconds.append(time.monotonic() - began)
            if not picture.stat().st_size:
                raise click.ClickException("sample.py left no picture.")
        print(f"{i + 1}: {seconds[-1]:.1f} s", flush=True)
    result = {
        "machine": about,
        "n": n,
        "command": command,
        "seconds": seconds,
        "median": statistics.median(seconds),
    }
    write_json(result, out)


if __name__ == "__main__":
    main()
