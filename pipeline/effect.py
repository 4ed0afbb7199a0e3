"""Which settings have an effect, under the others and on this data.

What has none is left at its default in what Trainer and finder are cached by, so that it trains
nothing anew, and it is told to the person who set it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline import config
from pipeline.data import preparation
from trainer_module import features

_Values = dict[str, dict[str, Any]]

_UNUSED = {
    "constant": ("warmup_epochs", "decay_rate", "step_epochs", "final_fraction"),
    "exponential": ("warmup_epochs", "step_epochs", "final_fraction"),
    "step": ("warmup_epochs", "final_fraction"),
    "cosine": ("decay_rate", "step_epochs"),
    "one_cycle": ("warmup_epochs", "decay_rate", "step_epochs"),
}
"""What a schedule does not use."""

_MEASURED = ("max_size_mb", "max_latency_ms", "max_batch_latency_ms", "max_memory_mb", "timeout_s")
"""Limits that TFX's InfraValidator does not know."""

_OF_THE_MACHINE = ("memory_mb", "precision")
"""Settings of the training that the training itself does not take: they lay out where it runs."""

_OF_THE_EXPORT = ("flip_averaging",)
"""Those that it does not take either: they say what is made of the network that was trained."""

_DEFAULT_MEMORY_MB = config.Training().memory_mb


@dataclass(frozen=True)
class _Rule:
    """A setting that comes to another value than it has.

    Attributes:
        key: its group and name, and the class in a table by classes.
        value: what it comes to.
        why: a clause.
    """

    key: str
    value: object
    why: str


def trainer_parameters(settings: config.Config, data: preparation.Prepared) -> dict[str, Any]:
    """What the Trainer goes by: the arguments of the functions it calls, and the data's name.

    Args:
        settings: every knob.
        data: what is trained on.
    """
    values = _normalize(settings.model_dump(mode="json"), data)
    training, learning_rate = values["training"], values["learning_rate"]
    apart = (*_OF_THE_MACHINE, *_OF_THE_EXPORT)
    return {
        "model": values["model"],
        "augmentation": values["augmentation"],
        "training": {key: one for key, one in training.items() if key not in apart},
        "learning_rate": {key: one for key, one in learning_rate.items() if key != "source"},
        **{key: training[key] for key in apart},
        "dataset": data.directory.name,
    }


def finder_parameters(settings: config.Config, data: preparation.Prepared) -> dict[str, Any]:
    """What the learning-rate finder goes by: what it shares with the Trainer, and its own."""
    values = _normalize(settings.model_dump(mode="json"), data)
    shared = ("batch_size", "seed", "weight_decay", "label_smoothing", *_OF_THE_MACHINE)
    return {
        "model": values["model"],
        "augmentation": values["augmentation"],
        "finder": values["learning_rate_finder"],
        **{key: values["training"][key] for key in shared},
    }


def find_without_effect(settings: config.Config, data: preparation.Prepared) -> list[str]:
    """Finds the settings that differ from their defaults and change nothing here.

    Args:
        settings: every knob.
        data: what is trained on.

    Returns:
        A phrase each.
    """
    values, defaults = settings.model_dump(mode="json"), config.Config().model_dump(mode="json")
    reached = _normalize(values, data)
    return [
        f"{rule.key} has no effect here: {rule.why}"
        for rule in _rules(values, data)
        if _get(values, rule.key) != _get(defaults, rule.key)
        and _normalize(_with(values, rule.key, _get(defaults, rule.key)), data) == reached
    ]


def _normalize(values: _Values, data: preparation.Prepared) -> _Values:
    for rule in _rules(values, data):
        values = _with(values, rule.key, rule.value)
    return values


def _rules(values: _Values, data: preparation.Prepared) -> Iterator[_Rule]:
    """What has no effect, or only up to a bound."""
    defaults = config.Config().model_dump(mode="json")
    for key, why in _without_effect(values, data):
        yield _Rule(key, _get(defaults, key), why)
    yield from _bounded(values, data)


def _without_effect(values: _Values, data: preparation.Prepared) -> Iterator[tuple[str, str]]:
    """Settings that might as well be at their defaults, and why."""
    training, rate, finder = (
        values[group] for group in ("training", "learning_rate", "learning_rate_finder")
    )
    records = config.Dataset.model_construct(**values["dataset"])
    yield from data.source.find_without_effect(records).items()
    if not values["augmentation"]["erase"]:
        yield "augmentation.erase_size", "augmentation.erase is 0"
    if training["epochs"] == 1:
        yield "training.best_epoch_weights", "there is one epoch"
    # The first epoch is the best so far, and after the last there is nothing to stop.
    if training["patience"] and training["patience"] >= training["epochs"] - 1:
        yield "training.patience", "it does not run out within the epochs"
    # How much there is in the other spans of a window is not known beforehand.
    if not _has_window(values, data) and all(
        _fits(memory_mb, data) for memory_mb in (training["memory_mb"], _DEFAULT_MEMORY_MB)
    ):
        yield "training.memory_mb", "all images fit"
    if rate["source"] == "finder":
        yield "learning_rate.peak", "the rate is found by the range test"
    else:
        for key in finder:
            yield f"learning_rate_finder.{key}", "learning_rate.source is fixed"
    for key in _UNUSED[rate["schedule"]]:
        yield f"learning_rate.{key}", f"learning_rate.schedule is {rate['schedule']}"
    if rate["schedule"] == "step" and rate["step_epochs"] >= training["epochs"]:
        yield "learning_rate.decay_rate", "the training ends before the rate drops"
    if rate["schedule"] == "step" and rate["decay_rate"] == 1:
        yield "learning_rate.step_epochs", "learning_rate.decay_rate is 1"
    yield from _unmeasured(values)
    yield from _unused_by_engine(values)


def _unmeasured(values: _Values) -> Iterator[tuple[str, str]]:
    for key in ("min_recall", "min_f1"):
        if set(features.CLASS_NAMES) <= values["evaluation"][key].keys():
            yield f"evaluation.{key}.{config.DEFAULT}", "every class has a floor of its own"
    if values["serving"]["check"] == "infra_validator":
        for key in _MEASURED:
            yield f"serving.{key}", "TFX's InfraValidator does not measure it"


def _unused_by_engine(values: _Values) -> Iterator[tuple[str, str]]:
    engine = config.Engine.model_construct(**values["engine"])
    for key in engine.without_effect():
        yield f"engine.{key}", f"engine.name is {engine.name}"


def _bounded(values: _Values, data: preparation.Prepared) -> Iterator[_Rule]:
    """Settings that change nothing any more beyond a bound."""
    training, rate, finder = (
        values[group] for group in ("training", "learning_rate", "learning_rate_finder")
    )
    if rate["schedule"] == "cosine":
        warmup = min(rate["warmup_epochs"], training["epochs"] / 2)
        yield _Rule("learning_rate.warmup_epochs", warmup, "it is at most half of the epochs")
    if rate["schedule"] == "step" and rate["decay_rate"] < 1:
        step = min(rate["step_epochs"], training["epochs"])
        yield _Rule("learning_rate.step_epochs", step, "the training ends before")
    by_batch = rate["source"] == "finder" and finder["form"] == "batches"
    if by_batch and not _has_window(values, data):
        batches = -(-_count(data.examples, "train") // training["batch_size"])
        points = min(finder["points"], batches)
        yield _Rule("learning_rate_finder.points", points, f"an epoch has {batches} batches")


def _has_window(values: _Values, data: preparation.Prepared) -> bool:
    return data.span is not None and values["dataset"]["window"] > 1


def _fits(memory_mb: int, data: preparation.Prepared) -> bool:
    """Whether no split is streamed."""
    # Here, because it imports TensorFlow.
    from trainer_module.held import MOST_EXAMPLE_BYTES

    count = sum(_count(data.examples, split) for split in ("train", "eval"))
    return count * MOST_EXAMPLE_BYTES <= memory_mb * 10**6


def _count(examples: Mapping[str, Mapping[str, int]], split: str) -> int:
    return sum(examples[split].values())


def _get(values: _Values, key: str) -> object:
    group, name, *rest = key.split(".", 2)
    return values[group][name][rest[0]] if rest else values[group][name]


def _with(values: _Values, key: str, value: object) -> _Values:
    group, name, *rest = key.split(".", 2)
    one = {**values[group][name], rest[0]: value} if rest else value
    return {**values, group: {**values[group], name: one}}
