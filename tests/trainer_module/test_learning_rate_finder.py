import json
import logging
import math
from dataclasses import asdict, astuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer_module import learning_rate_finder, loading, model, progress_log, training
from trainer_module.learning_rate_finder import Curve

FALLBACK = 0.004


def single_weight(loss, start=100.0):
    """A network of one weight w, trained by plain gradient descent; its output is w·x."""
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    network.compile(keras.optimizers.SGD(1.0), loss, jit_compile=False)
    network.set_weights([np.full((1, 1), start)])
    return network


def itself(_, output):
    return output


def square(_, output):
    return output**2


def batches(count, values=None):
    values = np.reshape(values or [1.0] * count, [-1, 1]).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices((values, np.zeros_like(values))).batch(1)


def run(network, given, points=None, **changes):
    default = {
        "lowest": 1e-3,
        "highest": 1.0,
        "points": points or len(given),
        "steps_per_point": 1,
        "smoothing": 0.9,
    }
    return learning_rate_finder.range_test(network, given, **{**default, **changes})


def approx(values):
    return pytest.approx(values, rel=1e-4)


def test_the_rates_are_geometric_from_the_lowest_to_the_highest():
    curve = run(single_weight(itself), batches(7))
    assert curve.rates == approx([10 ** (power / 2) for power in range(-6, 1)])


@pytest.mark.parametrize("count", [7, 50], ids=["in one execution", "in several"])
def test_each_step_is_made_at_the_rate_of_its_point(count):
    # The gradient of w is 1: the weight, and the loss, fall by the rate.
    curve = run(single_weight(itself), batches(count))
    fallen = np.cumsum([0, *curve.rates[:-1]])
    assert curve.losses == approx(100 - fallen)
    assert -np.diff(curve.losses) == pytest.approx(curve.rates[:-1], abs=2e-5)


def test_points_need_not_end_with_an_execution():
    curve = run(single_weight(itself), batches(51), points=17, steps_per_point=3)
    fallen = np.cumsum([0, *np.repeat(curve.rates, 3)[:-1]]).reshape(17, 3)
    assert curve.losses == approx(100 - fallen.mean(axis=1))


def test_a_point_is_the_mean_of_its_steps():
    curve = run(single_weight(itself), batches(6), points=3, steps_per_point=2, highest=0.1)
    low, middle, high = curve.rates
    at = [100 - low / 2, 100 - 2 * low - middle / 2, 100 - 2 * low - 2 * middle - high / 2]
    assert (low, middle, high) == approx((0.001, 0.01, 0.1))
    assert curve.losses == pytest.approx(at, abs=1e-4)


def test_smoothing_is_an_exponential_average_without_its_bias_towards_zero():
    values = [4.0, 2.0, 8.0]
    curve = run(
        single_weight(itself, 1.0),
        batches(3, values),
        lowest=1e-30,
        highest=1e-29,
        smoothing=0.75,
    )
    assert curve.losses == approx(values)
    second = (0.25 * 0.75 * 4 + 0.25 * 2) / (1 - 0.75**2)
    third = (0.25 * 0.75**2 * 4 + 0.25 * 0.75 * 2 + 0.25 * 8) / (1 - 0.75**3)
    assert curve.smoothed == approx([4, second, third])


def test_without_smoothing_the_losses_stay_as_they_are():
    curve = run(single_weight(square), batches(10), smoothing=0.0)
    assert curve.smoothed == curve.losses


def test_the_test_ends_once_the_loss_explodes():
    curve = run(single_weight(square), batches(40), highest=10.0, smoothing=0.5)
    limit = learning_rate_finder.EXPLOSION * np.minimum.accumulate(curve.smoothed)
    exploded = np.array(curve.smoothed) > limit
    assert len(curve.rates) < 40
    assert exploded.tolist() == [False] * (len(exploded) - 1) + [True]


def test_the_test_ends_at_a_loss_that_is_not_finite():
    curve = run(single_weight(itself), batches(8, [1.0, 1.0, 1.0, math.nan, *[1.0] * 4]))
    assert [len(values) for values in astuple(curve)] == [4, 4, 4]
    assert np.isfinite(curve.losses[:3]).all()
    assert math.isnan(curve.losses[3])


def test_each_point_is_logged(caplog):
    caplog.set_level(logging.DEBUG, progress_log.LOGGER_NAME)
    curve = run(single_weight(itself), batches(5))
    assert [record.progress for record in caplog.records if hasattr(record, "progress")] == [
        {"kind": "range_test", "point": point, "points": 5, "rate": rate, "loss": loss}
        for point, (rate, loss) in enumerate(zip(curve.rates, curve.losses, strict=True), start=1)
    ]


def test_the_same_seed_gives_the_same_curve_and_another_another(raw_splits, model_config):
    images, labels = raw_splits["train"]
    split = loading.MemorySplit(tf.constant(images[..., np.newaxis] / np.float32(255)), labels)

    def measure(seed):
        keras.utils.set_random_seed(seed)
        network = model.build_model(**{**model_config, "batch_norm": True, "dropout": 0.3})
        training.compile_network(network, 1e-4, weight_decay=0.01, label_smoothing=0.1)
        given = loading.training_batches(split, 32, seed=seed, epochs=1)
        return run(network, given, points=8, lowest=1e-4)

    first, second, third = map(measure, (1, 1, 2))
    assert first == second
    assert first.losses != third.losses


RATES = np.geomspace(1e-5, 1, 201)
DECADES = np.log10(RATES)


def to_curve(losses):
    return Curve(RATES[: len(losses)].tolist(), list(losses), list(losses))


def valley():
    """2.3 up to a rate of 1e-4, steepest at 1e-3, 0.5 at 1e-2, and the same way up again."""
    return 1.4 + 0.9 * np.where(DECADES < -4, 1, np.cos((DECADES + 4) * np.pi / 2))


def read(losses, rule="minimum"):
    return learning_rate_finder.read_curve(to_curve(losses), rule=rule)


@pytest.fixture
def assert_falls_back(caplog):
    """Takes a finding and parts of its warning: it is the fallback, and says so in the log."""

    def assert_falls_back(finding, *parts):
        assert finding.learning_rate == FALLBACK
        assert (finding.steepest, finding.minimum) == (None, None)
        assert all(
            part in finding.warning
            for part in (*parts, "0.004 is used", 'learning_rate.source = "fixed"')
        )
        [record] = [one for one in caplog.records if one.levelno == logging.WARNING]
        assert finding.warning in record.getMessage()

    return assert_falls_back


def near(rate, decades=0.06):
    return pytest.approx(rate, rel=10**decades - 1)


def test_minimum_takes_half_an_order_of_magnitude_below_the_lowest_loss():
    finding = read(valley())
    assert finding.minimum == near(1e-2)
    assert finding.learning_rate == near(10**-2.5)
    assert finding.warning is None


def test_steepest_takes_the_rate_at_which_the_loss_falls_fastest():
    finding = read(valley(), rule="steepest")
    assert finding.steepest == near(1e-3)
    assert finding.learning_rate == finding.steepest
    assert finding.warning is None


def test_both_readings_are_given_under_either_rule():
    first, second = read(valley()), read(valley(), rule="steepest")
    assert (first.steepest, first.minimum) == (second.steepest, second.minimum)


@pytest.mark.parametrize("place", [-2.9, -2.0, -1.1])
def test_noise_in_a_broad_valley_does_not_move_its_middle(place):
    losses = 2.3 - 1.8 * np.clip(DECADES + 4, 0, 1) + 1.8 * np.clip(DECADES + 1, 0, 1)
    losses += np.random.default_rng(0).uniform(-0.01, 0.01, len(losses))
    losses[np.argmin(np.abs(DECADES - place))] = 0.47
    # It falls to its lowest at 1e-3, and rises from 1e-1.
    assert read(losses).minimum == near(1e-2)


def test_noise_does_not_move_the_steepest_descent_far():
    losses = valley() + np.random.default_rng(0).uniform(-0.02, 0.02, len(RATES))
    assert read(losses).steepest == near(1e-3, 0.5)


def test_an_explosion_does_not_hide_the_valley():
    losses = valley()[DECADES < -1.5]
    finding = read([*losses, 1e6])
    assert finding.warning is None
    assert finding.steepest == near(1e-3)


def test_a_loss_that_is_not_finite_after_the_valley_leaves_a_pick():
    losses = valley()[DECADES < -1.5]
    assert read([*losses, math.nan]) == read(losses)


def test_a_loss_that_is_not_finite_while_it_falls_leaves_a_pick():
    finding = read([*valley()[DECADES < -2.5], math.nan])
    assert finding.warning is None
    assert 1e-4 < finding.steepest < finding.minimum < 10**-2.5


def test_a_minimum_at_the_second_point_leaves_a_pick():
    finding = learning_rate_finder.read_curve(
        Curve([0.1, 0.2, 0.4], [2.3, 1.5, 9.0], [2.3, 1.5, 9.0]), rule="steepest"
    )
    assert finding.warning is None
    assert 0.1 <= finding.learning_rate <= 0.2


def test_a_flat_loss_leads_to_the_fallback(assert_falls_back):
    losses = 2.3 + np.random.default_rng(0).uniform(-0.05, 0.05, len(RATES))
    assert_falls_back(read(losses), "flat", "learning_rate_finder.highest")


def test_a_loss_that_is_not_finite_from_the_start_leads_to_the_fallback(assert_falls_back):
    assert_falls_back(read([math.nan]), "not finite", "learning_rate_finder.lowest")


def test_a_loss_that_falls_to_the_end_leads_to_the_fallback(assert_falls_back):
    assert_falls_back(
        read(np.linspace(2.3, 0.5, 201)), "still falls", "learning_rate_finder.highest"
    )


def test_a_loss_that_only_rises_leads_to_the_fallback(assert_falls_back):
    assert_falls_back(read(np.linspace(2.3, 5, 201)), "only rises", "learning_rate_finder.lowest")


def test_an_epoch_of_two_batches_leads_to_the_fallback(assert_falls_back):
    assert_falls_back(read([2.3, 1.0]), "too few batches", "training.batch_size")


def test_a_pick_comes_without_a_warning_in_the_log(caplog):
    read(valley())
    assert not caplog.records


def test_an_unknown_rule_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="'lowest'"):
        read(valley(), rule="lowest")


def test_json_holds_all_of_the_curve_and_the_finding():
    curve, finding = to_curve(valley()), read(valley())
    parsed = json.loads(learning_rate_finder.to_json(curve, finding))
    assert parsed == {**asdict(curve), **asdict(finding)}


def test_json_has_null_for_a_loss_that_is_not_finite():
    curve = Curve([0.1, 0.2], [3.0, math.nan], [3.0, math.inf])
    parsed = json.loads(learning_rate_finder.to_json(curve, read(valley())))
    assert (parsed["losses"], parsed["smoothed"]) == ([3.0, None], [3.0, None])


def test_tensorboard_gets_rate_and_losses_of_each_point(tmp_path):
    curve = Curve([0.1, 0.2], [3.0, 2.0], [3.0, 2.5])
    learning_rate_finder.write_tensorboard(curve, tmp_path)
    tags = ("learning_rate", "loss", "smoothed_loss")
    [file] = tmp_path.glob("events.out.tfevents.*")
    written = {}
    for event in tf.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value:
            written[value.tag, event.step] = tf.make_ndarray(value.tensor).item()
    assert written == pytest.approx(
        {
            (f"range_test/{tag}", step): value
            for tag, values in zip(tags, astuple(curve), strict=True)
            for step, value in enumerate(values)
        }
    )
