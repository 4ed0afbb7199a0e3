"""The small data set of the tests of the Trainer, and what Transform makes of it."""

from tests.trainer_module.conftest import (  # noqa: F401
    augmentation_config,
    examples_artifact,
    model_config,
    raw_schema,
    raw_splits,
    transform,
    transformed,
    write_artifact,
)
