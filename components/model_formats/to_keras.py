"""Keras' own format: layers to look at, to train on and to take apart.

Rebuilt by `trainer_module.model` from the names and shapes of the version's weights. A layer
that only calls the SavedModel (`keras.layers.TFSMLayer`) would have no weights, could not be
trained, and needs the SavedModel beside it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from components.model_formats.formats import INPUT
from components.model_formats.source import Source, SourceError
from trainer_module import features
from trainer_module.model import average_flips, build_like


def write(source: Source, file: Path) -> None:
    """Writes a model that loads with plain Keras, uncompiled: scaling, then the network.

    Raises:
        SourceError: `trainer_module.model` builds no such network.
    """
    network = build_like({name: value.shape for name, value in source.weights.items()})
    if network is None:
        raise SourceError("its network is none that trainer_module/model.py of this source builds")
    for weight in network.weights:
        weight.assign(source.weights[weight.path])
    network = _find_alike([network, average_flips(network)], source)
    size = features.IMAGE_SIZE
    model = keras.Sequential(
        [
            keras.Input([size, size], dtype="uint8", name=INPUT),
            keras.layers.Reshape([size, size, 1], name="channel"),
            keras.layers.Rescaling(source.scale, source.offset, name="scaling"),
            network,
        ],
        name=f"{network.name}_of_pixels",
    )
    model.save(file)


def _find_alike(networks: Sequence[keras.Model], source: Source) -> keras.Model:
    """Finds the one that answers as the version's own: by the weights alone nobody can tell."""
    noise = np.random.default_rng(0).random([1, features.IMAGE_SIZE, features.IMAGE_SIZE, 1])
    image = noise.astype(np.float32)
    wanted = source.network(image)
    return min(networks, key=lambda one: np.abs(one.predict_on_batch(image) - wanted).max())


def load(file: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Loads a model: from uint8 [N, 28, 28] to float32 [N, 10]."""
    return keras.models.load_model(file).predict_on_batch
