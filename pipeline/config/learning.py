"""The settings of what is trained, and how."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from pipeline.config.group import Count, Fraction, Group
from trainer_module import features


class Model(Group):
    """The layout of TinyVGG."""

    filters: tuple[Count, Count] = Field(
        (14, 16), description="Filters per convolution in the first and the second block."
    )
    convolutions: Literal[3, 4] = Field(
        4, description="Number of convolutions: two in the first block, the rest in the second."
    )
    padding: Literal["valid", "same"] = Field("same", description="Padding of every convolution.")
    batch_norm: bool = Field(True, description="Batch normalization after each convolution.")
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Fraction of the features dropped before the softmax layer."
    )


class Augmentation(Group):
    """How training images are varied; those of `eval` and `test` never are."""

    flip: bool = Field(True, description="Flip half of the images left to right.")
    shift: int = Field(1, ge=0, le=14, description="Shift by up to this many pixels each way.")
    erase: Fraction = Field(
        0.0, description="Fraction of the images in which a random rectangle is erased."
    )
    erase_size: int = Field(
        10, ge=1, le=features.IMAGE_SIZE, description="Longest side of that rectangle, in pixels."
    )


class Training(Group):
    """How long to train, in what steps, and which weights to keep."""

    # The original project saw over-fitting on its validation curve after 25 epochs.
    epochs: Count = Field(25, description="Number of passes over the train split.")
    batch_size: Count = Field(128, description="Examples per optimizer step.")
    seed: int = Field(
        0,
        ge=0,
        lt=2**32,
        description="Random seed for initial weights, dropout, shuffling and augmentation.",
    )
    weight_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Decay of the kernel weights per step, multiplied by the learning rate.",
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Fraction of each label that is spread evenly over all classes.",
    )
    patience: Count | None = Field(
        None,
        description="Stop after this many epochs without a lower loss on `eval`; if not given, "
        "never stop early.",
    )
    best_epoch_weights: bool = Field(
        True,
        description="Export the weights of the epoch with the lowest loss on `eval` instead of the "
        "last.",
    )
    flip_averaging: bool = Field(
        True,
        description="Export a model that averages over an image and its mirror image: more often "
        "right, for twice the computing.",
    )
    # Streaming costs a few hundredths of the time, and memory is what runs out.
    memory_mb: int = Field(
        500,
        ge=0,
        description="Memory for the images of `train` and `eval`, in megabytes: what the process "
        "takes for holding them, 808 bytes an image; a split that is larger is streamed.",
    )
    precision: Literal["auto", "float32"] = Field(
        "auto",
        description="Precision of the convolutions: with `auto`, they multiply in bfloat16 where "
        "the device is much faster in it.",
    )


class LearningRate(Group):
    """The learning rate over time."""

    source: Literal["finder", "fixed"] = Field(
        "finder",
        description="Where the peak rate comes from: a range test (`finder`) or `peak` (`fixed`).",
    )
    schedule: Literal["constant", "exponential", "step", "cosine", "one_cycle"] = Field(
        "cosine", description="Shape of the rate over time; `cosine` starts with a linear warm-up."
    )
    # The original's 1e-3 is the best constant rate; a rate that decays affords a higher peak.
    peak: float = Field(
        4e-3,
        gt=0,
        le=1,
        description="Peak rate of Adam if the source is `fixed`; the finder finds its own.",
    )
    warmup_epochs: float = Field(
        1.0, ge=0, description="Length of the warm-up, in epochs (`cosine`)."
    )
    decay_rate: float = Field(
        0.5, gt=0, le=1, description="Factor per epoch (`exponential`) or per drop (`step`)."
    )
    step_epochs: Count = Field(8, description="Epochs between drops (`step`).")
    final_fraction: Fraction = Field(
        0.01, description="Final rate of `cosine` and `one_cycle`, as a fraction of the peak."
    )


class LearningRateFinder(Group):
    """The range test: the rate rises exponentially, and the loss shows which rate to use."""

    form: Literal["batches", "epochs"] = Field(
        "batches", description="Whether the rate rises with each mini-batch or with each epoch."
    )
    points: Annotated[int, Field(ge=10)] = Field(
        320,
        description="How many rates to try; with `batches`, at most as many as an epoch has.",
    )
    lowest: float = Field(1e-4, gt=0, le=1, description="First rate to try.")
    highest: float = Field(1.0, gt=0, le=10, description="Last rate to try.")
    smoothing: float = Field(
        0.95, ge=0, lt=1, description="Weight of past values in the moving average of the loss."
    )
    rule: Literal["steepest", "minimum"] = Field(
        "minimum",
        description="`steepest` takes the rate at which the loss falls fastest; `minimum`, half an "
        "order of magnitude less than the rate at which it is lowest.",
    )

    @pydantic.model_validator(mode="after")
    def _check_bounds(self) -> "LearningRateFinder":
        if self.lowest >= self.highest:
            raise ValueError(f"lowest, {self.lowest:g}, should be below highest, {self.highest:g}")
        return self
