import logging

import numpy as np
import pytest

from trainer_module import progress_log


@pytest.fixture
def records():
    """What the logger of the progress emits, at every level."""
    emitted = []
    handler = logging.Handler()
    handler.emit = emitted.append
    logger = logging.getLogger(progress_log.LOGGER_NAME)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield emitted
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def clock(monkeypatch):
    """Lets a test set the time."""
    now = [100.0]
    monkeypatch.setattr(progress_log.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def callback():
    callback = progress_log.ProgressLogger(steps_per_epoch=40)
    callback.set_params({"epochs": 3})
    callback.on_epoch_begin(0)
    return callback


def test_a_step_is_logged_with_its_figures_at_debug_level(records, clock, callback):
    callback.on_train_batch_end(9, {"loss": 2.0, "accuracy": 0.25})
    [record] = records
    assert record.levelno == logging.DEBUG
    assert record.progress == {
        "kind": "training",
        "epoch": 1,
        "epochs": 3,
        "step": 10,
        "steps": 40,
        "loss": 2.0,
        "accuracy": 0.25,
    }


def test_steps_in_quick_succession_are_logged_a_few_times_a_second(records, clock, callback):
    for batch in range(40):
        callback.on_train_batch_end(batch, {"loss": 1.0})
        clock[0] += 0.05
    assert 6 <= len(records) <= 10


def test_the_end_of_an_epoch_is_always_logged_at_info_level(records, clock, callback):
    callback.on_train_batch_end(39, {"loss": 2.0})
    callback.on_epoch_end(0, {"loss": 1.5, "val_loss": 1.25, "val_accuracy": 0.5})
    assert [record.levelno for record in records] == [logging.DEBUG, logging.INFO]
    assert records[1].progress == {
        "kind": "training",
        "epoch": 1,
        "epochs": 3,
        "step": 40,
        "steps": 40,
        "loss": 1.5,
        "val_loss": 1.25,
        "val_accuracy": 0.5,
    }


def test_epochs_count_from_1(records, clock, callback):
    callback.on_epoch_begin(2)
    callback.on_epoch_end(2, {"loss": 1.0})
    assert records[0].progress["epoch"] == 3


def test_figures_are_plain_floats_that_any_handler_can_write(records, clock, callback):
    callback.on_epoch_end(0, {"loss": np.float32(0.5)})
    assert type(records[0].progress["loss"]) is float


def test_steps_without_figures_are_logged_too(records, clock, callback):
    callback.on_train_batch_end(0)
    assert records[0].progress == {
        "kind": "training",
        "epoch": 1,
        "epochs": 3,
        "step": 1,
        "steps": 40,
    }


def test_a_point_of_a_range_test_is_logged_at_debug_level_with_its_figures(records):
    progress_log.log_range_test(7, 100, 0.002, 1.5)
    [record] = records
    assert record.levelno == logging.DEBUG
    assert record.progress == {
        "kind": "range_test",
        "point": 7,
        "points": 100,
        "rate": 0.002,
        "loss": 1.5,
    }
