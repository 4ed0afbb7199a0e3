import json
import logging
import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tfx.v1.components import FnArgs

from trainer_module import model, progress, run_fn, warmup

EPOCHS = 3
KEYS = {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}


def train(splits, model_config, learning_rate_config, directory, seed=5):
    keras.utils.set_random_seed(seed)
    network = model.build_model(**model_config)
    history = run_fn.train(
        network,
        splits["train"],
        splits["eval"],
        epochs=EPOCHS,
        batch_size=32,
        seed=seed,
        learning_rate_config=learning_rate_config,
        run_directory=directory,
    )
    return network, history


@pytest.fixture(scope="module")
def run(
    split_files, data_accessor, transformed, model_config, learning_rate_config, tmp_path_factory
):
    """A whole `run_fn`: its arguments, and what it logged of its progress."""
    directory = tmp_path_factory.mktemp("trainer")
    (directory / "run").mkdir()
    arguments = FnArgs(
        train_files=split_files("train"),
        eval_files=split_files("eval"),
        transform_output=transformed[0],
        data_accessor=data_accessor,
        serving_model_dir=str(directory / "model" / "Format-Serving"),
        model_run_dir=str(directory / "run"),
        custom_config={
            "model": model_config,
            "training": {"epochs": EPOCHS, "batch_size": 32, "seed": 5},
            "learning_rate": learning_rate_config,
            "source": "0123456789abcdef",
        },
    )
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.progress)
    logger = logging.getLogger(progress.LOGGER_NAME)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        run_fn.run_fn(arguments)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    return arguments, records


@pytest.fixture(scope="module")
def history(run):
    return json.loads(Path(run[0].model_run_dir, run_fn.HISTORY_FILE).read_text())


def test_the_history_has_a_finite_value_an_epoch_under_each_of_its_five_keys(history):
    assert set(history) == KEYS
    assert {len(values) for values in history.values()} == {EPOCHS}
    assert all(math.isfinite(value) for values in history.values() for value in values)


def test_training_lowers_the_loss_on_both_splits(history):
    assert history["loss"][-1] < history["loss"][0]
    assert history["val_loss"][-1] < math.log(10), "Guessing has a loss of log(10)."


def test_training_beats_guessing_on_the_eval_split(history):
    assert history["val_accuracy"][-1] > 0.3


def test_the_schedule_sets_the_rate(history):
    # The warm-up takes the first epoch; the last step reaches a hundredth of the peak.
    assert history["learning_rate"][0] == pytest.approx(0.01)
    assert history["learning_rate"][-1] == pytest.approx(0.0001)


def test_tensorboard_gets_the_figures_of_both_splits(run):
    directory = Path(run[0].model_run_dir, run_fn.TENSORBOARD_DIRECTORY)
    for split in ("train", "validation"):
        [file] = (directory / split).glob("events.out.tfevents.*")
        tags = {
            value.tag
            for event in tf.compat.v1.train.summary_iterator(str(file))
            for value in event.summary.value
        }
        assert {"epoch_loss", "epoch_accuracy"} <= tags


def test_progress_is_logged_at_the_end_of_each_epoch_with_the_documented_keys(run):
    ends = [record for record in run[1] if "val_loss" in record]
    assert [(record["epoch"], record["epochs"]) for record in ends] == [(1, 3), (2, 3), (3, 3)]
    assert [(record["step"], record["steps"]) for record in ends] == [(10, 10)] * 3
    for record in ends:
        assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(record)


def test_progress_is_logged_within_an_epoch(run):
    first = run[1][0]
    assert first["epoch"] == 1
    assert 1 <= first["step"] <= first["steps"] == 10
    assert {"loss", "accuracy"} <= set(first)
    assert "val_loss" not in first


def test_the_exported_model_has_warm_up_requests(run):
    assert Path(run[0].serving_model_dir, warmup.WARMUP_FILE).stat().st_size > 0


def test_the_exported_model_is_the_trained_one(run, history, raw_splits):
    images, labels = raw_splits["eval"]
    model_ = tf.saved_model.load(run[0].serving_model_dir)
    served = model_.signatures["predict_images"](images=tf.constant(images))
    accuracy = float(np.mean(served["label"].numpy() == labels))
    assert accuracy == pytest.approx(history["val_accuracy"][-1], abs=1e-6)


def test_the_same_seed_gives_the_same_weights(splits, model_config, learning_rate_config, tmp_path):
    config = {**model_config, "dropout": 0.2}
    results = [
        train(splits, config, learning_rate_config, tmp_path / name) for name in ("first", "second")
    ]
    (first, first_history), (second, second_history) = results
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert first_history == second_history


def test_another_seed_gives_other_weights(splits, model_config, learning_rate_config, tmp_path):
    first, second = (
        train(splits, model_config, learning_rate_config, tmp_path / str(seed), seed)[0]
        for seed in (5, 6)
    )
    assert not np.array_equal(first.get_weights()[-2], second.get_weights()[-2])


def test_training_takes_the_network_it_is_given(
    splits, model_config, learning_rate_config, tmp_path
):
    config = {**model_config, "convolutions": 4, "padding": "same", "dropout": 0.2}
    network, history = train(splits, config, learning_rate_config, tmp_path)
    assert network.count_params() == model.build_model(**config).count_params()
    assert set(history) == KEYS
