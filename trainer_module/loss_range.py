"""Which losses of a range test are worth seeing in a picture. Free of TensorFlow."""

import math
from collections.abc import Iterable


def loss_range(smoothed: Iterable[float | None]) -> tuple[float, float]:
    """Picks the ends of the loss axis: the explosion at the end would flatten all the rest.

    Args:
        smoothed: the smoothed losses in nats, by rising rate; None and what is not finite are
            left out.

    Returns:
        The lowest and the highest loss to show.
    """
    finite = [loss for loss in smoothed if loss is not None and math.isfinite(loss)] or [0.0, 1.0]
    low, start = min(finite), max(finite[: max(1, len(finite) // 2)])
    margin = 0.15 * (start - low) or 0.1
    return low - margin, start + 2 * margin
