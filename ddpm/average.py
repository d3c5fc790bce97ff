"""Put an average of any length together from a run's snapshots:

python -m ddpm.average runs/portraits256 --sigma-rel 0.08 --out new.weights.h5
python -m ddpm.average runs/portraits256 --step 5000 --guide-of new.weights.h5 --out old.weights.h5
"""

from pathlib import Path

import click

from common.cli import sentences
from common.devices import start_backend
from common.files import sha256


@click.command(context_settings={"show_default": True})
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--sigma-rel",
    type=click.FloatRange(0.01, 0.28),
    default=0.1,
    help="Width of the average, in shares of the training so far.",
)
@click.option("--step", type=click.IntRange(1), help="Its end, of a snapshot.  [default: the last]")
@click.option("--out", type=Path, required=True, help="The weights file, ending in .weights.h5.")
@click.option(
    "--guide-of", type=Path, help="Model that it guides, as its weaker version: sample.py finds it."
)
@click.option("--half", is_flag=True, help="Store float16.")
@sentences()
def main(run, sigma_rel, step, out, guide_of, half):
    """Put an average of any length together from the snapshots of a training."""
    from ddpm.bundle import find_bundle, load_model, save_guide, save_model

    if not out.name.endswith(".weights.h5"):
        raise ValueError(f"{out} should be a file that ends in .weights.h5.")
    guided = guide_of and find_bundle(guide_of)
    start_backend()
    from ddpm.nets.layers import named_weights
    from ddpm.training.snapshots import averaged_weights

    model = load_model(run, "float32")
    weights = named_weights(model.network)
    for name, value in averaged_weights(run, sigma_rel, step).items():
        weight = weights[name]
        weight.assign(weight.constraint(value) if weight.constraint else value)
    if guided:
        save_guide(model.network, model.preset, out, sha256(guided), half)
    else:
        save_model(model.network, model.preset, out, half, model.captions)
    click.echo(f"The average of width {sigma_rel} in {out}.")


if __name__ == "__main__":
    main()
