"""The settings of what a model must reach, and of how it goes into service."""

from typing import Literal

import pydantic
from pydantic import Field

from pipeline.config.group import DEFAULT, Fraction, Group
from trainer_module import features

Floors = dict[str, Fraction]


class Evaluation(Group):
    """What a model must reach on the test split to be blessed, and how it is measured."""

    # The default reaches 0.92 and passes 0.85 in its second epoch: less means a defect.
    min_accuracy: Fraction = Field(0.85, description="Lowest overall accuracy allowed.")
    # The default reaches 0.22, and the original project 0.37: a model of that accuracy with more is
    # too sure of its mistakes.
    max_loss: float = Field(
        0.5, gt=0, description="Highest overall cross-entropy allowed, in nats."
    )
    min_recall: Floors = Field(
        {DEFAULT: 0.75, **features.DATASET.min_recall},
        description="Lowest recall allowed in each class, by name; `default` is for all others.",
    )
    min_f1: Floors = Field(
        {DEFAULT: 0.75, **features.DATASET.min_f1},
        description="Lowest F1 allowed in each class, in the same way.",
    )
    # Three standard errors of an accuracy of 0.9 on 10,000 images: less may be chance.
    max_accuracy_drop: Fraction = Field(
        0.01, description="Largest drop in overall accuracy allowed against the baseline."
    )
    # Three standard errors of a recall of 0.75 on 1,000 images are 0.04.
    max_recall_drop: Fraction = Field(
        0.05, description="Largest drop in the recall of any class allowed against the baseline."
    )
    confidence_intervals: Literal["none", "jackknife", "bootstrap"] = Field(
        "none", description="How the 95 % confidence interval of each figure is estimated."
    )

    @pydantic.field_validator("min_recall", "min_f1")
    @classmethod
    def _complete(cls, floors: dict[str, float], info: pydantic.ValidationInfo) -> dict[str, float]:
        """Keeps the default for what is not given."""
        unknown = [name for name in floors if name not in (DEFAULT, *features.CLASS_NAMES)]
        if unknown:
            known = ", ".join((*features.CLASS_NAMES, DEFAULT))
            raise ValueError(f"there is no class {unknown[0]!r}; there are {known}")
        return {**cls.model_fields[str(info.field_name)].default, **floors}


class Serving(Group):
    """What serving a blessed model may cost, and where a server finds it."""

    check: Literal["process", "infra_validator"] = Field(
        "process",
        description="How a model is tried before it is pushed: in a fresh `process` with plain "
        "TensorFlow, or by TFX's `infra_validator`, which needs Docker and the image of TensorFlow "
        "Serving.",
    )
    # TinyVGG takes 0.3 MB, 0.3 s, 2 ms and 600 MB, most of it TensorFlow's: each has room for a
    # larger network on a busy machine.
    max_size_mb: float = Field(20, gt=0, description="Largest model size allowed, in megabytes.")
    max_load_s: float = Field(30, gt=0, description="Longest loading time allowed, in seconds.")
    max_latency_ms: float = Field(
        100,
        gt=0,
        description="Highest latency allowed for one image (99th percentile), in milliseconds.",
    )
    max_batch_latency_ms: float = Field(
        500, gt=0, description="The same for a batch of 64 images, in milliseconds."
    )
    max_memory_mb: float = Field(
        2048, gt=0, description="Highest peak memory allowed for that process, in megabytes."
    )
    timeout_s: float = Field(180, gt=0, description="Time limit for the whole check, in seconds.")
    server_dir: str | None = Field(
        None,
        pattern="^/",
        description="Path under which the model server sees the serving directory, for "
        "`models.config`; if not given, it stays as it was, at first `/models`.",
    )
