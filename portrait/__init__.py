"""The studio: a face of one photo painted into another by the diffusion model.

The only place that knows both `ddpm`, which paints, and `facekit`, which finds, fuses and masks.

    settings.py   every strength and size, stage by stage
    stages.py     one small function a stage: pictures in, a picture out
    painter.py    the diffusion model as one call: picture, mask and hints in, picture out
    studio.py     the stages in their order, kept in a folder so that one can be repeated
    report.py     all of it on a page
    __main__.py   python -m portrait reconstruct
"""
