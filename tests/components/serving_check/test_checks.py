"""The clock of the probe, which runs in a process of its own with all the rest."""

import pytest

from components.serving_check.probe import checks


@pytest.fixture
def clock(monkeypatch):
    """Time that passes by calls and pauses alone, and what those came to in seconds."""
    return Clock(monkeypatch)


class Clock:
    def __init__(self, monkeypatch):
        self.now, self.pauses = 0.0, 0
        monkeypatch.setattr(checks.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(checks.time, "sleep", self._sleep)

    def _sleep(self, seconds):
        self.pauses += 1

    def calls(self, *rounds):
        """A call that takes the seconds of each of these rounds in turn, and no more calls."""
        left = iter([seconds for one in rounds for seconds in one])

        def call():
            self.now += next(left)

        return call


CALM = [0.002] * 99 + [0.009]
BUSY = [0.002] * 50 + [0.3] * 50


def test_one_round_that_is_fast_enough_is_all(clock):
    assert checks.measure_latency(clock.calls(CALM), 100, 0.1) == pytest.approx((0.002, 0.002))
    assert clock.pauses == 0


@pytest.mark.parametrize("busy", [1, 3])
def test_busy_machine_is_given_time_to_calm_down(clock, busy):
    call = clock.calls(*[BUSY] * busy, CALM)
    assert checks.measure_latency(call, 100, 0.1)[1] == pytest.approx(0.002)
    assert clock.pauses == busy


def test_what_is_too_slow_in_each_round_is_told_by_its_best(clock):
    worse = [0.002] * 50 + [0.5] * 50
    call = clock.calls(worse, BUSY, worse, worse)
    assert checks.measure_latency(call, 100, 0.1)[1] == pytest.approx(0.3)


def test_model_whose_every_call_is_too_slow_is_not_measured_again(clock):
    assert checks.measure_latency(clock.calls([0.2] * 100), 100, 0.1)[1] == pytest.approx(0.2)
    assert clock.pauses == 0
