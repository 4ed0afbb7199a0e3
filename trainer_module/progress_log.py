"""Training progress as log records that a program can read."""

import logging
import time

import keras

LOGGER_NAME = "trainer_module.progress_log"
"""The logger; each record carries its figures as a dict in `record.progress`."""

_MIN_INTERVAL_S = 0.25

_logger = logging.getLogger(LOGGER_NAME)


class ProgressLogger(keras.callbacks.Callback):
    """Logs the figures of training a few times a second and after each epoch.

    A handler on the logger `LOGGER_NAME` gets, in `record.progress`: `kind`, which is
    `training`; `epoch` and `epochs` (from 1), `step` and `steps` in the epoch, `loss` and
    `accuracy`, and after an epoch `val_loss` and `val_accuracy` as well.
    """

    def __init__(self, steps_per_epoch: int) -> None:
        """Takes the number of optimizer steps in an epoch."""
        super().__init__()
        self._steps = steps_per_epoch
        self._epoch = 0
        self._last = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Notes the epoch."""
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Logs at debug level, unless the last record is very recent."""
        if time.monotonic() - self._last >= _MIN_INTERVAL_S:
            self._log(logging.DEBUG, batch + 1, logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Logs at info level."""
        self._log(logging.INFO, self._steps, logs or {})

    def _log(self, level: int, step: int, logs: dict[str, float]) -> None:
        self._last = time.monotonic()
        progress = {
            "kind": "training",
            "epoch": self._epoch,
            "epochs": self.params["epochs"],
            "step": step,
            "steps": self._steps,
            **{name: float(value) for name, value in logs.items()},
        }
        _logger.log(level, "training %s", progress, extra={"progress": progress})


def log_range_test(point: int, points: int, rate: float, loss: float) -> None:
    """Logs, at debug level, the point (from 1) of a range test that was just measured.

    `record.progress` holds `kind`, which is `range_test`, and the arguments by name.
    """
    progress = {
        "kind": "range_test",
        "point": point,
        "points": points,
        "rate": rate,
        "loss": loss,
    }
    _logger.debug("range test %s", progress, extra={"progress": progress})
