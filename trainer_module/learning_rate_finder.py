"""Finding the learning rate: a range test (Smith 2015, arXiv:1506.01186) and its reading.

The rate rises exponentially from step to step, and the loss tells which rates the network
learns at: it is flat while the rate is too low, falls, and explodes when it is too high.
"""

import json
import logging
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from trainer_module import progress_log

FALLBACK = 4e-3
"""The rate to take where a curve tells nothing: what suits the default network."""

EXPLOSION = 4.0
"""The test ends when the smoothed loss is so many times its lowest."""

MIN_FALL = 0.1
"""A curve whose smoothed loss falls by less than this fraction is called flat."""

VALLEY = 0.1
"""How much of the whole fall the smoothed loss may lie above its lowest in the valley."""

BELOW_MINIMUM = math.sqrt(10)
"""How many times lower than the minimum the rule of that name picks."""

_STEPS_AT_ONCE = 20
"""So few that progress is seen, and an interrupt is heard, within seconds."""

_FEWEST_POINTS = 3

_SLOPE_SPAN = 0.1
"""The slope at a point is taken over this fraction of the points, against the noise."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Curve:
    """What a range test measured, a value a point in each list.

    Attributes:
        rates: the learning rates, rising.
        losses: the mean training loss at each rate, in nats.
        smoothed: the same, smoothed.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]


@dataclass(frozen=True)
class Finding:
    """What a curve tells.

    Attributes:
        learning_rate: the rate to train with.
        steepest: where the smoothed loss falls fastest; None if that can't be told.
        minimum: the middle of the valley in which the smoothed loss is lowest, on the
            logarithmic scale; None if that can't be told.
        warning: why `learning_rate` is the fallback and not what the curve says; None if
            it is not.
    """

    learning_rate: float
    steepest: float | None
    minimum: float | None
    warning: str | None


def range_test(
    network: keras.Model,
    batches: tf.data.Dataset,
    *,
    lowest: float,
    highest: float,
    points: int,
    steps_per_point: int,
    smoothing: float,
) -> Curve:
    """Trains while the learning rate rises exponentially, and records the loss.

    Args:
        network: a compiled model; it is trained in place, and of no use afterwards.
        batches: at least `points * steps_per_point` batches of the train split.
        lowest: the first rate.
        highest: the last rate, unless the loss explodes before.
        points: rates to try.
        steps_per_point: optimizer steps at each rate: 1 in Smith's form, an epoch's in the
            form of the course exercises, where a callback raises the rate by the epoch.
        smoothing: weight of the past in the exponential moving average of the losses; its
            bias towards zero at the start is corrected (Kingma & Ba 2014, arXiv:1412.6980).

    Returns:
        The curve, up to and with the point where the loss exploded or was not finite.
    """
    rates = np.geomspace(lowest, highest, points).tolist()
    curve = Curve([], [], [])
    average = 0.0
    for point, (rate, loss) in enumerate(
        zip(rates, _losses(network, batches, rates, steps_per_point), strict=False), start=1
    ):
        average = smoothing * average + (1 - smoothing) * loss
        smoothed = average / (1 - smoothing**point)
        curve.rates.append(rate)
        curve.losses.append(loss)
        curve.smoothed.append(smoothed)
        progress_log.log_range_test(point, points, rate, loss)
        if not math.isfinite(loss) or smoothed > EXPLOSION * min(curve.smoothed):
            break
    return curve


def _losses(
    network: keras.Model, batches: tf.data.Dataset, rates: list[float], steps_per_point: int
) -> Iterator[float]:
    """Trains at each rate in turn; yields the mean loss at each."""
    by_step = np.repeat(rates, steps_per_point)
    losses: list[float] = []
    for some in _train(network, batches, by_step):
        losses += some
        while len(losses) >= steps_per_point:
            yield float(np.mean(losses[:steps_per_point]))
            del losses[:steps_per_point]


def _train(
    network: keras.Model, batches: tf.data.Dataset, rates: np.ndarray
) -> Iterator[list[float]]:
    """Makes a step at each rate; yields the losses of some steps at a time."""
    iterator = iter(batches)

    # Not Model.train_on_batch, whose loss is the mean since the first step.
    def step(rate: tf.Tensor) -> tf.Tensor:
        network.optimizer.learning_rate = rate
        images, labels = next(iterator)
        with tf.GradientTape() as tape:
            loss = network.compute_loss(
                images, labels, network(images, training=True), training=True
            )
        gradients = tape.gradient(loss, network.trainable_variables)
        network.optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return loss

    # Coming back to Python after each step takes time each time.
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)], autograph=False)
    def train(rates: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(step, rates, parallel_iterations=1)

    network.optimizer.build(network.trainable_variables)
    for start in range(0, len(rates), _STEPS_AT_ONCE):
        yield train(rates[start : start + _STEPS_AT_ONCE].astype(np.float32)).numpy().tolist()


def read_curve(curve: Curve, *, rule: str) -> Finding:
    """Picks the learning rate from a curve.

    `minimum` takes the rate half an order of magnitude below that at which the smoothed loss
    is lowest. Where it stays low over a range of rates, as with batch normalization, noise
    decides which of them is lowest: the middle of that valley is taken. A whole order lower,
    as is often advised, trained worse with a rate that warms up and decays. `steepest` takes
    the rate at which the smoothed loss falls fastest over the logarithm of the rate. It is
    many times lower: it suits a constant rate.

    Args:
        curve: of a range test.
        rule: `steepest` or `minimum`.

    Returns:
        The pick; with a warning, `FALLBACK`, if the loss is not finite from the start, is
        flat, never falls, or still falls at the highest rate.

    Raises:
        ValueError: there is no rule of that name.
    """
    if rule not in ("steepest", "minimum"):
        raise ValueError(f"no rule is called {rule!r}")
    finite = np.isfinite(curve.losses)
    rates, smoothed = np.array(curve.rates)[finite], np.array(curve.smoothed)[finite]
    if problem := _find_problem(smoothed, exploded=not finite.all()):
        return _fall_back(problem)
    lowest = int(np.argmin(smoothed))
    steepest = float(rates[_steepest(smoothed[: lowest + 1], np.log(rates))])
    minimum = _middle_of_valley(rates, smoothed)
    pick = steepest if rule == "steepest" else minimum / BELOW_MINIMUM
    return Finding(pick, steepest, minimum, None)


def _find_problem(smoothed: np.ndarray, *, exploded: bool) -> str | None:
    """Says why the finite part of a curve tells no rate, and what to do about it."""
    if len(smoothed) < _FEWEST_POINTS:
        if exploded:
            return "the loss is not finite from the start: lower learning_rate_finder.lowest"
        return "an epoch has too few batches to try rates on: lower training.batch_size"
    lowest = int(np.argmin(smoothed))
    if lowest == 0:
        return "the loss only rises with the rate: lower learning_rate_finder.lowest"
    # Against the highest loss before the minimum: a moving average starts on one batch.
    if smoothed[lowest] > (1 - MIN_FALL) * smoothed[: lowest + 1].max():
        return "the loss is flat: raise learning_rate_finder.highest, or look at the data"
    if lowest == len(smoothed) - 1 and not exploded:
        return "the loss still falls at the highest rate: raise learning_rate_finder.highest"
    return None


def _steepest(falling: np.ndarray, log_rates: np.ndarray) -> int:
    """Index of the steepest descent."""
    half = max(1, round(_SLOPE_SPAN * len(falling) / 2))
    span = min(2 * half, len(falling) - 1)
    ends, starts = np.arange(span, len(falling)), np.arange(len(falling) - span)
    slopes = (falling[ends] - falling[starts]) / (log_rates[ends] - log_rates[starts])
    return int(np.argmin(slopes)) + span // 2


def _middle_of_valley(rates: np.ndarray, smoothed: np.ndarray) -> float:
    lowest = int(np.argmin(smoothed))
    edge = smoothed[lowest] + VALLEY * (smoothed[: lowest + 1].max() - smoothed[lowest])
    valley = rates[smoothed <= edge]
    return math.sqrt(valley[0] * valley[-1])


def _fall_back(problem: str) -> Finding:
    warning = (
        f"{problem}; {FALLBACK:g} is used, and another rate is set by learning_rate.source = "
        '"fixed" and learning_rate.peak'
    )
    _logger.warning("learning-rate finder: %s", warning)
    return Finding(FALLBACK, None, None, warning)


def write_tensorboard(curve: Curve, directory: Path) -> None:
    """Writes loss and rate of each point as scalars for TensorBoard."""
    with tf.summary.create_file_writer(str(directory)).as_default():
        points = zip(curve.rates, curve.losses, curve.smoothed, strict=True)
        for point, (rate, loss, smoothed) in enumerate(points):
            tf.summary.scalar("range_test/learning_rate", rate, step=point)
            tf.summary.scalar("range_test/loss", loss, step=point)
            tf.summary.scalar("range_test/smoothed_loss", smoothed, step=point)


def to_json(curve: Curve, finding: Finding) -> str:
    """Puts curve and finding into one JSON object: the fields of both, null for NaN."""
    lists = {
        name: [value if math.isfinite(value) else None for value in values]
        for name, values in asdict(curve).items()
    }
    return json.dumps({**asdict(finding), **lists}, allow_nan=False)
