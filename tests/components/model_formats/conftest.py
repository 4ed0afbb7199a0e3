"""A TinyVGG that has learned a little of Fashion-MNIST, as a pushed version."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipeline.data import idx
from pipeline.data.kinds import OfficialFiles
from tests import served_model
from tests.conftest import require


@dataclass(frozen=True)
class Labelled:
    images: np.ndarray
    labels: np.ndarray


@pytest.fixture(scope="session")
def official(fashion_mnist) -> tuple[Labelled, Labelled]:
    """Real images uint8 [N, 28, 28] with their labels: some to train on, and others."""
    if not isinstance(fashion_mnist, OfficialFiles):
        require("the official files of Fashion-MNIST", f"there is {fashion_mnist.origin} instead")
    train, test = idx.read_official(fashion_mnist.directory)
    return Labelled(train.images[:6000], train.labels[:6000]), Labelled(
        test.images[:1000], test.labels[:1000]
    )


@pytest.fixture(scope="session")
def test_set(official) -> Labelled:
    return official[1]


@pytest.fixture(scope="session")
def network(official):
    import keras

    from trainer_module import model

    keras.utils.set_random_seed(1)
    network = model.build_model(
        filters=(8, 8), convolutions=4, padding="same", batch_norm=True, dropout=0.1
    )
    network.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    train = official[0]
    network.fit(train.images[..., np.newaxis] / 255, train.labels, 64, epochs=2, verbose=0)
    return network


@pytest.fixture(scope="session")
def version(official, network, tmp_path_factory) -> Path:
    """As the default exports it."""
    from trainer_module import model

    directory = tmp_path_factory.mktemp("model") / "1"
    served_model.export(directory, model.average_flips(network), official[0].images[:64])
    return directory


@pytest.fixture(scope="session")
def plain_version(official, network, tmp_path_factory) -> Path:
    """Without averaging over mirrored images."""
    directory = tmp_path_factory.mktemp("model") / "1"
    served_model.export(directory, network, official[0].images[:64])
    return directory
