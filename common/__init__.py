"""What every package shares; independent of faces and of diffusion.

files.py      whole writes, checksums, locks
images.py     picture files to arrays and back, resizing
sheets.py     grids, labelled grids, animations, PNG files that carry their recipe
vectors.py    unit length
cli.py        errors as one sentence, progress bars, safe text for terminals
devices.py    cores, memory, precision, and how the backend is started
"""
