import numpy as np
import pytest

from components import image_measures
from components.image_statistics import tallies
from components.image_statistics.description import Measured, describe
from components.image_statistics.labels import NO_LABEL
from components.image_statistics.reading import Batch
from components.image_statistics.statistics import build_statistics
from tests.components.image_statistics.conftest import draw_image
from trainer_module import features

IMAGES = np.stack([draw_image(seed) for seed in range(60)])
BAG, DRESS = features.CLASS_NAMES.index("Bag"), features.CLASS_NAMES.index("Dress")


def count(labels, decoded=True):
    labels = np.array(labels)
    batch = Batch([], labels, IMAGES[: len(labels)], np.full(len(labels), decoded))
    [dataset] = build_statistics(tallies.count(batch)).datasets
    return describe(dataset)


def test_all_classes_are_counted_in_their_order_and_then_what_is_of_none():
    found = count([BAG, DRESS, BAG, 11])
    assert found.examples == 4
    assert [*found.classes] == [*features.CLASS_NAMES, "11"]
    assert {name: n for name, n in found.classes.items() if n} == {"Bag": 2, "Dress": 1, "11": 1}
    assert found.shares["Bag"] == 0.5


def test_measures_are_counted_by_bucket():
    found = count([BAG] * len(IMAGES)).measures
    for name, values in image_measures.measure(IMAGES).items():
        counts, edges = np.histogram(values, 12, (0, 1))
        assert found[name].mean == pytest.approx(values.mean())
        assert found[name].counts == tuple(counts)
        assert found[name].edges == pytest.approx(edges)
        assert sum(found[name].shares) == pytest.approx(1)


def test_what_no_example_has_is_left_out():
    assert count([NO_LABEL, NO_LABEL]).classes == {}
    assert count([NO_LABEL, NO_LABEL]).shares == {}
    assert count([BAG, DRESS], decoded=False).measures == {}


def test_no_images_are_no_share_of_any_bucket():
    assert Measured(0.0, (0.0, 0.5, 1.0), (0, 0)).shares == (0.0, 0.0)
