"""Samples for the documentation's pictures."""


def draw_with(models, n, steps, sampler="dpmpp_2m", observe=None):
    """Draw n samples of one seed.

    Args:
        models: `docs.shared.Models`.
        n, steps, sampler: as sample.py has them; levels are uniform in t.
        observe: called with (indices, step, x0_hat) after each step.

    Returns:
        (uint8 (n, H, W, 3), the recipe).
    """
    from ddpm.pictures import draw
    from ddpm.run import default_weights, load_weights
    from ddpm.runtime import PRECISIONS, choose_precision, use_xla

    trained = load_weights(
        models.weights or default_weights(), PRECISIONS[choose_precision("auto")]
    )
    schedule, size = trained.preset.make_schedule(), trained.preset.image_size
    images = draw(
        trained.denoiser(xla=use_xla()), schedule, n, (size, size, 3), sampler, "uniform", steps, 0,
        min(n, 8), observe, trained.unasked(0),
    )  # fmt: skip
    recipe = {"weights": trained.path.name, "weights_sha256": trained.digest, "seed": 0}
    return images, recipe
