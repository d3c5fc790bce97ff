"""The studio: a face of one photo painted into another by the diffusion model, and people learned
from photos.

The only place that knows both `ddpm`, which paints, and `facekit`, which finds, fuses and masks.

    settings.py      every strength and size, stage by stage
    stages.py        one small function a stage: pictures in, a picture out
    painter.py       the diffusion model as one call: picture, mask and hints in, picture out
    checks.py        what is doubted of photos before a model is loaded
    verdict.py       what is wrong with a portrait, in words
    session.py       choose -> reconstruct -> score -> keep: what every front end calls
    files.py         the template's file, painted into without touching the rest
    photos.py        which photos of a person are learned from, and their squares
    person.py        the folder of a learned person
    strangers.py     rendered people beside whom a person is learned
    learning.py      an adapter trained on the squares
    validation.py    its checkpoints judged by likeness, and merged
    known.py         a learned person, as painting uses them
    report.py        pages: all stages of a portrait, a person
    supervision.py   hints and masks from faces, for training
    __main__.py      python -m portrait reconstruct, learn, paint
"""
