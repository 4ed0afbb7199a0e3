import itertools

import numpy as np
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

import schema
from components import image_measures
from components.image_measures import BRIGHTNESS, INK
from components.image_statistics.distributions import Distribution
from components.image_statistics.statistics import CLASS, CLASS_SHARE, build_statistics
from components.image_statistics.tallies import Tally
from pipeline.data import sample_images
from trainer_module import features

LAST = features.NUM_CLASSES - 1


@pytest.fixture(scope="module")
def curated():
    text = schema.IMAGES_FILE.read_text(encoding="utf-8")
    return text_format.Parse(text, schema_pb2.Schema())


@pytest.fixture(scope="module")
def curated_features(curated):
    return {feature.name: feature for feature in curated.feature}


@pytest.fixture
def find_anomalies(curated):
    """The features in which the statistics of such images, and of some damaged ones, differ."""

    def find_anomalies(images, labels, damaged=0):
        counted = image_measures.count(images)
        tally = Tally(
            examples=len(labels) + damaged,
            measures={name: Distribution.of(numbers) for name, numbers in counted.items()},
            labels=Distribution.of(labels),
        )
        return set(tfdv.validate_statistics(build_statistics(tally), curated).anomaly_info)

    return find_anomalies


@pytest.fixture(scope="module")
def drawn():
    return sample_images.draw(200, seed=3)


def test_features_are_the_measures_and_the_class(curated_features):
    assert {name: feature.type for name, feature in curated_features.items()} == {
        INK: schema_pb2.FLOAT,
        BRIGHTNESS: schema_pb2.FLOAT,
        CLASS: schema_pb2.BYTES,
        CLASS_SHARE: schema_pb2.FLOAT,
    }


def test_names_of_the_class_are_those_of_the_classes_in_order(curated, curated_features):
    [domain] = [one for one in curated.string_domain if one.name == curated_features[CLASS].domain]
    assert tuple(domain.value) == features.CLASS_NAMES


def test_bounds_of_the_share_are_a_fifth_and_five_times_an_even_one(curated_features):
    domain = curated_features[CLASS_SHARE].float_domain
    even = 1 / features.NUM_CLASSES
    assert domain.min == pytest.approx(even / 5, rel=0.01)
    assert domain.max == pytest.approx(min(even * 5, 1), rel=0.01)


def test_generated_images_have_no_anomaly(find_anomalies, drawn):
    assert find_anomalies(*drawn) == set()


def test_fashion_mnist_has_no_anomaly(find_anomalies, fashion_mnist):
    for split in fashion_mnist.read_original():
        images, labels = np.asarray(split.images), np.asarray(split.labels, np.int64)
        assert find_anomalies(images, labels) == set()


def change(drawn, **first):
    """The images and labels, the first of which is another one."""
    images, labels = drawn[0].copy(), drawn[1].copy()
    images[0], labels[0] = first.get("image", images[0]), first.get("label", labels[0])
    return images, labels


def without_most(drawn, label, kept):
    places = np.flatnonzero(drawn[1] == label)[kept:]
    return np.delete(drawn[0], places, 0), np.delete(drawn[1], places)


ANOMALIES = {
    "blank": (lambda it: change(it, image=0), {INK, BRIGHTNESS}),
    "white": (lambda it: change(it, image=255), {INK, BRIGHTNESS}),
    "inverted": (lambda it: (255 - it[0], it[1]), {INK, BRIGHTNESS}),
    "label_of_no_class": (lambda it: change(it, label=features.NUM_CLASSES), {CLASS}),
    "class_missing": (lambda it: without_most(it, LAST, 0), {CLASS_SHARE}),
    "class_of_which_there_is_hardly_one": (lambda it: without_most(it, LAST, 2), {CLASS_SHARE}),
    "class_that_is_most_of_all": (
        lambda it: tuple(np.concatenate([part, *[part[it[1] == LAST]] * 15]) for part in it),
        {CLASS_SHARE},
    ),
}


@pytest.mark.parametrize(("spoil", "expected"), ANOMALIES.values(), ids=ANOMALIES)
def test_images_as_they_should_not_be_are_an_anomaly(find_anomalies, drawn, spoil, expected):
    assert find_anomalies(*spoil(drawn)) == expected


def test_a_class_of_which_there_are_fewer_is_none(find_anomalies, drawn):
    assert find_anomalies(*without_most(drawn, LAST, 5)) == set()


def test_image_that_can_not_be_decoded_is_an_anomaly(find_anomalies, drawn):
    found = find_anomalies(*drawn, damaged=1)
    assert {INK, BRIGHTNESS} <= found


@pytest.mark.parametrize("file", [schema.SCHEMA_FILE, schema.IMAGES_FILE], ids=lambda one: one.name)
def test_text_is_as_protobuf_writes_it_but_for_the_comments(file):
    text = file.read_text(encoding="utf-8")
    lines = itertools.filterfalse(lambda line: line.strip().startswith("#"), text.splitlines(True))
    parsed = text_format.Parse(text, schema_pb2.Schema())
    assert "".join(lines) == text_format.MessageToString(parsed, as_utf8=True)
