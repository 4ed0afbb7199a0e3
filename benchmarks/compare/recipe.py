"""How the default network is trained, for all that train it without the pipeline's code.

Free of all libraries, as PyTorch's interpreter may have no other.
"""

RATE = 4e-3
"""The peak of Adam's rate: what the pipeline takes where no finder is asked."""

FINAL_FRACTION = 0.01
"""Where the cosine ends, as a fraction of the peak."""


def lengths(steps_per_epoch: int, epochs: int) -> tuple[int, int]:
    """Returns the steps in which the rate rises, an epoch at most, and those in which it falls."""
    steps = steps_per_epoch * epochs
    rise = min(steps_per_epoch, steps // 2)
    return rise, steps - rise
