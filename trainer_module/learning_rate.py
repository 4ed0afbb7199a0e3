"""Learning-rate schedules, given in epochs and turned into optimizer steps."""

import keras
from keras.optimizers import schedules


def build_schedule(
    *,
    schedule: str,
    peak: float,
    epochs: int,
    steps_per_epoch: int,
    warmup_epochs: float,
    decay_rate: float,
    step_epochs: int,
    final_fraction: float,
) -> schedules.LearningRateSchedule:
    """Builds the schedule of the given name.

    Args:
        schedule: `constant`; `exponential`, which multiplies the rate by `decay_rate` over
            each epoch, smoothly; `step`, which multiplies it by `decay_rate` at once after
            every `step_epochs`; or `cosine`, a linear warm-up from zero followed by half a
            cosine (Loshchilov & Hutter 2017, arXiv:1608.03983, without restarts).
        peak: the highest rate.
        epochs: epochs of training, warm-up included.
        steps_per_epoch: optimizer steps in an epoch.
        warmup_epochs: epochs of linear warm-up, `cosine` only.
        decay_rate: factor of `exponential` and `step`.
        step_epochs: epochs between the drops of `step`.
        final_fraction: where `cosine` ends, as a fraction of `peak`.

    Returns:
        A Keras schedule over optimizer steps.

    Raises:
        ValueError: there is no schedule of that name.
    """
    if schedule == "constant":
        return schedules.PiecewiseConstantDecay([epochs * steps_per_epoch], [peak, peak])
    if schedule == "exponential":
        return schedules.ExponentialDecay(peak, steps_per_epoch, decay_rate)
    if schedule == "step":
        return schedules.ExponentialDecay(
            peak, step_epochs * steps_per_epoch, decay_rate, staircase=True
        )
    if schedule == "cosine":
        return _cosine(peak, epochs, steps_per_epoch, warmup_epochs, final_fraction)
    raise ValueError(f"no learning-rate schedule is called {schedule!r}")


def _cosine(
    peak: float, epochs: int, steps_per_epoch: int, warmup_epochs: float, final_fraction: float
) -> schedules.CosineDecay:
    total = epochs * steps_per_epoch
    # A short run keeps at least half of its steps for the descent.
    warmup = min(round(warmup_epochs * steps_per_epoch), total // 2)
    return schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else peak,
        decay_steps=total - warmup,
        alpha=final_fraction,
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )


class LearningRateLogger(keras.callbacks.Callback):
    """Adds `learning_rate`, the rate of an epoch's last step, to that epoch's logs.

    Keras does so for its own rate callbacks only. Put it before the callbacks that read
    the logs.
    """

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the current rate into `logs`."""
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
