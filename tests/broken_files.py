"""Damaged copies of safetensors files, for the tests of those who read them."""


def broken_copies(content, rng, count=2000):
    """Copies of which every fourth is cut short, and the others have one to three bytes changed, in
    the header or anywhere.

    Args:
        content: bytes of a whole file.
        rng: NumPy generator.
        count: of the copies.

    Yields:
        bytearrays.
    """
    header = 8 + int.from_bytes(content[:8], "little")
    for i in range(count):
        broken = bytearray(content)
        if i % 4 == 0:
            del broken[rng.integers(len(broken)) :]
        else:
            for _ in range(rng.integers(1, 4)):
                broken[rng.integers(header if i % 2 else len(broken))] = rng.integers(256)
        yield broken
