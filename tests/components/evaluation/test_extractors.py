import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.proto import config_pb2

from components.evaluation import extractors
from tests import pngs
from trainer_module import features, preprocessing


def png(value):
    file = io.BytesIO()
    Image.fromarray(np.full([features.IMAGE_SIZE] * 2, value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def expected_grey(kind, samples):
    """What a kind without colours holds, in eight bits, by the definition of PNG."""
    values = samples[..., 0].astype(np.int64)
    # Of sixteen bits the upper eight; fewer bits span the whole range.
    return values >> 8 if kind.depth == 16 else values * 255 // (2**kind.depth - 1)


@pytest.mark.parametrize("kind", pngs.KINDS, ids=str)
def test_png_of_every_kind_is_read_as_the_network_sees_it(kind):
    samples = pngs.make_samples(kind)
    png = pngs.encode(kind, samples)
    [pixels] = extractors._decode(tf.constant([png])).numpy()
    np.testing.assert_array_equal(pixels, preprocessing.decode_image(png).numpy()[..., 0])
    if kind.colour in (pngs.GREY, pngs.GREY_ALPHA):
        np.testing.assert_array_equal(pixels, expected_grey(kind, samples))
    else:
        # TensorFlow cuts off where Pillow rounds.
        by_pillow = np.asarray(Image.open(io.BytesIO(png)).convert("RGB").convert("L"))
        assert np.abs(pixels.astype(int) - by_pillow).max() <= 1


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_parts_are_the_same_at_every_depth(depth):
    kind = pngs.Kind(pngs.GREY, depth, transparent=False, interlaced=False)
    samples = np.zeros((28, 28, 1), np.int64)
    # At sixteen bits, what is below 256 is black to the network.
    samples[:12] = 2**depth - 1
    samples[12:] = depth == 16
    batch = {
        constants.FEATURES_KEY: {
            features.IMAGE: np.array([[pngs.encode(kind, samples)]], object),
            features.LABEL: np.array([[0]]),
        }
    }
    found = extractors._add_parts(batch)[constants.FEATURES_KEY]
    assert [found["ink"].item(), found["brightness"].item()] == ["35 % to 50 %", "40 % and over"]


def test_parts_are_added_to_the_features_of_a_batch_and_nothing_is_lost():
    batch = {
        constants.FEATURES_KEY: {
            features.IMAGE: np.array([[png(0)], [png(255)]], object),
            features.LABEL: np.array([[6], [1]]),
        },
        "input": "kept",
    }
    added = extractors._add_parts(batch)
    assert added["input"] == "kept"
    found = added[constants.FEATURES_KEY]
    assert found.keys() == {features.IMAGE, features.LABEL, "ink", "brightness", "group"}
    assert list(found["ink"]) == ["under 35 %", "65 % and over"]
    assert list(found["brightness"]) == ["under 20 %", "40 % and over"]
    assert list(found["group"]) == ["easily confused", "others"]


def test_parts_are_extracted_before_the_slices_that_look_for_them():
    stages = [
        one.stage_name for one in extractors.custom_extractors(None, config_pb2.EvalConfig(), None)
    ]
    order = [stages.index(stage) for stage in ("ExtractFeatures", "ExtractParts")]
    assert [*order, stages.index("ExtractSliceKeys")] == sorted([*order, len(stages) - 1])
