"""The generated pages by name."""

from docs.pages import (
    adapters,
    conditioning,
    data,
    facekit,
    faces,
    latent,
    parsing,
    photographs,
    portrait,
    results,
    studio,
    weights,
)

PAGES = {
    "results": results.PAGE,
    "conditioning": conditioning.PAGE,
    "portrait": portrait.PAGE,
    "photographs": photographs.PAGE,
    "facekit": facekit.PAGE,
    "parsing": parsing.PAGE,
    "faces": faces.PAGE,
    "data": data.PAGE,
    "latent": latent.PAGE,
    "adapters": adapters.PAGE,
    "studio": studio.PAGE,
    "weights": weights.PAGE,
}
