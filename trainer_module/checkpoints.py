"""What a training keeps after each epoch: its state, to resume from, and the best weights."""

import json
import logging
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

History = dict[str, list[float]]
"""Under each metric's name, a value an epoch."""

_logger = logging.getLogger(__name__)


class Checkpoints(keras.callbacks.Callback):
    """Keeps the last epoch and the best one on disk, and stops when none gets better.

    TensorFlow writes a checkpoint aside and then points to it, so that a kill at any moment
    leaves a whole one. All that the callback goes by is in the history, which is part of
    the checkpoint: a resumed training stops, and picks, as an unbroken one would.

    Example:
        checkpoints = Checkpoints(directory, network, patience=None)
        network.fit(…, initial_epoch=checkpoints.resume(), callbacks=[checkpoints])
        checkpoints.restore_best()
    """

    def __init__(self, directory: Path, network: keras.Model, patience: int | None) -> None:
        """Prepares for one training.

        Args:
            directory: of this training alone; made if need be.
            network: compiled.
            patience: epochs without a better loss on `eval` after which training stops;
                None never stops.
        """
        super().__init__()
        self._patience = patience
        # A checkpoint is read into variables that exist.
        network.optimizer.build(network.trainable_variables)
        self._history = tf.Variable(json.dumps({}), dtype=tf.string)
        # TensorFlow does not find them by itself, and they move with every step.
        seeds = [
            layer.seed_generator.state.value
            for layer in network.layers
            if hasattr(layer, "seed_generator")
        ]
        self._best, self._last = (
            tf.train.CheckpointManager(checkpoint, str(directory / name), max_to_keep=1)
            for name, checkpoint in {
                "best": tf.train.Checkpoint(model=network),
                "last": tf.train.Checkpoint(
                    model=network,
                    optimizer=network.optimizer,
                    history=self._history,
                    seeds=seeds,
                ),
            }.items()
        )

    @property
    def history(self) -> History:
        """The figures of every epoch so far, those before a resumption included."""
        return json.loads(self._history.numpy())

    @property
    def best_epoch(self) -> int:
        """The epoch, from 1, with the lowest loss on `eval`."""
        return int(np.argmin(self.history["val_loss"])) + 1

    @property
    def out_of_patience(self) -> bool:
        """Whether too many epochs have passed since the best."""
        history = self.history
        if self._patience is None or not history:
            return False
        return len(history["loss"]) - self.best_epoch >= self._patience

    def resume(self) -> int:
        """Takes up the state of a training that was broken off.

        Returns:
            The number of epochs that were done; 0 where there was none to resume.
        """
        if not self._last.restore_or_initialize():
            return 0
        done = len(self.history["loss"])
        _logger.info("resuming after epoch %d", done)
        return done

    def restore_best(self) -> None:
        """Gives the network the weights of its best epoch."""
        self._best.checkpoint.restore(self._best.latest_checkpoint).expect_partial()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Saves, and stops if patience is at its end."""
        history = self.history
        for name, value in (logs or {}).items():
            history.setdefault(name, []).append(float(value))
        self._history.assign(json.dumps(history))
        if self.best_epoch == epoch + 1:
            self._best.save(epoch + 1)
        self._last.save(epoch + 1)
        if self.out_of_patience:
            self.model.stop_training = True
