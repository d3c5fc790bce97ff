"""The diffusion model as one call: a picture, a mask and control pictures in, a picture out."""

import numpy as np

from ddpm.bundle import default_control, default_weights, find_bundle
from ddpm.conditions.hints import ControlImage
from ddpm.pipeline import Pipeline, Request, check_request


class Painter:
    """A trained model with its control branch, and what it has learned besides.

    Args:
        weights, control_weights: files or run folders; None are the shipped ones. A model that no
            branch was trained over paints without control pictures, and `check` says so.
        addons: further ones, such as the adapter of a person.

    Raises:
        ValueError: if they cannot be read or do not belong together.
    """

    def __init__(self, weights=None, control_weights=None, addons=()):
        path = find_bundle(weights or default_weights(words=True))
        self._notes = []
        if control_weights is None:
            try:
                control_weights = default_control(path)
            except ValueError:
                self._notes = [
                    f"{path.name} has no control branch: it paints without control pictures, and "
                    "follows the photograph less closely."
                ]
        self.pipeline = Pipeline.load(path, control_weights, addons=addons)
        self.name, self.digest = self.pipeline.model.path.name, self.pipeline.model.digest
        self.control_digest = control_weights and self.pipeline.addons[0].digest
        self.adapters = [addon.file.digest for addon in addons]
        self.size = self.pipeline.size

    def check(self, prompt, negative=""):
        """Refuse words that the model cannot use, before any stage runs.

        Returns:
            Sentences about words that were replaced or left out, and a missing control branch.

        Raises:
            ValueError: one sentence.
        """
        has_text = "text" in self.pipeline.model.config.conditions
        if not has_text and (prompt or negative):
            raise ValueError(f"{self.name} was trained without words; leave --prompt away.")
        request = Request(prompts=(prompt,), negative=negative)
        check_request(request, self.pipeline.model.preset, self.name)
        return [*self._notes, *self.pipeline.notes(request)]

    def paint(
        self,
        picture,
        mask,
        hints,
        strength,
        steps,
        guidance=1.0,
        prompt="",
        negative="",
        seed=0,
        observe=None,
    ):
        """Paint inside a mask.

        Args:
            picture: uint8 (S, S, 3), S the model's size.
            mask: float32 (S, S) in [0, 1].
            hints: {kind: (uint8 (S, S, 3), strength)}, of no effect without a control branch.
            strength: how far back to noise.
            steps: levels of the whole way; the share `strength` of them is visited.
            guidance, prompt, negative: as `sample.py`.
            seed: int.
            observe: optional (step, steps) -> None.

        Returns:
            uint8 (S, S, 3), blended by the mask; `picture` bit for bit where it is 0.
        """
        hints = hints if self.control_digest else {}
        request = Request(
            prompts=(prompt,),
            negative=negative,
            guidance=guidance,
            controls=tuple(ControlImage(kind, *hint) for kind, hint in hints.items()),
            image=picture,
            mask=mask.astype(np.float32),
            strength=strength,
            spacing="uniform",
            steps=steps,
            seed=seed,
            batch_size=1,
        )
        visited = self.pipeline.visited(request)

        def tell(indices, i, pictures):
            observe(i + 1, visited)

        return self.pipeline.draw(request, tell if observe else None)[0]
