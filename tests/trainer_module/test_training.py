import dataclasses
import logging
import math
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer_module import checkpoints, loading, model, progress_log, training

KEYS = {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}

EVERYTHING = {"batch_norm": True, "dropout": 0.3}
"""All of the network that is random or has a state."""

AUGMENTED = {"flip": True, "shift": 1, "erase": 0.5, "erase_size": 5}

WORSE_AND_WORSE = {"schedule": "exponential", "peak": 1e-3, "decay_rate": 100.0}
"""The first epoch is the best: later ones take steps far too long."""

STANDSTILL = {"schedule": "constant", "peak": 1e-30}
"""No step changes a weight: no epoch is better than the first."""


class KilledError(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def splits(raw_splits):
    """The train and the eval split, scaled by hand."""
    return {
        name: loading.MemorySplit(tf.constant(images[..., np.newaxis] / np.float32(255)), labels)
        for name, (images, labels) in raw_splits.items()
    }


@pytest.fixture(scope="module")
def train(splits, model_config, augmentation_config, training_config, learning_rate_config):
    """Takes a directory and what differs from the default; returns the network and `Trained`."""

    def train(
        directory,
        network=None,
        augmentation=None,
        rate=None,
        eval_split=None,
        built=None,
        most_steps_per_execution=1,
        **changes,
    ):
        settings = training.TrainingSettings(
            **{**training_config, **changes},
            augmentation={**augmentation_config, **(augmentation or {})},
            learning_rate={**learning_rate_config, **(rate or {})},
        )
        keras.utils.set_random_seed(settings.seed)
        built = built or model.build_model(**{**model_config, **(network or {})})
        trained = training.train(
            built,
            splits["train"],
            eval_split or splits["eval"],
            settings,
            checkpoint_directory=directory / "checkpoints",
            tensorboard_directory=directory / "tensorboard",
            most_steps_per_execution=most_steps_per_execution,
        )
        return built, trained

    return train


@pytest.fixture(scope="module")
def plain(train, tmp_path_factory):
    """A training with the defaults: the network and `Trained`."""
    return train(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def train_everything(train):
    """Trains with all that is random, smoothed and decayed switched on."""
    return partial(
        train,
        network=EVERYTHING,
        augmentation=AUGMENTED,
        weight_decay=0.01,
        label_smoothing=0.1,
    )


@pytest.fixture(scope="module")
def unbroken(train_everything, tmp_path_factory):
    return train_everything(tmp_path_factory.mktemp("unbroken"))


@pytest.fixture
def kill_after(monkeypatch):
    """Takes the number of an epoch: once its checkpoint is saved, training ends like a kill."""
    save = checkpoints.Checkpoints.on_epoch_end

    def kill_after(last):
        def on_epoch_end(self, epoch, logs=None):
            save(self, epoch, logs)
            if epoch + 1 == last:
                monkeypatch.setattr(checkpoints.Checkpoints, "on_epoch_end", save)
                raise KilledError

        monkeypatch.setattr(checkpoints.Checkpoints, "on_epoch_end", on_epoch_end)

    return kill_after


@pytest.fixture
def trained_epochs(caplog):
    """The epochs that were trained to their end, from 1, in a list that grows."""
    caplog.set_level(logging.INFO, progress_log.LOGGER_NAME)
    return lambda: [
        record.progress["epoch"] for record in caplog.records if hasattr(record, "progress")
    ]


def assert_same_weights(first, second):
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def have_same_weights(first, second):
    pairs = zip(first.get_weights(), second.get_weights(), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


def evaluate(network, split):
    return network.evaluate(split.batches(32), verbose=0, return_dict=True)["loss"]


def test_the_history_has_a_finite_value_an_epoch_under_each_of_its_five_keys(plain):
    history = plain[1].history
    assert set(history) == KEYS
    assert [len(values) for values in history.values()] == [plain[1].epochs] * 5
    assert plain[1].epochs == 3
    assert all(math.isfinite(value) for values in history.values() for value in values)


def test_training_lowers_the_loss_on_both_splits(plain):
    history = plain[1].history
    assert history["loss"][-1] < history["loss"][0]
    assert history["val_loss"][-1] < math.log(10), "Guessing has a loss of log(10)."
    assert history["val_accuracy"][-1] > 0.3


def test_the_schedule_sets_the_rate(plain):
    rates = plain[1].history["learning_rate"]
    # The warm-up takes the first epoch; the last step reaches a hundredth of the peak.
    assert rates[0] == pytest.approx(0.01)
    assert rates[-1] == pytest.approx(0.0001)


def test_the_same_seed_gives_the_same_weights(unbroken, train_everything, tmp_path):
    network, trained = train_everything(tmp_path)
    assert_same_weights(network, unbroken[0])
    assert trained == unbroken[1]


def test_another_seed_gives_other_weights(unbroken, train_everything, tmp_path):
    assert not have_same_weights(unbroken[0], train_everything(tmp_path, seed=6)[0])


def test_augmentation_reaches_the_training(plain, train, tmp_path):
    assert not have_same_weights(plain[0], train(tmp_path, augmentation={"shift": 1})[0])


def test_the_smoothed_loss_is_that_of_labels_spread_over_the_classes(train, splits, tmp_path):
    network, trained = train(tmp_path, label_smoothing=0.2, epochs=1)
    images, labels = splits["eval"].images, splits["eval"].labels
    logs = np.log(network(images).numpy())
    of_labels = logs[np.arange(len(labels)), labels]
    expected = -(0.8 * of_labels + 0.2 * logs.mean(axis=1)).mean()
    assert trained.history["val_loss"] == [pytest.approx(expected, rel=1e-4)]


def test_without_smoothing_the_loss_is_the_cross_entropy(train, splits, tmp_path):
    network, trained = train(tmp_path, epochs=1)
    images, labels = splits["eval"].images, splits["eval"].labels
    expected = -np.log(network(images).numpy())[np.arange(len(labels)), labels].mean()
    assert trained.history["val_loss"] == [pytest.approx(expected, rel=1e-4)]


def test_weight_decay_shrinks_the_kernels_and_nothing_else(model_config):
    network = model.build_model(**{**model_config, "batch_norm": True})
    training.compile_network(network, 0.1, weight_decay=0.5, label_smoothing=0.0)
    variables = network.trainable_variables
    for variable in variables:
        variable.assign(np.ones(variable.shape))
    network.optimizer.apply_gradients([(np.zeros(one.shape), one) for one in variables])
    names = {variable.name for variable in variables}
    assert names == {"kernel", "gamma", "beta", "bias"}
    for variable in variables:
        expected = 1 - 0.1 * 0.5 if variable.name == "kernel" else 1
        np.testing.assert_allclose(variable, expected, rtol=1e-6)


def test_weight_decay_reaches_the_training(train, plain, tmp_path):
    def size(network):
        return sum((one.numpy() ** 2).sum() for one in network.weights if one.name == "kernel")

    assert size(train(tmp_path, weight_decay=0.9)[0]) < 0.99 * size(plain[0])


def test_training_stops_when_patience_is_at_its_end(train, tmp_path):
    _, trained = train(tmp_path, rate=STANDSTILL, epochs=6, patience=2)
    assert (trained.epochs, trained.best_epoch) == (3, 1)


def test_without_patience_training_never_stops_early(train, tmp_path):
    _, trained = train(tmp_path, rate=STANDSTILL, epochs=4)
    assert (trained.epochs, trained.best_epoch) == (4, 1)


def test_the_network_gets_the_weights_of_its_best_epoch(train, splits, tmp_path):
    network, trained = train(tmp_path, rate=WORSE_AND_WORSE)
    losses = trained.history["val_loss"]
    assert (trained.best_epoch, trained.exported_epoch) == (1, 1)
    assert losses[0] == min(losses) < losses[-1]
    assert evaluate(network, splits["eval"]) == pytest.approx(losses[0], rel=1e-5)


def test_the_network_keeps_the_last_weights_if_the_best_are_not_wanted(train, splits, tmp_path):
    network, trained = train(tmp_path, rate=WORSE_AND_WORSE, best_epoch_weights=False)
    losses = trained.history["val_loss"]
    assert (trained.best_epoch, trained.exported_epoch) == (1, 3)
    assert evaluate(network, splits["eval"]) == pytest.approx(losses[-1], rel=1e-5)


def test_a_loss_that_is_not_finite_ends_the_training_and_says_what_to_do(train, tmp_path):
    advice = (
        r"nan in epoch 1, by its step \d+, at a learning rate of 1e\+30: set learning_rate\.source"
    )
    with pytest.raises(training.DivergedError, match=advice):
        train(tmp_path, network=EVERYTHING, rate={"schedule": "constant", "peak": 1e30})


def test_a_loss_that_is_not_finite_on_the_eval_split_ends_it_too(train, splits, tmp_path):
    broken = dataclasses.replace(splits["eval"], pixels=splits["eval"].pixels * math.nan)
    # On a CPU, the pooling and the ReLU of TinyVGG make zero of what is not a number.
    linear = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    with pytest.raises(training.DivergedError, match="nan in epoch 1, on the eval split"):
        train(tmp_path, built=linear, eval_split=broken)


@pytest.mark.parametrize(("most", "taken"), [(50, 10), (10, 10), (9, 5), (3, 2)])
def test_steps_are_the_same_whatever_they_are_executed_in(plain, train, tmp_path, most, taken):
    network, trained = train(tmp_path, most_steps_per_execution=most)
    # An epoch has ten.
    assert network.steps_per_execution == taken
    assert_same_weights(network, plain[0])
    assert trained == plain[1]


@pytest.mark.parametrize("last", [1, 2])
def test_a_killed_training_goes_on_and_ends_as_if_unbroken(
    last, unbroken, train_everything, kill_after, trained_epochs, tmp_path
):
    kill_after(last)
    with pytest.raises(KilledError):
        train_everything(tmp_path)
    assert len(trained_epochs()) == last
    network, trained = train_everything(tmp_path)
    assert trained_epochs() == [1, 2, 3]
    assert trained == unbroken[1]
    assert_same_weights(network, unbroken[0])


def test_a_training_killed_within_an_epoch_repeats_that_epoch(
    unbroken, train_everything, monkeypatch, tmp_path
):
    def on_train_batch_end(self, batch, logs=None):
        if (self._epoch, batch) == (2, 4):
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(progress_log.ProgressLogger, "on_train_batch_end", on_train_batch_end)
        with pytest.raises(KilledError):
            train_everything(tmp_path)
    network, trained = train_everything(tmp_path)
    assert trained == unbroken[1]
    assert_same_weights(network, unbroken[0])


@pytest.mark.parametrize("best_epoch_weights", [True, False])
def test_a_training_that_was_killed_after_its_last_epoch_trains_no_more(
    best_epoch_weights, train, kill_after, trained_epochs, splits, tmp_path
):
    resumable = partial(
        train, tmp_path, rate=WORSE_AND_WORSE, best_epoch_weights=best_epoch_weights
    )
    kill_after(3)
    with pytest.raises(KilledError):
        resumable()
    network, trained = resumable()
    assert trained_epochs() == [1, 2, 3]
    expected = trained.history["val_loss"][0 if best_epoch_weights else 2]
    assert evaluate(network, splits["eval"]) == pytest.approx(expected, rel=1e-5)


def test_the_best_epoch_before_a_kill_still_wins(train, kill_after, splits, tmp_path):
    kill_after(2)
    with pytest.raises(KilledError):
        train(tmp_path, rate=WORSE_AND_WORSE)
    network, trained = train(tmp_path, rate=WORSE_AND_WORSE)
    assert (trained.epochs, trained.exported_epoch) == (3, 1)
    expected = trained.history["val_loss"][0]
    assert evaluate(network, splits["eval"]) == pytest.approx(expected, rel=1e-5)


def test_patience_counts_the_epochs_before_a_kill(train, kill_after, trained_epochs, tmp_path):
    resumable = partial(train, tmp_path, rate=STANDSTILL, epochs=6, patience=2)
    kill_after(2)
    with pytest.raises(KilledError):
        resumable()
    assert resumable()[1].epochs == 3
    assert resumable()[1].epochs == 3
    assert trained_epochs() == [1, 2, 3]
