import math

import numpy as np
import pytest

from trainer_module.loss_range import loss_range

FALLING = np.linspace(2.3, 0.5, 40).tolist()


def test_an_explosion_does_not_flatten_the_rest():
    low, high = loss_range([*FALLING[:-1], 1e29])
    assert -1 < low < 0.5
    assert 2.3 < high < 5


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_what_is_no_finite_number_is_left_out(missing):
    assert loss_range([*FALLING, missing]) == loss_range(FALLING)


@pytest.mark.parametrize("losses", [[], [math.nan], [1.0], [1.0, 1.0]])
def test_there_is_always_a_range(losses):
    low, high = loss_range(losses)
    assert low < high
