"""The default network, written out in stock layers of Keras."""

import keras

from benchmarks.compare import recipe
from trainer_module import features

_SIZE = features.IMAGE_SIZE


def build() -> keras.Sequential:
    """Returns an untrained network from float32 [N, 28, 28, 1] to float32 [N, 10] probabilities."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((_SIZE, _SIZE, 1)),
            layers.Conv2D(14, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Conv2D(14, 3, padding="same", use_bias=False),
            layers.MaxPooling2D(2),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Conv2D(16, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Conv2D(16, 3, padding="same", use_bias=False),
            layers.MaxPooling2D(2),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(features.NUM_CLASSES, activation="softmax"),
        ]
    )


def compile_for(network: keras.Model, steps_per_epoch: int, epochs: int) -> None:
    """Compiles with Adam, whose rate rises for an epoch and falls by a cosine.

    Args:
        network: uncompiled.
        steps_per_epoch: optimizer steps in an epoch.
        epochs: how many are to be trained.
    """
    rise, fall = recipe.lengths(steps_per_epoch, epochs)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, fall, recipe.FINAL_FRACTION, warmup_target=recipe.RATE, warmup_steps=rise
    )
    network.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
