import keras
import numpy as np
import pytest

from trainer_module.checkpoints import Checkpoints


def build(weight=0.0):
    """A network of one weight, which a test sets to tell the epochs apart."""
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    network.compile(keras.optimizers.Adam(0.1), "mse", jit_compile=False)
    network.set_weights([np.full((1, 1), weight)])
    return network


@pytest.fixture
def start(tmp_path):
    """Starts, or resumes, a training: returns the network and its checkpoints."""

    def start(patience=None):
        network = build()
        checkpoints = Checkpoints(tmp_path / "checkpoints", network, patience)
        checkpoints.set_model(network)
        return network, checkpoints

    return start


def weight_of(network):
    return network.get_weights()[0].item()


def run(network, checkpoints, losses, first=1):
    """Epochs with the given losses on `eval`; the weight becomes the epoch's number."""
    for epoch, loss in enumerate(losses, start=first):
        network.set_weights([np.full((1, 1), epoch)])
        checkpoints.on_epoch_end(epoch - 1, {"loss": loss + 1, "val_loss": loss})


def test_nothing_is_resumed_where_there_was_nothing(start):
    network, checkpoints = start()
    assert checkpoints.resume() == 0
    assert weight_of(network) == 0
    assert checkpoints.history == {}


def test_the_history_has_every_epoch(start):
    network, checkpoints = start()
    run(network, checkpoints, [3.0, 2.0])
    assert checkpoints.history == {"loss": [4.0, 3.0], "val_loss": [3.0, 2.0]}


def test_a_new_process_resumes_after_the_last_epoch(start):
    run(*start(), [3.0, 2.0, 5.0])
    network, checkpoints = start()
    assert checkpoints.resume() == 3
    assert weight_of(network) == 3
    assert checkpoints.history["val_loss"] == [3.0, 2.0, 5.0]


def test_the_state_of_the_optimizer_is_resumed(start):
    network, checkpoints = start()
    network.optimizer.apply_gradients([(np.ones((1, 1)), network.trainable_variables[0])])
    run(network, checkpoints, [3.0])
    resumed, checkpoints = start()
    checkpoints.resume()
    assert int(resumed.optimizer.iterations) == 1
    for one, other in zip(resumed.optimizer.variables, network.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_resumed_history_grows_on(start):
    run(*start(), [3.0])
    network, checkpoints = start()
    checkpoints.resume()
    run(network, checkpoints, [2.0], first=2)
    assert checkpoints.history["val_loss"] == [3.0, 2.0]
    assert start()[1].resume() == 2


def test_the_best_epoch_is_that_of_the_lowest_eval_loss(start):
    network, checkpoints = start()
    run(network, checkpoints, [3.0, 2.0, 5.0])
    assert checkpoints.best_epoch == 2
    checkpoints.restore_best()
    assert weight_of(network) == 2


def test_the_first_of_equally_good_epochs_is_the_best(start):
    network, checkpoints = start()
    run(network, checkpoints, [2.0, 2.0])
    checkpoints.restore_best()
    assert (checkpoints.best_epoch, weight_of(network)) == (1, 1)


def test_the_best_epoch_before_a_resumption_is_kept(start):
    run(*start(), [1.0, 2.0])
    network, checkpoints = start()
    checkpoints.resume()
    run(network, checkpoints, [3.0], first=3)
    checkpoints.restore_best()
    assert weight_of(network) == 1


def test_the_disk_holds_one_best_and_one_last_state(start, tmp_path):
    run(*start(), [4.0, 3.0, 2.0, 5.0])
    network, checkpoints = start()
    checkpoints.resume()
    run(network, checkpoints, [1.0], first=5)
    for name in ("best", "last"):
        assert len(list((tmp_path / "checkpoints" / name).glob("*.index"))) == 1


@pytest.mark.parametrize(
    ("losses", "out"),
    [([3.0], False), ([3.0, 4.0], False), ([3.0, 4.0, 3.0], True), ([3.0, 4.0, 2.0], False)],
)
def test_patience_ends_so_many_epochs_after_the_best(start, losses, out):
    network, checkpoints = start(patience=2)
    network.stop_training = False
    run(network, checkpoints, losses)
    assert checkpoints.out_of_patience is out
    assert network.stop_training is out


def test_patience_takes_up_the_epochs_before_a_resumption(start):
    run(*start(patience=2), [3.0, 4.0, 5.0])
    _, checkpoints = start(patience=2)
    assert checkpoints.out_of_patience is False
    checkpoints.resume()
    assert checkpoints.out_of_patience is True


def test_without_patience_it_never_ends(start):
    network, checkpoints = start()
    run(network, checkpoints, [1.0, *[2.0] * 9])
    assert checkpoints.out_of_patience is False
