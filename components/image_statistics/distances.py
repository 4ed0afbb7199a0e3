"""How far two splits are apart, as TFDV measures it. Free of TensorFlow."""

from collections.abc import Mapping, Sequence

import numpy as np

from components.image_statistics.description import Description
from components.image_statistics.labels import CLASS

L_INFINITY = "L-infinity distance"
"""The largest difference between shares, in 0 to 1: of names."""

JENSEN_SHANNON = "Jensen–Shannon divergence"
"""In bits, 0 to 1, of the shares of buckets: of numbers."""


def measure_distances(one: Description, other: Description) -> dict[str, tuple[str, float]]:
    """Measures how far two splits are apart.

    Args:
        one: a split.
        other: another one, perhaps of other data.

    Returns:
        The name of the distance, and the distance, by measure; without one that a split does not
        have, or that was counted in other buckets there.
    """
    found = {}
    if one.classes and other.classes:
        found[CLASS] = L_INFINITY, measure_l_infinity(one.shares, other.shares)
    for name, measured in one.measures.items():
        against = other.measures.get(name)
        if against and measured.edges == against.edges:
            distance = measure_jensen_shannon(measured.shares, against.shares)
            found[name] = JENSEN_SHANNON, distance
    return found


def measure_l_infinity(shares: Mapping[str, float], others: Mapping[str, float]) -> float:
    """The largest difference between the shares of a name, of which each has at least one."""
    names = {*shares, *others}
    return max(abs(shares.get(name, 0.0) - others.get(name, 0.0)) for name in names)


def measure_jensen_shannon(shares: Sequence[float], others: Sequence[float]) -> float:
    """The Jensen–Shannon divergence, in bits, of the shares of the same buckets: [B] each."""
    p, q = np.asarray(shares), np.asarray(others)
    middle = (p + q) / 2
    return (_divergence(p, middle) + _divergence(q, middle)) / 2


def _divergence(p: np.ndarray, q: np.ndarray) -> float:
    """Kullback–Leibler, in bits; of what is not there, nothing."""
    there = p > 0
    return float(np.sum(p[there] * np.log2(p[there] / q[there])))
