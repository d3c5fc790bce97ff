"""What the commands share."""

import math


def check_finite(**numbers):
    """Refuse options that are no numbers: "nan" and "inf" pass for floats.

    Args:
        numbers: an option's value by its name, with underscores; None where it was not given.

    Raises:
        ValueError: naming the option.
    """
    for name, number in numbers.items():
        if number is not None and not math.isfinite(number):
            raise ValueError(f"--{name.replace('_', '-')} must be a number. Received: {number}.")
