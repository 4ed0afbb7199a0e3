"""Compiling and fitting the network."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from trainer_module import augmentation, learning_rate, loading, progress_log
from trainer_module.checkpoints import Checkpoints, History

_MEASURED_BATCH = 1000


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained.

    Attributes:
        epochs: passes over the train split.
        batch_size: examples in an optimizer step.
        seed: of the order of the examples and of the augmentation.
        weight_decay: see `compile_network`.
        label_smoothing: see `compile_network`.
        patience: epochs without a better loss on `eval` after which training stops; None
            trains all epochs.
        best_epoch_weights: leaves the network with the weights of the epoch with the lowest
            loss on `eval`, not with the last.
        augmentation: the arguments of `augment`, but for images and seed.
        learning_rate: the arguments of `build_schedule`, but for the lengths.
    """

    epochs: int
    batch_size: int
    seed: int
    weight_decay: float
    label_smoothing: float
    patience: int | None
    best_epoch_weights: bool
    augmentation: Mapping[str, Any]
    learning_rate: Mapping[str, Any]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "TrainingSettings":
        """Takes them out of the Trainer's configuration, by its groups."""
        groups = {name: config[name] for name in ("augmentation", "learning_rate")}
        return cls(**config["training"], **groups)


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Attributes:
        history: under `loss`, `accuracy`, `val_loss`, `val_accuracy` and `learning_rate`, a
            value an epoch.
        best_epoch: the epoch, from 1, with the lowest loss on `eval`.
        exported_epoch: the epoch, from 1, whose weights the network has.
    """

    history: History
    best_epoch: int
    exported_epoch: int

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return len(self.history["loss"])


class DivergedError(Exception):
    """The loss is no longer a finite number; the message says since when, and what to do."""


def compile_network(
    network: keras.Model,
    rate: float | keras.optimizers.schedules.LearningRateSchedule,
    *,
    weight_decay: float,
    label_smoothing: float,
    jit_compile: bool = False,
    steps_per_execution: int = 1,
) -> None:
    """Compiles with Adam, its weight decay decoupled (Loshchilov & Hutter 2017, 1711.05101).

    Args:
        network: uncompiled.
        rate: the learning rate.
        weight_decay: the fraction of each kernel that a step takes off, times the rate.
        label_smoothing: the share of a label's probability that is spread over all classes
            (Szegedy et al. 2015, arXiv:1512.00567). The losses reported include it.
        jit_compile: whether XLA compiles the steps, see `devices.Devices`.
        steps_per_execution: steps that `fit` takes without coming back to Python.
    """
    optimizer = keras.optimizers.AdamW(rate, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    network.compile(
        optimizer=optimizer,
        loss=_smoothed(label_smoothing)
        if label_smoothing
        else keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=jit_compile,
        steps_per_execution=steps_per_execution,
    )


def _smoothed(label_smoothing: float) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    # The sparse cross-entropy of Keras has no smoothing, and its labels are integers.
    def cross_entropy(labels: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
        # Keras has turned the labels into floats.
        indices = tf.cast(tf.reshape(labels, [-1]), tf.int64)
        targets = tf.one_hot(indices, probabilities.shape[-1])
        return keras.losses.categorical_crossentropy(
            targets, probabilities, label_smoothing=label_smoothing
        )

    return cross_entropy


def make_augment(config: Mapping[str, Any]) -> loading.Augment | None:
    """Binds the arguments of `augment`; None where it would change nothing."""
    if not (config["flip"] or config["shift"] or config["erase"]):
        return None
    return partial(augmentation.augment, **config)


def train(
    network: keras.Model,
    train_split: loading.Split,
    eval_split: loading.Split,
    settings: TrainingSettings,
    *,
    checkpoint_directory: Path,
    tensorboard_directory: Path,
    jit_compile: bool = False,
    most_steps_per_execution: int = 1,
) -> Trained:
    """Trains the network in place, from where an earlier call was broken off if one was.

    Args:
        network: an uncompiled model.
        train_split: what it learns from.
        eval_split: what it is validated on after each epoch.
        settings: how.
        checkpoint_directory: of this training alone: keeps its state after each epoch.
        tensorboard_directory: where TensorBoard's logs go.
        jit_compile: see `compile_network`.
        most_steps_per_execution: see `devices.Devices`; fewer are taken where an epoch is not a
            multiple of so many.

    Returns:
        The history and the best epoch.

    Raises:
        DivergedError: the loss is not finite.
    """
    steps = loading.steps_per_epoch(train_split, settings.batch_size)
    schedule = learning_rate.build_schedule(
        epochs=settings.epochs, steps_per_epoch=steps, **settings.learning_rate
    )
    compile_network(
        network,
        schedule,
        weight_decay=settings.weight_decay,
        label_smoothing=settings.label_smoothing,
        jit_compile=jit_compile,
        steps_per_execution=largest_divisor(steps, most_steps_per_execution),
    )
    checkpoints = Checkpoints(checkpoint_directory, network, settings.patience)
    done = checkpoints.resume()
    if done < settings.epochs and not checkpoints.out_of_patience:
        network.fit(
            loading.training_batches(
                train_split,
                settings.batch_size,
                seed=settings.seed,
                epochs=settings.epochs,
                first_epoch=done,
                augment=make_augment(settings.augmentation),
            ),
            steps_per_epoch=steps,
            validation_data=eval_split.batches(settings.batch_size),
            initial_epoch=done,
            epochs=settings.epochs,
            verbose=0,
            callbacks=[
                _DivergenceGuard(),
                learning_rate.LearningRateLogger(),
                keras.callbacks.TensorBoard(tensorboard_directory),
                progress_log.ProgressLogger(steps),
                checkpoints,
            ],
        )
    history, best = checkpoints.history, checkpoints.best_epoch
    if not settings.best_epoch_weights:
        return Trained(history, best, len(history["loss"]))
    checkpoints.restore_best()
    return Trained(history, best, best)


def measure(network: keras.Model, split: loading.Split) -> tuple[float, float]:
    """Measures a network on a split.

    Args:
        network: from float32 [N, 28, 28, 1] to float32 [N, 10] probabilities, uncompiled.
        split: what to measure it on.

    Returns:
        The mean cross-entropy, in nats and without smoothing, and the accuracy.
    """
    network.compile(
        loss="sparse_categorical_crossentropy",
        metrics=["sparse_categorical_accuracy"],
        jit_compile=False,
    )
    loss, accuracy = network.evaluate(split.batches(_MEASURED_BATCH), verbose=0)
    return loss, accuracy


def largest_divisor(steps: int, most: int) -> int:
    """Returns how many steps, of at most so many, to take at a time in an epoch of `steps`."""
    # An execution that is longer than what is left of an epoch would run into the next.
    return max(some for some in range(1, most + 1) if steps % some == 0)


class _DivergenceGuard(keras.callbacks.Callback):
    """Ends the training with an error once the loss is not finite."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if logs:
            self._check(logs["loss"], f"epoch {self._epoch}, by its step {batch + 1},")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if logs:
            self._check(logs["val_loss"], f"epoch {epoch + 1}, on the eval split,")

    def _check(self, loss: float, place: str) -> None:
        if not math.isfinite(loss):
            rate = float(self.model.optimizer.learning_rate)
            raise DivergedError(
                f"the loss became {loss:g} in {place} at a learning rate of {rate:.3g}: set "
                'learning_rate.source = "fixed" and a lower learning_rate.peak, or look at the '
                "data"
            )
