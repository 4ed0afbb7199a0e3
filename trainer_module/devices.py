"""On what a network is trained: the processor or, where TensorFlow sees any, the GPUs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import keras
import tensorflow as tf

_SINGLE, _MIXED = "float32", "mixed_bfloat16"

# Ampere: the first whose tensor cores take bfloat16, which needs no scaling of the loss.
_LEAST_FOR_BFLOAT16 = (8, 0)


@dataclass(frozen=True)
class Devices:
    """What a network is trained on, and how.

    Attributes:
        gpus: TensorFlow's names of logical devices, such as `GPU:0`; none for the processor.
        precision: Keras' dtype policy. Weights are float32 under each.
    """

    gpus: tuple[str, ...] = ()
    precision: str = _SINGLE

    @property
    def jit_compile(self) -> bool:
        """Whether steps are compiled by XLA.

        On a processor it makes an epoch of these small convolutions four times slower, and
        replicas that exchange gradients can't be compiled.
        """
        return len(self.gpus) == 1

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Within it, networks are built, compiled and fitted for these devices."""
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.precision)
        try:
            with self._strategy.scope():
                yield
        finally:
            keras.config.set_dtype_policy(before)

    @cached_property
    def _strategy(self) -> tf.distribute.Strategy:
        if len(self.gpus) > 1:
            return tf.distribute.MirroredStrategy(self.gpus)
        # TensorFlow puts work onto a single GPU by itself.
        return tf.distribute.get_strategy()

    def __str__(self) -> str:
        """As a person is told of it, such as `2 GPUs in mixed_bfloat16`."""
        if not self.gpus:
            return "CPU"
        count = "1 GPU" if len(self.gpus) == 1 else f"{len(self.gpus)} GPUs"
        return f"{count} in {self.precision}"


def find_devices() -> Devices:
    """Finds all GPUs that TensorFlow sees, which `CUDA_VISIBLE_DEVICES` limits."""
    gpus = tf.config.list_physical_devices("GPU")
    names = tuple(gpu.name.removeprefix("/physical_device:") for gpu in gpus)
    capabilities = [_capability(gpu) for gpu in gpus]
    mixed = bool(gpus) and min(capabilities) >= _LEAST_FOR_BFLOAT16
    return Devices(names, _MIXED if mixed else _SINGLE)


def _capability(gpu: tf.config.PhysicalDevice) -> tuple[int, int]:
    """CUDA's compute capability; (0, 0) where the GPU is not one of CUDA's."""
    details = tf.config.experimental.get_device_details(gpu)
    return details.get("compute_capability", (0, 0))
