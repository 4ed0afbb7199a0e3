"""The statistics are those that TFDV would count itself."""

import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv

from components import image_measures
from components.image_statistics import tallies
from components.image_statistics.labels import NO_LABEL, name_class
from components.image_statistics.reading import Batch
from components.image_statistics.statistics import build_statistics
from tests.components.image_statistics.conftest import draw_image
from trainer_module import features

IMAGES = np.stack([draw_image(seed) for seed in range(300)])
STEP = 1.01 / features.IMAGE_SIZE
"""Between two values of ink that are drawn: by the row."""

LABELS = np.random.default_rng(0).integers(0, features.NUM_CLASSES, 300)


def build(images=IMAGES, labels=LABELS, decoded=True):
    decoded = np.broadcast_to(decoded, len(labels))
    statistics = build_statistics(tallies.count(Batch([], labels, images, decoded)))
    [dataset] = statistics.datasets
    return dataset.num_examples, {one.path.step[0]: one for one in dataset.features}


@pytest.fixture(scope="module")
def tfdvs():
    measured = image_measures.measure(IMAGES)
    table = pd.DataFrame({**measured, "class": [name_class(label) for label in LABELS]})
    [dataset] = tfdv.generate_statistics_from_dataframe(table).datasets
    return {one.path.step[0]: one for one in dataset.features}


COMMON = (
    *("num_non_missing", "num_missing", "min_num_values", "max_num_values"),
    *("avg_num_values", "tot_num_values"),
)


@pytest.mark.parametrize("name", ["ink", "brightness", "class"])
def test_counts_are_those_of_tfdv(tfdvs, name):
    ours, theirs = build()[1][name], tfdvs[name]
    assert ours.type == theirs.type
    kind = "string_stats" if name == "class" else "num_stats"
    for field in COMMON:
        found = getattr(getattr(ours, kind).common_stats, field)
        assert found == getattr(getattr(theirs, kind).common_stats, field), field


@pytest.mark.parametrize("name", ["ink", "brightness"])
@pytest.mark.parametrize("field", ["mean", "std_dev", "num_zeros", "min", "median", "max"])
def test_numbers_are_those_of_tfdv(tfdvs, name, field):
    found = getattr(build()[1][name].num_stats, field)
    assert found == pytest.approx(getattr(tfdvs[name].num_stats, field), abs=0.002)


@pytest.mark.parametrize("name", ["ink", "brightness"])
def test_quantiles_are_near_those_of_tfdv(tfdvs, name):
    def edges(feature):
        return [bucket.high_value for bucket in feature.num_stats.histograms[1].buckets]

    assert build()[1][name].num_stats.histograms[1].type == tfdvs[name].num_stats.histograms[1].type
    assert edges(build()[1][name]) == pytest.approx(edges(tfdvs[name]), abs=STEP)


def test_histograms_count_every_image_between_the_same_edges():
    for count in (300, 100):
        [buckets] = [
            build(IMAGES[:count], LABELS[:count])[1]["ink"].num_stats.histograms[0].buckets
        ]
        assert sum(bucket.sample_count for bucket in buckets) == count
        assert (buckets[0].low_value, buckets[-1].high_value) == (0, 1)


def test_classes_are_counted_by_name_as_tfdv_counts_them(tfdvs):
    def counts(feature):
        text = feature.string_stats
        ranked = [(one.label, one.sample_count) for one in text.rank_histogram.buckets]
        top = [(one.value, one.frequency) for one in text.top_values]
        return text.unique, sorted(ranked), sorted(top)

    ours, theirs = build()[1]["class"], tfdvs["class"]
    assert counts(ours) == counts(theirs)
    assert ours.string_stats.avg_length == pytest.approx(theirs.string_stats.avg_length)


def test_share_has_a_value_for_each_class_also_for_one_that_is_missing():
    labels = np.array([0] * 5 + [1] * 3 + [2] * 2)
    examples, found = build(IMAGES[:10], labels)
    share = found["class_share"].num_stats
    assert (share.min, share.max, share.mean) == (0, 0.5, 0.1)
    assert share.num_zeros == features.NUM_CLASSES - 3
    assert share.common_stats.num_non_missing == 1
    assert share.common_stats.num_missing == examples - 1
    assert share.common_stats.tot_num_values == features.NUM_CLASSES


def test_images_that_cannot_be_decoded_are_missing():
    decoded = np.arange(300) % 3 > 0
    ink = build(decoded=decoded)[1]["ink"].num_stats.common_stats
    assert (ink.num_non_missing, ink.num_missing) == (200, 100)


def test_a_label_that_is_no_class_is_a_class_by_its_number():
    labels = np.array([*LABELS[:-2], 11, NO_LABEL])
    text = build(labels=labels)[1]["class"].string_stats
    assert {one.value: one.frequency for one in text.top_values}["11"] == 1
    assert text.common_stats.num_missing == 1


def test_of_what_has_no_value_there_is_no_feature():
    assert build(IMAGES[:0], LABELS[:0]) == (0, {})
    assert set(build(decoded=False)[1]) == {"class", "class_share"}
