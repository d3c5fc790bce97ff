"""Speed of a step against diffusers' UNet2DModel. Written to benchmarks/results/step_cpu.json; of
networks over latents, to step_latent.json.

    python -m benchmarks.step

Both networks have the same widths, blocks and attention, or, where diffusers has none of the kind,
as many parameters. Each side tries its modes (precision, memory layout, compiled or not) for a few
steps and goes on with its fastest, for training and for sampling apart. Then two workers of one
process tree take turns, one step each, in an order drawn anew each round, so that whatever else the
machine does falls on both. The ratio is the median over rounds of diffusers' seconds by ours: above
1, ours is faster.

Of our steps it also counts the operations by formula (`benchmarks/flops.py`), and says what share
of the machine's measured peak they reach. With `--alone` nothing is compared.

On a busy machine read the ratio of processor seconds, and give `--patient`: two threads that share
a processor with others wait for each other, and PyTorch's wait by spinning unless told to sleep.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import click

from benchmarks.common import RESULTS, ROOT, machine, merge_json, write_json
from benchmarks.step_workers import MODES

PLAIN = {
    "image_size": 64,
    "widths": [32, 64, 96, 128],
    "blocks": 2,
    "attention": [16, 8],
    "groups": 8,
    "head_width": 32,
}
PRESETS = {
    "plain": PLAIN,
    "classic": {**PLAIN, "widths": [64, 128, 256, 512], "head_width": 64},
    "latent_unet": {
        **PLAIN,
        "image_size": 32,
        "channels": 8,
        "widths": [64, 128, 192],
        "blocks": [1, 2, 2],
        "scale_shift": True,
    },
    "latent_mp": {
        "kind": "mp_unet",
        "image_size": 32,
        "channels": 8,
        "widths": [64, 128, 192],
        "blocks": [2, 2, 2],
        "attention": [16, 8],
        "head_width": 32,
        "theirs": {"widths": [72, 128, 192], "blocks": 1, "groups": 8},  # of as many parameters
    },
    "latent_mp_coarse": {
        "kind": "mp_unet",
        "image_size": 32,
        "channels": 8,
        "widths": [192, 256],
        "blocks": [2, 2],
        "attention": [16, 8],
        "patch": 2,
        "head_width": 64,
    },
    "tiny": {**PLAIN, "image_size": 16, "widths": [16, 32], "attention": [8], "blocks": 1},
}


class Worker:
    """A subprocess that holds one network in one mode, and times a step when asked."""

    def __init__(self, side, mode, settings, patient=False):
        command = [sys.executable, "-m", "benchmarks.step_workers", side, mode]
        self.process = subprocess.Popen(
            [*command, json.dumps(settings)],
            cwd=ROOT,
            env={
                **os.environ,
                "TF_CPP_MIN_LOG_LEVEL": "3",
                **({"OMP_WAIT_POLICY": "PASSIVE"} if patient else {}),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.side, self.mode = side, mode
        self.facts = json.loads(self._answer())

    def seconds(self, step):
        """Seconds of one step, by the clock and by the processors."""
        self.process.stdin.write(f"{step}\n")
        self.process.stdin.flush()
        return json.loads(self._answer())

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise click.ClickException(
                "A worker ended early; run it by hand to see why: "
                f"{' '.join(map(repr, self.process.args[1:]))}"
            )
        return line

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def fastest(side, modes, step, settings, trials, patient):
    """Try each mode for a few steps; return a worker in the fastest, and what each took."""
    best, took = None, {}
    for mode in modes:
        if step == "train" and (side, mode) == ("ours", "bfloat16"):
            continue
        try:
            worker = Worker(side, mode, settings, patient)
            worker.seconds(step)  # compiles
            worker.seconds(step)
        except click.ClickException:
            took[mode] = None  # this mode does not run here
            continue
        took[mode] = min(worker.seconds(step)[0] for _ in range(trials))
        click.echo(f"  {side:10} {step:7} {mode:30} {took[mode]:.3f} s")
        if best is None or took[mode] < took[best.mode]:
            worker, best = best, worker
        if worker is not None:
            worker.close()
    if best is None:
        raise click.ClickException(f"No mode of {side} runs here. Received: modes={list(modes)}")
    return best, took


# After a step OpenMP's threads spin for a while, on the cores that the other side wants.
REST = 0.4  # seconds


def alternate(ours, theirs, step, rounds):
    """Seconds (clock, processor) of both workers, round by round."""
    order, seconds = Random(0), {"ours": [], "diffusers": []}
    for _ in range(rounds):
        for worker in order.sample([ours, theirs], 2):
            time.sleep(REST)
            seconds[worker.side].append(worker.seconds(step))
    return seconds


def compare(step, settings, rounds, trials, patient, chosen):
    """The result for one kind of step, as it goes into the file."""
    ours, tried_ours = fastest("ours", chosen["ours"], step, settings, trials, patient)
    theirs, tried_theirs = fastest(
        "diffusers", chosen["diffusers"], step, settings, trials, patient
    )
    check_same_size(ours.facts["parameters"], theirs.facts["parameters"])
    seconds = alternate(ours, theirs, step, rounds)
    pairs = list(zip(seconds["ours"], seconds["diffusers"], strict=True))
    ratios = [b[0] / a[0] for a, b in pairs]
    result = {
        "ratio": statistics.median(ratios),
        "ratio_quartiles": statistics.quantiles(ratios, n=4)[::2],
        "processor_ratio": statistics.median(b[1] / a[1] for a, b in pairs),
        "median_seconds": {k: statistics.median(w for w, _ in v) for k, v in seconds.items()},
        "fastest_seconds": {k: min(w for w, _ in v) for k, v in seconds.items()},
        "modes": {"ours": ours.mode, "diffusers": theirs.mode},
        "tried_seconds": {"ours": tried_ours, "diffusers": tried_theirs},
        "rounds": rounds,
        "facts": {"ours": ours.facts, "diffusers": theirs.facts},
    }
    ours.close()
    theirs.close()
    return result


def alone(step, settings, rounds, trials, patient, chosen):
    """The result for one kind of step of ours, compared with nothing."""
    worker, tried = fastest("ours", chosen["ours"], step, settings, trials, patient)
    seconds = [worker.seconds(step)[0] for _ in range(rounds)]
    worker.close()
    return {
        "median_seconds": {"ours": statistics.median(seconds)},
        "modes": {"ours": worker.mode},
        "tried_seconds": {"ours": tried},
        "rounds": rounds,
        "facts": {"ours": worker.facts},
    }


def achieved(step, result):
    """Operations a second of our step, and their share of the measured peak."""
    facts = result["facts"]["ours"]
    rate = facts["operations"][step] / result["median_seconds"]["ours"]
    return {"operations_per_second": rate, "share_of_peak": rate / facts["peak"]}


def check_same_size(ours, theirs):
    if abs(ours - theirs) > 0.02 * theirs:
        raise click.ClickException(
            "The networks must have the same number of parameters within 2%. "
            f"Received: ours={ours:,}, diffusers={theirs:,}"
        )


@click.command()
@click.option("--preset", type=click.Choice(list(PRESETS)), default="plain", show_default=True)
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True)
@click.option("--rounds", type=click.IntRange(2), default=30, show_default=True)
@click.option("--trials", type=click.IntRange(1), default=4, show_default=True)
@click.option("--patient", is_flag=True, help="OpenMP threads sleep while they wait.")
@click.option("--step", "steps", type=click.Choice(["train", "sample"]), multiple=True)
@click.option("--ours", multiple=True, type=click.Choice(list(MODES["ours"])))
@click.option("--diffusers", multiple=True, type=click.Choice(list(MODES["diffusers"])))
@click.option("--alone", "lonely", is_flag=True, help="Time our steps, without diffusers.")
@click.option("--out", type=Path, help="[default: step_cpu.json; of latents, step_latent.json]")
def main(preset, batch, rounds, trials, patient, steps, ours, diffusers, lonely, out):
    """Time a training and a sampling step against diffusers' UNet2DModel."""
    settings = {**PRESETS[preset], "batch": batch}
    chosen = {"ours": ours or MODES["ours"], "diffusers": diffusers or MODES["diffusers"]}
    report = {"machine": machine(), "settings": settings, "patient": patient, "steps": {}}
    for step in steps or ("train", "sample"):
        measure = alone if lonely else compare
        result = measure(step, settings, rounds, trials, patient, chosen)
        report["steps"][step] = result | achieved(step, result)
    show_shares(report)
    if not lonely:
        show(report)
    if lonely or "channels" in settings:
        merge_json({preset: report}, out or RESULTS / "step_latent.json")
    else:
        write_json(report, out or RESULTS / "step_cpu.json")


def show_shares(report):
    for step, result in report["steps"].items():
        click.echo(
            f"{step:8}{result['median_seconds']['ours']:8.3f}s"
            f"{result['operations_per_second'] / 1e9:8.0f} GFLOP/s"
            f"{result['share_of_peak']:8.0%} of {result['facts']['ours']['peak'] / 1e9:.0f}"
            f"   {result['modes']['ours']}"
        )


def show(report):
    click.echo(f"\n{report['machine']['cpu']}, {report['machine']['threads']} threads")
    click.echo(f"{'step':8}{'ours':>9}{'diffusers':>11}{'ratio':>8}   quartiles     modes")
    for step, result in report["steps"].items():
        seconds, (low, high) = result["median_seconds"], result["ratio_quartiles"]
        click.echo(
            f"{step:8}{seconds['ours']:8.3f}s{seconds['diffusers']:10.3f}s{result['ratio']:8.2f}"
            f"   {low:.2f}-{high:.2f}     {' / '.join(result['modes'].values())}"
            f"   (processor seconds {result['processor_ratio']:.2f})"
        )
        sizes = {side: facts["parameters"] for side, facts in result["facts"].items()}
        click.echo(f"{'':8}parameters {sizes['ours']:,} and {sizes['diffusers']:,}")


if __name__ == "__main__":
    main()
