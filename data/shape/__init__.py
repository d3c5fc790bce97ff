"""The geometry of a portrait: the parametric head, hair, clothes and what is worn, gathered as one
heap of triangles (`scene`), and the names of its parts and landmarks. Knows neither light nor how
people are drawn at random: it reads the fields of a `Person` and a `View`, and imports neither."""
