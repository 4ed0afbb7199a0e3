"""What the Evaluator takes from the raw examples: TFMA's extractors, and one of our own."""

from collections.abc import Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.extractors import extractor, unbatch_extractor
from tensorflow_model_analysis.proto import config_pb2

from components.evaluation import slicing
from trainer_module import features, preprocessing

_STAGE = "ExtractParts"


def custom_extractors(
    eval_shared_model: object, eval_config: config_pb2.EvalConfig, tensor_adapter_config: object
) -> list[extractor.Extractor]:
    """Makes the extractors; TFX's Evaluator calls this by its name.

    Returns:
        TFMA's, with one that adds the parts of `slicing` to the features, where the slices
        look for them, as long as these come in batches.
    """
    extractors = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    stages = [one.stage_name for one in extractors]
    place = stages.index(unbatch_extractor.UNBATCH_EXTRACTOR_STAGE_NAME)
    parts = extractor.Extractor(stage_name=_STAGE, ptransform=beam.Map(_add_parts))
    return [*extractors[:place], parts, *extractors[place:]]


def _add_parts(extracts: Mapping[str, Any]) -> dict[str, Any]:
    """Adds the parts to a batch of extracts."""
    raw = extracts[constants.FEATURES_KEY]
    pngs, labels = np.ravel(raw[features.IMAGE]), np.ravel(raw[features.LABEL])
    images = _decode(tf.constant(pngs.tolist(), tf.string)).numpy()
    return {
        **extracts,
        constants.FEATURES_KEY: {**raw, **slicing.assign_parts(images, labels)},
    }


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
def _decode(pngs: tf.Tensor) -> tf.Tensor:
    """Reads PNGs (string [N]) as the network sees them: uint8 [N, 28, 28]."""
    return preprocessing.decode_images(pngs)[..., 0]
