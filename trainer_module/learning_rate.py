"""Learning-rate schedules, given in epochs and turned into optimizer steps."""

import keras
from keras.optimizers import schedules

LEARNING_RATE = "learning_rate"
"""The hyperparameter that the Trainer takes, where it is given any: the peak of the rate."""

_ONE_CYCLE_START = 0.04
_ONE_CYCLE_RISE = 0.3


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
            every `step_epochs`; `cosine`, a linear warm-up from zero followed by half a
            cosine (Loshchilov & Hutter 2017, arXiv:1608.03983, without restarts); or
            `one_cycle`, which rises in a straight line over the first 30 % of the steps,
            from a 25th of the peak, and falls by half a cosine (after Smith & Topin 2017,
            arXiv:1708.07120; momentum stays as it is).
        peak: the highest rate.
        epochs: epochs of training, warm-up included.
        steps_per_epoch: optimizer steps in an epoch.
        warmup_epochs: epochs of linear warm-up, `cosine` only.
        decay_rate: factor of `exponential` and `step`.
        step_epochs: epochs between the drops of `step`.
        final_fraction: where `cosine` and `one_cycle` end, as a fraction of `peak`.

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
    total = epochs * steps_per_epoch
    if schedule == "cosine":
        # A short run keeps at least half of its steps for the descent.
        warmup = min(round(warmup_epochs * steps_per_epoch), total // 2)
        return _rise_and_fall(0.0, peak, warmup, total, final_fraction)
    if schedule == "one_cycle":
        rise = round(_ONE_CYCLE_RISE * total)
        return _rise_and_fall(_ONE_CYCLE_START * peak, peak, rise, total, final_fraction)
    raise ValueError(f"no learning-rate schedule is called {schedule!r}")


def _rise_and_fall(
    start: float, peak: float, rise: int, total: int, final_fraction: float
) -> schedules.CosineDecay:
    return schedules.CosineDecay(
        initial_learning_rate=start if rise else peak,
        decay_steps=total - rise,
        alpha=final_fraction,
        warmup_target=peak if rise else None,
        warmup_steps=rise,
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
