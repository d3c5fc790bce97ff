"""The generated pages by name."""

from docs.pages import conditioning, data, facekit, faces, portrait, results, weights

PAGES = {
    "results": results.PAGE,
    "conditioning": conditioning.PAGE,
    "portrait": portrait.PAGE,
    "facekit": facekit.PAGE,
    "faces": faces.PAGE,
    "data": data.PAGE,
    "weights": weights.PAGE,
}
