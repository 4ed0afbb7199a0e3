"""On what a network is trained: the processor or, where TensorFlow sees any, the GPUs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import tensorflow as tf

from trainer_module import processor_layers

_SINGLE, _MIXED = "float32", "mixed_bfloat16"

# Ampere: the first whose tensor cores take bfloat16, which needs no scaling of the loss.
_LEAST_FOR_BFLOAT16 = (8, 0)

_FEWEST_REPLICAS = 2

_PROCESSOR_FLAG = "amx_bf16"
"""What Linux calls the matrix unit of processors that multiply bfloat16 much faster."""

_PROCESSOR = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Devices:
    """What a network is trained on, and how.

    Attributes:
        gpus: TensorFlow's names of logical devices, such as `GPU:0`; none for the processor.
        precision: Keras' dtype policy; on the processor `mixed_bfloat16` stands for convolutions
            in training alone. Weights are float32 under each.
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

    @property
    def most_steps_per_execution(self) -> int:
        """Steps that may be taken without coming back to Python, which takes time each time.

        So few that progress is seen, and an interrupt is heard, within seconds. TensorFlow can't
        take several at once on replicas.
        """
        return 50 if len(self.gpus) < _FEWEST_REPLICAS else 1

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Within it, networks are built, compiled and fitted for these devices."""
        before = keras.config.dtype_policy()
        # What is not a convolution is slow in bfloat16 on a processor: see `prepare`.
        keras.config.set_dtype_policy(self.precision if self.gpus else _SINGLE)
        try:
            with self._strategy.scope():
                yield
        finally:
            keras.config.set_dtype_policy(before)

    def prepare(self, network: keras.Sequential) -> keras.Sequential:
        """Returns the network as it is trained fastest here, with the same weights in order.

        Args:
            network: of stock layers, built within the scope.
        """
        if self.gpus:
            return network
        return processor_layers.exchange_layers(network, precision=self.precision)

    @cached_property
    def _strategy(self) -> tf.distribute.Strategy:
        if len(self.gpus) >= _FEWEST_REPLICAS:
            return tf.distribute.MirroredStrategy(self.gpus)
        # TensorFlow puts work onto a single GPU by itself.
        return tf.distribute.get_strategy()

    def __str__(self) -> str:
        """As a person is told of it, such as `2 GPUs in mixed_bfloat16`."""
        count = "1 GPU" if len(self.gpus) == 1 else f"{len(self.gpus)} GPUs"
        return f"{count if self.gpus else 'CPU'} in {self.precision}"


def find_devices(precision: str) -> Devices:
    """Finds all GPUs that TensorFlow sees, which `CUDA_VISIBLE_DEVICES` limits.

    Args:
        precision: `auto`, for bfloat16 where the devices are fast in it; or `float32`.
    """
    gpus = tf.config.list_physical_devices("GPU")
    names = tuple(gpu.name.removeprefix("/physical_device:") for gpu in gpus)
    mixed = precision == "auto" and all(map(_is_fast_in_bfloat16, gpus or [None]))
    return Devices(names, _MIXED if mixed else _SINGLE)


def _is_fast_in_bfloat16(gpu: tf.config.PhysicalDevice | None) -> bool:
    """Whether a GPU is, or the processor, which None stands for."""
    if gpu is not None:
        return _capability(gpu) >= _LEAST_FOR_BFLOAT16
    return _PROCESSOR.exists() and _PROCESSOR_FLAG in _PROCESSOR.read_text().split()


def _capability(gpu: tf.config.PhysicalDevice) -> tuple[int, int]:
    """CUDA's compute capability; (0, 0) where the GPU is not one of CUDA's."""
    details = tf.config.experimental.get_device_details(gpu)
    return details.get("compute_capability", (0, 0))
