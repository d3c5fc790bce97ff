"""From the shell's prompt to the PNG: seconds of `python sample.py --n 64`, start-up included.
Written to benchmarks/results/shell.json.

    python -m benchmarks.shell --rounds 5
    python -m benchmarks.shell --weights portraits256    # to shell_portraits256.json
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
def main(rounds, n, weights, out):
    """Time the first command that a newcomer types."""
    about, seconds = machine(), []
    for i in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder) / "samples.png"
            began = time.monotonic()
            words = [sys.executable, "sample.py", "--n", str(n), "--out", str(picture)]
            words += ["--weights", weights] if weights else []
            subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
            seconds.append(time.monotonic() - began)
            if not picture.stat().st_size:
                raise click.ClickException("sample.py left no picture.")
        print(f"{i + 1}: {seconds[-1]:.1f} s", flush=True)
    result = {"machine": about, "n": n, "seconds": seconds, "median": statistics.median(seconds)}
    write_json(result, out or RESULTS / (f"shell_{weights}.json" if weights else "shell.json"))


if __name__ == "__main__":
    main()
