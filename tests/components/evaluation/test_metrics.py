import dataclasses
import itertools
import pickle

import numpy as np
import pytest
from tensorflow_model_analysis.metrics import metric_types

from components.evaluation import metrics, mistakes, tally

KEY = metric_types.MetricKey("tally")


@pytest.fixture
def combine():
    return metrics._Count(KEY)


def predict(count, seed):
    random = np.random.default_rng(seed)
    # Sixteenths, whose sums are exact in any order.
    labels, probabilities = random.integers(0, 10, count), random.integers(0, 2, (count, 10))
    return labels, probabilities / np.float32(16), [random.bytes(4) for _ in labels]


def accumulate(combine, labels, probabilities, pngs):
    accumulator = combine.create_accumulator()
    for prediction in zip(labels.tolist(), probabilities, pngs, strict=True):
        accumulator = combine.add_input(accumulator, prediction)
    return accumulator


@pytest.mark.parametrize("sizes", [[], [0, 3], [999, 1], [1000, 400, 700], [2500, 0, 1]], ids=str)
def test_predictions_come_to_the_same_however_they_are_divided(combine, sizes):
    parts = [predict(size, seed) for seed, size in enumerate(sizes)]
    merged = combine.merge_accumulators([accumulate(combine, *part) for part in parts])
    counted = combine.extract_output(merged)[KEY]
    labels, probabilities, pngs = zip(predict(0, 0), *parts, strict=True)
    batch = np.concatenate(labels), np.concatenate(probabilities)
    for name, value in dataclasses.asdict(tally.count(*batch)).items():
        np.testing.assert_allclose(getattr(counted.tally, name), value)
    assert counted.worst == mistakes.find(*batch, list(itertools.chain(*pngs)))


def test_accumulators_of_few_predictions_take_little_room(combine):
    accumulators = [accumulate(combine, *predict(20, seed)) for seed in range(3)]
    merged = combine.merge_accumulators(accumulators)
    room = len(pickle.dumps(tally.empty()))
    assert all(len(pickle.dumps(one)) < room / 10 for one in [*accumulators, merged])
