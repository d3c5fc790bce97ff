"""Faces in pictures: find, align, score, mask, match and fuse them.

Pictures are uint8 RGB `(H, W, 3)`; points float32 `(N, 2)`, x and y in pixels, (0, 0) the
picture's upper left corner and (0.5, 0.5) the centre of its first pixel; masks float32 `(H, W)` in
[0, 1], 1 where something is to be painted. Five points are, in this order, the eye on the picture's
left, the eye on its right, the tip of the nose, the mouth's corner on the left and the one on the
right.

Nothing here knows of diffusion. Models are made once, on first use, and kept.
"""
