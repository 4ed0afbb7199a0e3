"""What is found is what comparing each with each finds."""

import itertools

import numpy as np
import pytest

from components.image_statistics import duplicates
from components.image_statistics.findings import BLANK, CONFLICT, LEAK, REPEAT, UNDECODABLE
from components.image_statistics.reading import Batch
from trainer_module import features

SIZE = features.IMAGE_SIZE


def describe(numbers, labels, split, file=0):
    """Rows of images that differ if their numbers do; 0 is blank, and -1 broken."""
    images = np.zeros([len(numbers), SIZE, SIZE], np.uint8)
    images[:, 0, 0] = np.maximum(numbers, 0)
    decoded = np.array(numbers) >= 0
    pngs = [b"broken"] * len(numbers)
    batch = Batch(pngs, np.array(labels, np.int64), images, decoded)
    return duplicates.describe(batch, split, file, 0)


def find(rows, splits):
    buckets = {}
    for part in np.array_split(rows, 3):
        for number, bucket in duplicates.split_into_buckets(part):
            buckets.setdefault(number, []).append(bucket)
    found = [duplicates.find(np.concatenate(bucket), splits) for bucket in buckets.values()]
    return duplicates.merge([duplicates.merge(found[::2]), duplicates.merge(found[1::2])])


def compare_each(splits):
    """The counts by key, of (number, label) by split."""
    whole = [[one for one in split if one[0] > 0] for split in splits]
    counts = {}
    for split, examples in enumerate(splits):
        counts[BLANK, split, split] = sum(number == 0 for number, _ in examples)
        counts[UNDECODABLE, split, split] = sum(number < 0 for number, _ in examples)
        numbers = [number for number, _ in whole[split]]
        counts[REPEAT, split, split] = len(numbers) - len(set(numbers))
    for split, other in itertools.product(range(len(splits)), repeat=2):
        if other <= split:
            counts[CONFLICT, split, other] = sum(
                any(number == two and label != its for two, its in whole[other])
                for number, label in whole[split]
            )
        if other < split:
            counts[LEAK, split, other] = sum(
                any(number == two for two, _ in whole[other]) for number, _ in whole[split]
            )
    return {key: count for key, count in counts.items() if count}


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_those_of_comparing_each_with_each(seed):
    random = np.random.default_rng(seed)
    splits = [
        list(
            zip(
                random.integers(-1, 60, 40).tolist(),
                random.integers(0, 3, 40).tolist(),
                strict=True,
            )
        )
        for _ in range(3)
    ]
    rows = np.concatenate(
        [describe(*zip(*examples, strict=True), split) for split, examples in enumerate(splits)]
    )
    found = find(random.permutation(rows), 3)
    assert {key: one.count for key, one in found.items()} == compare_each(splits)


def test_a_candidate_has_all_labels_in_both_splits_and_a_place():
    rows = np.concatenate([describe([5, 5, 9], [1, 2, 3], 0), describe([7, 5], [0, 4], 1, file=3)])
    found = find(rows, 2)
    [candidate] = found[LEAK, 1, 0].candidates
    assert (candidate.labels, candidate.other_labels) == ((4,), (1, 2))
    assert candidate.place == (3, 1)
    assert found[CONFLICT, 0, 0].count == 2
    [repeated] = found[REPEAT, 0, 0].candidates
    assert (repeated.labels, repeated.other_labels) == ((1, 2), ())


def test_a_broken_image_has_no_place():
    [candidate] = find(describe([-1], [0], 0), 1)[UNDECODABLE, 0, 0].candidates
    assert candidate.place is None


def test_only_the_images_with_the_lowest_digests_are_kept_whatever_the_order():
    numbers = list(range(1, 101))
    rows = np.concatenate([describe(numbers, [0] * 100, split) for split in range(2)])
    orders = [np.random.default_rng(seed).permutation(len(rows)) for seed in range(2)]
    kept = [find(rows[order], 2)[LEAK, 1, 0] for order in orders]
    digests = [[one.digest for one in found.candidates] for found in kept]
    lowest = sorted(set(rows["digest"]))[:8]
    # NumPy cuts zeros off the end.
    assert digests[0] == digests[1] == [one.ljust(16, b"\0") for one in lowest]
    assert kept[0].count == 100


def test_rows_are_dealt_out_by_what_they_show():
    rows = np.concatenate([describe(range(200), [0] * 200, split) for split in range(2)])
    dealt = dict(duplicates.split_into_buckets(rows))
    assert sum(map(len, dealt.values())) == 400
    assert len(dealt) > 30
    for one, other in itertools.combinations(dealt.values(), 2):
        assert not set(one["digest"]) & set(other["digest"])
