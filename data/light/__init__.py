"""From triangles to a picture: colours and paint, lamps, backdrops, the rasteriser, the camera with
its film, and the drawn styles; `render` is the whole way. Imports `data.shape`."""
