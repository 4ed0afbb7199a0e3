import numpy as np

from benchmarks.compare import network, recipe
from pipeline.config import Config
from trainer_module import learning_rate, model


def test_the_stock_network_is_the_default_one():
    ours, theirs = model.build_model(**Config().model.model_dump()), network.build()
    theirs.set_weights(ours.get_weights())
    images = np.random.default_rng(0).random((4, 28, 28, 1), np.float32)
    np.testing.assert_allclose(theirs(images), ours(images), atol=1e-6)


def test_its_rate_is_that_of_the_pipeline_without_the_finder():
    defaults = Config().learning_rate.model_dump(exclude={"source"})
    ours = learning_rate.build_schedule(epochs=3, steps_per_epoch=10, **defaults)
    network.compile_for(theirs := network.build(), steps_per_epoch=10, epochs=3)
    schedule = theirs.optimizer._learning_rate
    for step in range(30):
        np.testing.assert_allclose(schedule(step), ours(step), rtol=1e-6)


def test_a_single_epoch_keeps_half_of_its_steps_for_the_descent():
    assert recipe.lengths(steps_per_epoch=10, epochs=1) == (5, 5)
    assert recipe.lengths(steps_per_epoch=10, epochs=25) == (10, 240)
