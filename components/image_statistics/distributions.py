"""How often each of some whole numbers occurs: exact, whatever the order, and mergeable."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Distribution:
    """Distinct numbers, and how often each occurs.

    It holds no more than there are distinct numbers, of however many it was counted.

    Attributes:
        values: int64 [K], rising.
        counts: int64 [K], each 1 or more.
    """

    values: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray) -> "Distribution":
        """Counts numbers, int64 [N]."""
        return cls(*np.unique(numbers, return_counts=True))

    @property
    def total(self) -> int:
        """How many numbers were counted."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """The mean of the numbers, of which there must be one."""
        return self._sum(1) / self.total

    @property
    def deviation(self) -> float:
        """The standard deviation of the numbers, of which there must be one."""
        n = self.total
        return math.sqrt(n * self._sum(2) - self._sum(1) ** 2) / n

    def _sum(self, power: int) -> int:
        # Of Python's integers, which don't overflow.
        pairs = zip(self.values.tolist(), self.counts.tolist(), strict=True)
        return sum(count * value**power for value, count in pairs)

    def quantiles(self, parts: int) -> np.ndarray:
        """Cuts the sorted numbers into parts of about the same size.

        Returns:
            int64 [parts + 1], from the lowest number to the highest, each of them counted.
        """
        ranks = np.arange(parts + 1) * (self.total - 1) // parts
        return self.values[np.searchsorted(np.cumsum(self.counts), ranks, side="right")]

    def histogram(self, edges: np.ndarray) -> np.ndarray:
        """Counts the numbers between edges.

        Args:
            edges: [B + 1], rising; a number on an edge counts above it, but for the last edge.

        Returns:
            int64 [B].
        """
        counts, _ = np.histogram(self.values, edges, weights=self.counts)
        return counts.astype(np.int64)


def merge(distributions: Iterable[Distribution]) -> Distribution:
    """Counts together what was counted apart."""
    parts = list(distributions)
    if not parts:
        return Distribution.of(np.empty(0, np.int64))
    values, places = np.unique(np.concatenate([one.values for one in parts]), return_inverse=True)
    counts = np.zeros(len(values), np.int64)
    np.add.at(counts, places, np.concatenate([one.counts for one in parts]))
    return Distribution(values, counts)
