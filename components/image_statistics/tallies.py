"""Counts what the statistics of a split are made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from components import image_measures
from components.image_statistics import distributions
from components.image_statistics.distributions import Distribution
from components.image_statistics.labels import NO_LABEL
from components.image_statistics.reading import Batch


@dataclass(frozen=True)
class Tally:
    """What was counted on some examples of a split.

    Attributes:
        examples: how many there are.
        measures: of those whose image can be decoded, in units of `image_measures`.
        labels: of those that have one.
    """

    examples: int
    measures: Mapping[str, Distribution]
    labels: Distribution


def count(batch: Batch) -> Tally:
    """Counts a batch."""
    measured = image_measures.count(batch.images[batch.decoded])
    return Tally(
        examples=len(batch.labels),
        measures={name: Distribution.of(numbers) for name, numbers in measured.items()},
        labels=Distribution.of(batch.labels[batch.labels != NO_LABEL]),
    )


def merge(tallies: Iterable[Tally]) -> Tally:
    """Counts together what was counted apart; of nothing, an empty tally."""
    parts = list(tallies)
    return Tally(
        examples=sum(one.examples for one in parts),
        measures={
            name: distributions.merge(one.measures[name] for one in parts)
            for name in image_measures.UNITS
        },
        labels=distributions.merge(one.labels for one in parts),
    )
