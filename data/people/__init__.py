"""Who is in a picture: people and views drawn at random from a seed, what they look like and wear,
and captions that say what can be seen. Imports `data.shape` and `data.light`."""
