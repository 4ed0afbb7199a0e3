"""Trainer, finder and records follow what has an effect, of all settings, and nothing else."""

import dataclasses
from pathlib import Path

import pytest

from pipeline import config, effect
from pipeline.data import kinds, preparation
from trainer_module import features, learning_rate_finder

SIZES = {"train": 55_000, "eval": 5000, "test": 10_000}
SOURCES = {
    "fashion_mnist": kinds.OfficialFiles(Path("data")),
    "sample": kinds.Sample(),
    "own": kinds.OwnRecords(Path("data")),
}

EPOCH = ("training.epochs=1",)
FIXED = ("learning_rate.source=fixed",)


def prepared(kind="fashion_mnist", sizes=SIZES):
    examples = {split: {"Bag": size} for split, size in sizes.items()}
    return preparation.Prepared(SOURCES[kind], Path("records"), "*", examples)


def schedule(name, *further):
    return (*FIXED, f"learning_rate.schedule={name}", *further)


def both(data, assignments):
    settings = config.load_config(None, assignments)
    return effect.trainer_parameters(settings, data), effect.finder_parameters(settings, data)


def told(data, assignments):
    return effect.find_without_effect(config.load_config(None, assignments), data)


POOL = ("engine.name=prism", "engine.environment=pool", "engine.pool_address=localhost:1")

# Under which others, a setting that then has no effect on Trainer and finder, and why.
WITHOUT = [
    ((), "learning_rate.peak=0.01", "the rate is found by the range test"),
    ((), "augmentation.erase_size=5", "augmentation.erase is 0"),
    ((), "training.memory_mb=400", "all images fit"),
    ((), "engine.address=localhost:1", "engine.name is local"),
    (POOL, "engine.staging=/tmp", "engine.name is prism"),
    ((), "training.memory_mb=190", "all images fit"),
    ((), "training.patience=24", "it does not run out within the epochs"),
    (EPOCH, "training.patience=1", "it does not run out within the epochs"),
    (EPOCH, "training.best_epoch_weights=false", "there is one epoch"),
    (EPOCH, "learning_rate.warmup_epochs=3", "it is at most half of the epochs"),
    ((), "learning_rate.decay_rate=0.1", "learning_rate.schedule is cosine"),
    ((), "learning_rate.step_epochs=3", "learning_rate.schedule is cosine"),
    (("training.batch_size=1000",), "learning_rate_finder.points=300", "an epoch has 55 batches"),
    *(
        (schedule("constant"), f"learning_rate.{one}", "learning_rate.schedule is constant")
        for one in ("warmup_epochs=3", "decay_rate=0.1", "step_epochs=3", "final_fraction=0.5")
    ),
    *(
        (schedule("exponential"), f"learning_rate.{one}", "learning_rate.schedule is exponential")
        for one in ("warmup_epochs=3", "step_epochs=3", "final_fraction=0.5")
    ),
    *(
        (schedule("step"), f"learning_rate.{one}", "learning_rate.schedule is step")
        for one in ("warmup_epochs=3", "final_fraction=0.5")
    ),
    *(
        (schedule("one_cycle"), f"learning_rate.{one}", "learning_rate.schedule is one_cycle")
        for one in ("warmup_epochs=3", "decay_rate=0.1", "step_epochs=3")
    ),
    (
        schedule("step", "training.epochs=5"),
        *("learning_rate.decay_rate=0.1", "the training ends before the rate drops"),
    ),
    (
        schedule("step", "training.epochs=5"),
        *("learning_rate.step_epochs=9", "the training ends before"),
    ),
    (
        schedule("step", "learning_rate.decay_rate=1.0"),
        *("learning_rate.step_epochs=3", "learning_rate.decay_rate is 1"),
    ),
    *(
        (FIXED, f"learning_rate_finder.{one}", "learning_rate.source is fixed")
        for one in (
            *("form=epochs", "points=50", "lowest=1e-3", "highest=0.1", "smoothing=0.5"),
            "rule=steepest",
        )
    ),
]

# Under which others, a setting that has an effect on the Trainer, the finder or both.
WITH = [
    ((), "model.filters=[4, 4]", "both"),
    ((), "model.convolutions=3", "both"),
    ((), "model.padding=valid", "both"),
    ((), "model.batch_norm=false", "both"),
    ((), "model.dropout=0.5", "both"),
    ((), "augmentation.flip=false", "both"),
    ((), "augmentation.shift=2", "both"),
    ((), "augmentation.erase=0.5", "both"),
    (("augmentation.erase=0.5",), "augmentation.erase_size=5", "both"),
    ((), "training.epochs=3", "trainer"),
    ((), "training.batch_size=64", "both"),
    ((), "training.seed=1", "both"),
    ((), "training.weight_decay=0.1", "both"),
    ((), "training.label_smoothing=0.1", "both"),
    ((), "training.patience=23", "trainer"),
    ((), "training.best_epoch_weights=false", "trainer"),
    ((), "training.flip_averaging=false", "trainer"),
    ((), "training.memory_mb=189", "both"),
    ((), "training.precision=float32", "both"),
    (("training.memory_mb=20",), "training.memory_mb=30", "both"),
    (FIXED, "learning_rate.peak=0.01", "trainer"),
    ((), "learning_rate.schedule=constant", "trainer"),
    ((), "learning_rate.warmup_epochs=3", "trainer"),
    ((), "learning_rate.final_fraction=0.5", "trainer"),
    (schedule("exponential"), "learning_rate.decay_rate=0.1", "trainer"),
    (schedule("step"), "learning_rate.decay_rate=0.1", "trainer"),
    (schedule("step"), "learning_rate.step_epochs=3", "trainer"),
    # It never drops, which at the default it would.
    (schedule("step", "training.epochs=10"), "learning_rate.step_epochs=12", "trainer"),
    (schedule("one_cycle"), "learning_rate.final_fraction=0.5", "trainer"),
    *(
        ((), f"learning_rate_finder.{one}", "finder")
        for one in (
            *("form=epochs", "points=50", "lowest=1e-3", "highest=0.1", "smoothing=0.5"),
            "rule=steepest",
        )
    ),
    (("learning_rate_finder.form=epochs",), "learning_rate_finder.points=500", "finder"),
]


@pytest.mark.parametrize(("others", "setting", "why"), WITHOUT)
def test_setting_without_effect_changes_no_parameter_and_is_told(others, setting, why):
    data, key = prepared(), setting.partition("=")[0]
    assert both(data, [*others, setting]) == both(data, others)
    assert f"{key} has no effect here: {why}" in told(data, [*others, setting])


@pytest.mark.parametrize(("others", "setting", "whose"), WITH)
def test_setting_with_an_effect_changes_the_parameters_and_is_not_told(others, setting, whose):
    data, key = prepared(), setting.partition("=")[0]
    before, after = both(data, others), both(data, [*others, setting])
    changed = tuple(a != b for a, b in zip(before, after, strict=True))
    assert (
        changed == {"both": (True, True), "trainer": (True, False), "finder": (False, True)}[whose]
    )
    assert not [one for one in told(data, [*others, setting]) if one.startswith(f"{key} ")]


def test_every_setting_of_the_training_is_tried():
    tried = {setting.partition("=")[0] for _, setting, _ in WITH}
    for group in ("model", "augmentation", "training", "learning_rate", "learning_rate_finder"):
        fields = config.Config.model_fields[group].annotation.model_fields
        assert {f"{group}.{name}" for name in fields} - tried <= {"learning_rate.source"}


@pytest.mark.parametrize("kind", SOURCES)
def test_nothing_is_told_of_the_defaults(kind):
    assert told(prepared(kind), []) == []


def test_images_that_do_not_fit_keep_the_budget_as_it_is():
    many = prepared("own", {**SIZES, "train": 550_000})
    assert both(many, ["training.memory_mb=400"]) != both(many, [])
    assert told(many, ["training.memory_mb=400"]) == []


def test_of_a_window_nobody_knows_whether_it_fits_or_how_many_batches_it_has():
    data = dataclasses.replace(prepared("own"), span=2)
    window = "dataset.window=2"
    for one, other in (
        ("training.memory_mb=400", "training.memory_mb=600"),
        # An epoch of the newest span alone has 430 batches.
        ("learning_rate_finder.points=450", "learning_rate_finder.points=440"),
    ):
        assert both(data, [one]) == both(data, [other])
        assert both(data, [one, window]) != both(data, [other, window])
        assert told(data, [one, window]) == []


RECORDS = [
    ("sample", "dataset.eval_examples=10", "the sample is generated"),
    ("sample", "dataset.dir=/data", "the sample is generated"),
    ("sample", "dataset.max_examples=4000", "no split has more than 4,000"),
    ("sample", "paths.serving_dir=/served", "the sample has a serving directory of its own"),
    ("fashion_mnist", "dataset.pattern='{SPLIT}'", "it is for TFRecords of one's own"),
    ("fashion_mnist", "dataset.max_examples=55000", "no split has more than 55,000"),
    ("fashion_mnist", "dataset.window=3", "it is for TFRecords of one's own"),
    *(
        (kind, f"dataset.{one}", "it is for TFRecords of one's own")
        for kind in ("fashion_mnist", "sample")
        for one in ("bad_examples=set_aside", "max_bad_fraction=0.1", "max_bad_examples=3")
    ),
    ("own", "dataset.max_bad_fraction=0.1", "dataset.bad_examples is refuse"),
    ("own", "dataset.max_bad_examples=3", "dataset.bad_examples is refuse"),
    ("own", "dataset.eval_examples=10", "the TFRecords are taken as they are"),
    ("own", "dataset.max_examples=10", "the TFRecords are taken as they are"),
    ("own", "dataset.seed=3", "the TFRecords are taken as they are"),
]


@pytest.mark.parametrize(("kind", "setting", "why"), RECORDS)
def test_setting_of_the_data_without_effect_is_told(kind, setting, why):
    assert told(prepared(kind), [setting]) == [
        f"{setting.partition('=')[0]} has no effect here: {why}"
    ]


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        ("sample", "dataset.seed=3"),
        ("sample", "dataset.max_examples=3999"),
        ("fashion_mnist", "dataset.seed=3"),
        ("fashion_mnist", "dataset.eval_examples=10"),
        ("fashion_mnist", "dataset.max_examples=54999"),
        ("fashion_mnist", "paths.serving_dir=/served"),
        ("own", "dataset.pattern='{SPLIT}'"),
        ("own", "dataset.bad_examples=set_aside"),
        ("fashion_mnist", "evaluation.min_recall.default=0.5"),
        ("fashion_mnist", "serving.max_size_mb=5"),
        ("fashion_mnist", "serving.server_dir=/srv"),
    ],
)
def test_other_setting_with_an_effect_is_not_told(kind, setting):
    assert told(prepared(kind), [setting]) == []


@pytest.mark.parametrize("limit", ["max_bad_fraction=0.1", "max_bad_examples=3"])
def test_limit_on_what_is_set_aside_has_an_effect_where_something_may_be(limit):
    given = ["dataset.bad_examples=set_aside", f"dataset.{limit}"]
    assert told(prepared("own"), given) == []


def test_floor_of_no_class_is_told():
    floors = dict.fromkeys(features.CLASS_NAMES, 0.5)
    settings = config.load_config(None, (), {"evaluation.min_f1": {**floors, "default": 0.1}})
    assert effect.find_without_effect(settings, prepared()) == [
        "evaluation.min_f1.default has no effect here: every class has a floor of its own"
    ]


def test_limits_that_the_infra_validator_does_not_know_are_told():
    given = ["serving.check=infra_validator", "serving.max_size_mb=5", "serving.max_load_s=5"]
    [only] = told(prepared(), given)
    assert only.startswith("serving.max_size_mb has no effect here: TFX's InfraValidator")


def test_what_the_finder_falls_back_on_is_the_default_peak():
    assert config.LearningRate().peak == learning_rate_finder.FALLBACK
