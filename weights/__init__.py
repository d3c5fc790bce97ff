"""Trained weights that come with the project; README.md has a card for each."""
