import numpy as np
import pytest

from components.image_statistics.distributions import Distribution, merge

NUMBERS = np.random.default_rng(0).integers(0, 200_000, 999)


def parts(count, order=None):
    numbers = NUMBERS if order is None else NUMBERS[order]
    return [Distribution.of(part) for part in np.array_split(numbers, count)]


def test_mean_and_deviation_are_those_of_the_numbers():
    counted = Distribution.of(NUMBERS)
    assert counted.mean == pytest.approx(NUMBERS.mean(), rel=1e-15)
    assert counted.deviation == pytest.approx(NUMBERS.std(), rel=1e-12)


def test_deviation_of_equal_large_numbers_is_none():
    assert Distribution.of(np.full(3, 2**62)).deviation == 0


def test_deviation_of_more_images_than_an_integer_of_the_machine_can_square():
    counted = Distribution(np.array([0, 200_000]), np.array([10**12, 10**12]))
    assert counted.deviation == 100_000


@pytest.mark.parametrize("parts_of_it", [2, 10])
def test_quantiles_are_numbers_that_were_counted_from_the_lowest_to_the_highest(parts_of_it):
    found = Distribution.of(NUMBERS).quantiles(parts_of_it)
    ranks = np.linspace(0, 1, parts_of_it + 1)
    assert found.tolist() == np.quantile(NUMBERS, ranks, method="lower").tolist()


def test_median_of_a_single_number_is_that_number():
    assert Distribution.of(np.array([5])).quantiles(2).tolist() == [5, 5, 5]


def test_histogram_counts_every_number_once():
    found = Distribution.of(np.array([0, 0, 3, 4, 8])).histogram(np.array([0, 4, 8]))
    assert found.tolist() == [3, 2]


@pytest.mark.parametrize("count", [1, 3, 50])
def test_merging_gives_the_same_whatever_the_parts_and_their_order(count):
    order = np.random.default_rng(count).permutation(len(NUMBERS))
    merged, whole = merge(parts(count, order)), Distribution.of(NUMBERS)
    assert merged.values.tolist() == whole.values.tolist()
    assert merged.counts.tolist() == whole.counts.tolist()


def test_of_nothing_nothing_is_merged():
    assert merge([]).total == 0
