"""The distances are those that TFDV measures itself."""

import dataclasses

import numpy as np
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from components import image_measures
from components.image_statistics import tallies
from components.image_statistics.description import describe
from components.image_statistics.distances import (
    JENSEN_SHANNON,
    L_INFINITY,
    measure_distances,
    measure_jensen_shannon,
)
from components.image_statistics.labels import CLASS
from components.image_statistics.reading import Batch
from components.image_statistics.statistics import build_statistics
from tests.components.image_statistics.conftest import draw_image
from trainer_module import features

MEASURED = anomalies_pb2.DriftSkewInfo.Measurement
NAMES = {MEASURED.L_INFTY: L_INFINITY, MEASURED.JENSEN_SHANNON_DIVERGENCE: JENSEN_SHANNON}

SCHEMA = f"""
feature {{
  name: "{CLASS}" type: BYTES drift_comparator {{ infinity_norm {{ threshold: 0 }} }}
}}
feature {{
  name: "ink" type: FLOAT drift_comparator {{ jensen_shannon_divergence {{ threshold: 0 }} }}
}}
feature {{
  name: "brightness" type: FLOAT
  drift_comparator {{ jensen_shannon_divergence {{ threshold: 0 }} }}
}}
"""


def count(seed, classes=features.NUM_CLASSES, brighter=1.0):
    """Statistics of images that are drawn."""
    images = np.stack([draw_image(1000 * seed + number) for number in range(200)])
    images = np.minimum(images * brighter, 255).astype(np.uint8)
    labels = np.random.default_rng(seed).integers(0, classes, len(images))
    return build_statistics(tallies.count(Batch([], labels, images, np.ones(len(images), bool))))


@pytest.mark.parametrize(
    "other", [{}, {"classes": 7}, {"brighter": 1.6}], ids=["alike", "fewer_classes", "brighter"]
)
def test_distances_are_tfdvs_own(other):
    before, now = count(1), count(2, **other)
    found = tfdv.validate_statistics(
        now, text_format.Parse(SCHEMA, schema_pb2.Schema()), previous_statistics=before
    )
    theirs = {
        info.path.step[0]: (NAMES[one.type], pytest.approx(one.value, abs=1e-6))
        for info in found.drift_skew_info
        for one in info.drift_measurements
    }
    assert set(theirs) == {CLASS, *image_measures.UNITS}
    assert measure_distances(describe(now.datasets[0]), describe(before.datasets[0])) == theirs


def test_what_one_of_them_lacks_or_counts_otherwise_is_left_out():
    whole = describe(count(1).datasets[0])
    ink = dataclasses.replace(whole.measures["ink"], edges=(0.0, 1.0), counts=(200,))
    other = dataclasses.replace(whole, classes={}, measures={"ink": ink})
    assert measure_distances(whole, other) == measure_distances(other, whole) == {}


def test_what_has_nothing_in_common_is_a_bit_apart():
    assert measure_jensen_shannon([1, 0], [0, 1]) == 1
    assert measure_jensen_shannon([0.5, 0.5], [0.5, 0.5]) == 0
