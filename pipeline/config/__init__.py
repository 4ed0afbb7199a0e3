"""Every setting of the pipeline, once: typed, checked, with its default and unit.

The default run, `python -m pipeline.local_runner`, trains for 25 epochs;
README.md says what it reaches and how long it takes. A TOML file (`--config`) has a table
for each group below, and `--set group.key=value` changes one value.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic

from pipeline import overrides, refusal
from pipeline.config.data import AUTO, SAMPLE, DataGate, Dataset, Paths
from pipeline.config.group import DEFAULT, Group
from pipeline.config.learning import (
    Augmentation,
    LearningRate,
    LearningRateFinder,
    Model,
    Training,
)
from pipeline.config.release import Evaluation, Serving
from pipeline.config.running import Beam, Engine, Run
from pipeline.errors import UserError

__all__ = [
    "AUTO",
    "DEFAULT",
    "PROJECT_DIRECTORY",
    "SAMPLE",
    "Augmentation",
    "Beam",
    "Config",
    "DataGate",
    "Dataset",
    "Engine",
    "Evaluation",
    "LearningRate",
    "LearningRateFinder",
    "Model",
    "Paths",
    "Run",
    "Serving",
    "Training",
    "load_config",
]

PROJECT_DIRECTORY = Path(__file__).resolve().parents[2]
"""The checkout; where the package is installed without one, what it lies in."""


class Config(Group):
    """All groups."""

    paths: Paths = Paths()
    dataset: Dataset = Dataset()
    model: Model = Model()
    augmentation: Augmentation = Augmentation()
    training: Training = Training()
    learning_rate: LearningRate = LearningRate()
    learning_rate_finder: LearningRateFinder = LearningRateFinder()
    data_gate: DataGate = DataGate()
    evaluation: Evaluation = Evaluation()
    serving: Serving = Serving()
    engine: Engine = Engine()
    beam: Beam = Beam()
    run: Run = Run()


def load_config(
    file: Path | None = None,
    assignments: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """Builds the configuration: defaults, then the file, then `--set`, then flags.

    Args:
        file: a TOML file with a table for each group.
        assignments: `group.key=value` each, the value as in TOML; quotes may be left out.
        flags: values by `group.key`; None stands for a flag that was not given.

    Returns:
        The checked configuration.

    Raises:
        UserError: the file can't be read, or a key or value is not allowed.
    """
    values = overrides.collect(file, assignments, flags or {})
    try:
        # By way of JSON, where strictness still admits a list for a tuple and text for a path.
        return Config.model_validate_json(json.dumps(values, default=str))
    except pydantic.ValidationError as error:
        sentences = (refusal.describe(one, Config) for one in error.errors())
        raise UserError(" ".join(sentences)) from error
