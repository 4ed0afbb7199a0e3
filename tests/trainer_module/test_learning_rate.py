import keras
import numpy as np
import pytest

from trainer_module import learning_rate

STEPS = 50
PEAK = 0.004


def rates(epochs_at, **changes):
    """The rate after each of the given numbers of epochs, of ten."""
    default = {
        "schedule": "cosine",
        "peak": PEAK,
        "epochs": 10,
        "steps_per_epoch": STEPS,
        "warmup_epochs": 2.0,
        "decay_rate": 0.5,
        "step_epochs": 3,
        "final_fraction": 0.01,
    }
    schedule = learning_rate.build_schedule(**{**default, **changes})
    return [float(schedule(round(epoch * STEPS))) for epoch in epochs_at]


def approx(values):
    return pytest.approx(values, rel=1e-5, abs=1e-12)


def test_constant_stays_at_the_peak():
    assert rates([0, 0.5, 5, 10, 11], schedule="constant") == approx([PEAK] * 5)


def test_exponential_multiplies_by_the_factor_over_each_epoch():
    assert rates([0, 1, 2, 3], schedule="exponential") == approx(
        [PEAK, PEAK / 2, PEAK / 4, PEAK / 8]
    )


def test_exponential_falls_smoothly_within_an_epoch():
    assert rates([0.5], schedule="exponential") == approx([PEAK * 0.5**0.5])


def test_exponential_takes_the_given_factor():
    assert rates([1], schedule="exponential", decay_rate=0.9) == approx([PEAK * 0.9])


def test_step_drops_at_once_after_each_number_of_epochs():
    last = 1 / STEPS
    assert rates([0, 3 - last, 3, 6 - last, 6, 9], schedule="step") == approx(
        [PEAK, PEAK, PEAK / 2, PEAK / 2, PEAK / 4, PEAK / 8]
    )


def test_cosine_warms_up_from_zero_to_the_peak_in_a_straight_line():
    assert rates([0, 0.5, 1, 2]) == approx([0, PEAK / 4, PEAK / 2, PEAK])


def test_cosine_is_halfway_down_in_the_middle_of_the_descent():
    assert rates([6], final_fraction=0.0) == approx([PEAK / 2])


def test_cosine_ends_at_the_final_fraction():
    assert rates([10]) == approx([PEAK * 0.01])


def test_cosine_falls_all_the_way_from_the_peak():
    assert (np.diff(rates(np.arange(2, 10.1, 0.5))) < 0).all()


def test_cosine_without_warm_up_starts_at_the_peak():
    assert rates([0, 10], warmup_epochs=0.0) == approx([PEAK, PEAK * 0.01])


def test_cosine_keeps_half_of_a_short_run_for_the_descent():
    assert rates([0, 0.5, 1], epochs=1) == approx([0, PEAK, PEAK * 0.01])


@pytest.mark.parametrize("name", ["cosine", "one_cycle"])
def test_a_single_step_is_made_at_the_peak(name):
    schedule = learning_rate.build_schedule(
        schedule=name,
        peak=PEAK,
        epochs=1,
        steps_per_epoch=1,
        warmup_epochs=1.0,
        decay_rate=0.5,
        step_epochs=8,
        final_fraction=0.01,
    )
    assert float(schedule(0)) == pytest.approx(PEAK)


def test_one_cycle_starts_at_a_25th_of_the_peak():
    assert rates([0], schedule="one_cycle") == approx([PEAK / 25])


def test_one_cycle_rises_in_a_straight_line_to_the_peak_at_30_percent_of_the_steps():
    rising = rates([0, 0.6, 1.2, 1.8, 2.4, 3], schedule="one_cycle")
    assert rising == approx(np.linspace(PEAK / 25, PEAK, 6))


def test_one_cycle_falls_all_the_way_from_the_peak():
    assert (np.diff(rates(np.arange(3, 10.1, 0.5), schedule="one_cycle")) < 0).all()


def test_one_cycle_is_halfway_down_in_the_middle_of_the_descent():
    assert rates([6.5], schedule="one_cycle", final_fraction=0.0) == approx([PEAK / 2])


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.2])
def test_one_cycle_ends_at_the_final_fraction(fraction):
    assert rates([10], schedule="one_cycle", final_fraction=fraction) == approx([PEAK * fraction])


def test_one_cycle_takes_no_notice_of_the_warm_up():
    first, second = (rates([0, 1, 2, 5], schedule="one_cycle", warmup_epochs=w) for w in (0.0, 4.0))
    assert first == second


SCHEDULES = ["constant", "exponential", "step", "cosine", "one_cycle"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_no_schedule_exceeds_the_peak(schedule):
    assert max(rates(np.arange(0, 10, 0.1), schedule=schedule)) <= PEAK * (1 + 1e-6)


def test_an_unknown_schedule_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="'linear'"):
        rates([0], schedule="linear")


def test_logger_puts_the_rate_at_the_end_of_each_epoch_into_the_history():
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    schedule = learning_rate.build_schedule(
        schedule="exponential",
        peak=0.1,
        epochs=3,
        steps_per_epoch=4,
        warmup_epochs=0.0,
        decay_rate=0.5,
        step_epochs=1,
        final_fraction=0.0,
    )
    network.compile(keras.optimizers.SGD(schedule), "mse", jit_compile=False)
    history = network.fit(
        np.ones((8, 1)),
        np.ones((8, 1)),
        batch_size=2,
        epochs=3,
        verbose=0,
        callbacks=[learning_rate.LearningRateLogger()],
    )
    expected = [0.1 * 0.5 ** (step / 4) for step in (4, 8, 12)]
    assert history.history["learning_rate"] == pytest.approx(expected, rel=1e-5)
