import json
import logging
from dataclasses import dataclass
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tfx.types import standard_artifacts

from components.learning_rate_finder import component
from trainer_module import keras_settings, learning_rate_finder

STEPS = 10
"""Of an epoch: 300 examples in batches of 32."""

FALLBACK = 0.004


@dataclass(frozen=True)
class Found:
    """What the component put out."""

    hyperparameters: Path
    results: Path

    @property
    def learning_rate(self) -> float:
        file = self.hyperparameters / component.HYPERPARAMETERS_FILE
        return keras_tuner.HyperParameters.from_config(json.loads(file.read_text())).get(
            "learning_rate"
        )

    @property
    def curve(self) -> dict:
        return json.loads((self.results / component.CURVE_FILE).read_text())


@pytest.fixture(scope="module")
def find(examples_artifact, transformed, model_config, augmentation_config):
    """Runs the component by its executor, as TFX does, into the directory that is given."""
    transform_graph = standard_artifacts.TransformGraph()
    transform_graph.uri = transformed[0]

    def find(directory, seed=5, memory_mb=1000, examples=(examples_artifact,), **finder) -> Found:
        hyperparameters = standard_artifacts.HyperParameters()
        results = standard_artifacts.TunerResults()
        hyperparameters.uri = str(directory / "hyperparameters")
        results.uri = str(directory / "results")
        config = {
            "model": model_config,
            "augmentation": augmentation_config,
            "finder": {
                "form": "batches",
                "points": 400,
                "lowest": 1e-4,
                "highest": 1.0,
                "smoothing": 0.5,
                "rule": "minimum",
                **finder,
            },
            "batch_size": 32,
            "seed": seed,
            "weight_decay": 0.0,
            "label_smoothing": 0.1,
            "memory_mb": memory_mb,
            "precision": "auto",
            "source": "0123456789abcdef",
        }
        component.LearningRateFinder.EXECUTOR_SPEC.executor_class().Do(
            {"examples": list(examples), "transform_graph": [transform_graph]},
            {"best_hyperparameters": [hyperparameters], "tuner_results": [results]},
            {"config": json.dumps(config)},
        )
        return Found(Path(hyperparameters.uri), Path(results.uri))

    return find


@pytest.fixture(scope="module")
def by_epoch(find, tmp_path_factory):
    """The form of the course exercises: a point an epoch."""
    return find(tmp_path_factory.mktemp("epochs"), form="epochs", points=14, highest=10.0)


@pytest.fixture(scope="module")
def by_batch(find, tmp_path_factory):
    """Smith's form: a point a step."""
    return find(tmp_path_factory.mktemp("batches"))


def test_the_hyperparameters_are_one_file_which_is_what_the_trainer_takes(by_epoch):
    assert [file.name for file in by_epoch.hyperparameters.iterdir()] == [
        "best_hyperparameters.txt"
    ]


def test_the_rate_that_was_found_is_the_hyperparameter(by_epoch):
    curve = by_epoch.curve
    assert curve["warning"] is None
    assert by_epoch.learning_rate == curve["learning_rate"]
    assert by_epoch.learning_rate == curve["minimum"] / learning_rate_finder.BELOW_MINIMUM
    assert 1e-4 <= by_epoch.learning_rate < 1


def test_the_rule_decides_which_rate_is_taken(find, by_epoch, tmp_path):
    found = find(tmp_path, form="epochs", points=14, highest=10.0, rule="steepest")
    assert found.curve["steepest"] == by_epoch.curve["steepest"] == found.learning_rate
    assert found.learning_rate != by_epoch.learning_rate


def test_the_curve_is_there_as_data_as_a_picture_and_for_tensorboard(by_epoch):
    assert {file.name for file in by_epoch.results.iterdir()} == {
        "curve.json",
        "learning_rate_finder.png",
        "tensorboard",
    }
    with Image.open(by_epoch.results / component.PLOT_FILE) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert picture.width > 400
    [file] = (by_epoch.results / component.TENSORBOARD_DIRECTORY).iterdir()
    events = list(tf.compat.v1.train.summary_iterator(str(file)))
    assert sum(len(event.summary.value) for event in events) == 3 * len(by_epoch.curve["rates"])


def test_the_form_of_epochs_has_a_point_an_epoch(by_epoch):
    rates = by_epoch.curve["rates"]
    assert rates == pytest.approx(np.geomspace(1e-4, 10, 14)[: len(rates)].tolist())
    assert len(rates) > 5
    # Ten steps a point: the loss falls far while the rate is still low.
    assert min(by_epoch.curve["losses"]) < 1.0


def test_the_form_of_batches_takes_no_more_than_an_epoch(by_batch):
    rates = by_batch.curve["rates"]
    assert rates == pytest.approx(np.geomspace(1e-4, 1, STEPS)[: len(rates)].tolist())


def test_the_form_of_batches_takes_fewer_points_where_they_are_asked_for(find, tmp_path):
    rates = find(tmp_path, points=4, lowest=1e-4, highest=1e-3).curve["rates"]
    assert rates == pytest.approx(np.geomspace(1e-4, 1e-3, 4).tolist())


def test_the_same_seed_finds_the_same_rate_from_the_same_curve(find, by_batch, tmp_path):
    again = find(tmp_path)
    assert again.curve == by_batch.curve
    assert again.learning_rate == by_batch.learning_rate


@pytest.mark.parametrize("memory_mb", [1000, 0])
def test_the_curve_follows_from_the_examples_and_not_from_how_their_files_have_them(
    find, write_artifact, tmp_path, memory_mb
):
    curves = []
    for name, shards, seed in (("in order", 1, None), ("shuffled", 3, 1)):
        directory = tmp_path / name
        directory.mkdir()
        examples = write_artifact(directory, shards, seed)
        curves.append(find(directory, memory_mb=memory_mb, examples=[examples]).curve)
    assert curves[0] == curves[1]


def test_settings_of_keras_on_the_machine_change_no_curve(find, by_batch, tmp_path):
    keras.config.set_floatx("float64")
    try:
        assert find(tmp_path).curve == by_batch.curve
    finally:
        keras_settings.pin()


def test_another_seed_measures_another_curve(find, by_batch, tmp_path):
    assert find(tmp_path, seed=6).curve["losses"] != by_batch.curve["losses"]


def test_a_split_that_does_not_fit_into_memory_is_streamed(find, by_batch, tmp_path):
    found = find(tmp_path, memory_mb=0)
    curve = found.curve
    assert not [one for one in found.results.iterdir() if one.name.startswith("tmp")]
    assert curve["rates"][0] == by_batch.curve["rates"][0]
    assert len(curve["losses"]) > 3


def test_a_flat_curve_leads_to_the_fallback_with_a_warning(find, caplog, tmp_path):
    found = find(tmp_path, lowest=1e-9, highest=1e-8)
    assert found.learning_rate == found.curve["learning_rate"] == FALLBACK
    assert "0.004 is used" in found.curve["warning"]
    warnings = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert any(found.curve["warning"] in one.getMessage() for one in warnings)
    assert (found.results / component.PLOT_FILE).exists()
