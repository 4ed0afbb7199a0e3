"""Trains the default network by Keras, on arrays."""

import math
import time

import keras

from benchmarks.compare import network
from benchmarks.compare.loops import common


class _Clock(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.seconds.append(time.perf_counter() - self._start)


def main() -> None:
    """Trains, measures on `test`, and prints what it took."""
    asked = common.parse(__doc__)
    keras.utils.set_random_seed(asked.seed)
    arrays = common.read(asked.data_dir, asked.max_examples)
    model = network.build()
    steps = math.ceil(len(arrays.train[0]) / asked.batch_size)
    network.compile_for(model, steps, asked.epochs)
    clock = _Clock()
    model.fit(
        *arrays.train,
        batch_size=asked.batch_size,
        epochs=asked.epochs,
        validation_data=arrays.eval,
        callbacks=[clock],
        verbose=0,
    )
    loss, accuracy = model.evaluate(*arrays.test, verbose=0)
    common.tell(clock.seconds, accuracy, loss)


if __name__ == "__main__":
    main()
