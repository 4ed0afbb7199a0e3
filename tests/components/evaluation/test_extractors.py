import io

import numpy as np
from PIL import Image
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.proto import config_pb2

from components.evaluation import extractors
from trainer_module import features


def png(value):
    file = io.BytesIO()
    Image.fromarray(np.full([features.IMAGE_SIZE] * 2, value, np.uint8)).save(file, "PNG")
    return file.getvalue()


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
