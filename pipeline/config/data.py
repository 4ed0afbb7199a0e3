"""The settings of what goes in and where it lies: paths, dataset, and the gate for data."""

from pathlib import Path
from typing import Any, Literal

import pydantic
from pydantic import Field

from components.data_gate.findings import ADVICE, Severity
from pipeline.config.group import DEFAULT, Count, Fraction, Group
from trainer_module import features

AUTO, SAMPLE = "auto", "sample"
"""What a dataset may be called besides its own name."""


class Paths(Group):
    """Where a run puts what it makes."""

    root: Path = Field(
        Path("output"),
        description="Directory for everything a run makes: artifacts, metadata, records, logs and "
        "results.",
    )
    serving_dir: Path | None = Field(
        None, description="Directory for blessed models; `serving` in the root if not given."
    )


class Dataset(Group):
    """The data to learn from."""

    name: Literal[AUTO, features.DATASET.name, SAMPLE] = Field(  # type: ignore[valid-type]
        AUTO,
        description=f"`{features.DATASET.name}` is the real data and nothing else; `{SAMPLE}` is "
        f"generated; `{AUTO}` uses {features.DATASET.title}, or the sample if it is neither on "
        "disk nor reachable.",
    )
    dir: Path | None = Field(
        None,
        description="Directory with the four official files, a TensorFlow Datasets directory, or "
        "your own TFRecords; if not given, the usual places are searched.",
    )
    eval_examples: Count = Field(
        5000,
        description="Official training examples to set aside as `eval`, stratified by class.",
    )
    max_examples: Count | None = Field(
        None,
        description="Limit on the examples in each split, stratified, for quick trials.",
    )
    seed: int = Field(
        0,
        ge=0,
        description="Random seed for the split, the order of examples and the generated sample.",
    )
    pattern: str = Field(
        "span-{SPAN}/version-{VERSION}/{SPLIT}-*",
        description="File pattern of your own TFRecords, relative to their directory; the newest "
        "span and version are used.",
    )
    window: Count = Field(
        1,
        description="Spans of your own TFRecords to train on: the newest, and so many before it "
        "that the data gate accepted.",
    )
    bad_examples: Literal["refuse", "set_aside"] = Field(
        "refuse",
        description="What to do if examples in your own TFRecords are not what examples must be: "
        "`refuse` the data, or leave them out and keep them in a file (`set_aside`).",
    )
    # What is left out of `test` may change its accuracy by as much: no more than a drop against
    # the baseline may be.
    max_bad_fraction: Fraction = Field(
        0.01, description="Largest fraction of each split that may be set aside."
    )
    # As many as a person can look through; more have a cause to be mended where they are written.
    max_bad_examples: Count = Field(
        1000, description="Largest number of examples that may be set aside in all."
    )


_DISTANCES = {"class": 0.04, "ink": 0.012, "brightness": 0.02}


class DataGate(Group):
    """What about the data stops a run before anything learns from it."""

    severities: dict[str, Severity] = Field(
        {
            DEFAULT: "stop",
            **dict.fromkeys(("conflict", "new_feature", "not_compared"), "warn"),
            "repeat": "ignore",
        },
        description="What a kind of finding does: `stop` the run, `warn`, or `ignore`; `default` "
        f"is for all others of {', '.join(f'`{kind}`' for kind in ADVICE)}.",
    )
    # All 70,000 images of Fashion-MNIST differ.
    max_leaked: Fraction = Field(
        0.001,
        description="Largest fraction of `eval` or `test` allowed whose images are in `train` too.",
    )
    max_conflicting: Fraction = Field(
        0.0,
        description="Largest fraction of a split allowed whose images have other labels elsewhere.",
    )
    # Between what chance gives with 2,000 images, 0.023, 0.003 and 0.003, and what a class that is
    # halved, noise in 5 % of the pixels, and four fifths of the brightness give: docs/data.md.
    max_skew: dict[str, Fraction] = Field(
        _DISTANCES,
        description="Largest distance allowed of `eval` and `test` to `train`: L-infinity for "
        "`class`, Jensen–Shannon divergence for the measures.",
    )
    max_drift: dict[str, Fraction] = Field(
        _DISTANCES,
        description="Largest distance allowed of each split to that of the span before, likewise.",
    )

    @pydantic.field_validator("severities", "max_skew", "max_drift")
    @classmethod
    def _complete(cls, given: dict[str, Any], info: pydantic.ValidationInfo) -> dict[str, Any]:
        """Keeps the default for what is not given."""
        default = cls.model_fields[str(info.field_name)].default
        known = (*ADVICE, DEFAULT) if info.field_name == "severities" else tuple(default)
        unknown = [name for name in given if name not in known]
        if unknown:
            raise ValueError(f"there is no {unknown[0]!r}; there are {', '.join(known)}")
        return {**default, **given}
