"""What the Evaluator takes from the raw examples: TFMA's extractors, and one of our own."""

import io
from collections.abc import Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from PIL import Image
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.extractors import extractor, unbatch_extractor

from components.evaluation import slicing
from trainer_module import features

_STAGE = "ExtractParts"


def custom_extractors(
    eval_shared_model: Any, eval_config: Any, tensor_adapter_config: Any
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
    images = np.stack([np.asarray(Image.open(io.BytesIO(png)).convert("L")) for png in pngs])
    return {
        **extracts,
        constants.FEATURES_KEY: {**raw, **slicing.assign_parts(images, labels)},
    }
