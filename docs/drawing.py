"""Samples for the documentation's pictures."""

from ddpm.pipeline import Pipeline, Request


def draw_with(models, n, steps, sampler="dpmpp_2m", observe=None):
    """Draw n samples of one seed.

    Args:
        models: `docs.shared.Models`.
        n, steps, sampler: as sample.py has them; levels are uniform in t.
        observe: as `Pipeline.draw`.

    Returns:
        (uint8 (n, H, W, 3), the recipe).
    """
    pipeline = Pipeline.load(models.weights)
    request = Request(
        n=n, sampler=sampler, spacing="uniform", steps=steps, seed=0, batch_size=min(n, 8)
    )
    recipe = pipeline.recipe(request)
    recipe = {name: recipe[name] for name in ("weights", "weights_sha256", "seed")}
    return pipeline.draw(request, observe), recipe
