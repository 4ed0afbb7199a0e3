"""What a machine with GPUs does, tried on one processor that is told to be two."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import keras
import pytest

from components import quiet
from trainer_module import devices
from trainer_module.devices import Devices, find_devices

TRAIN = """
import json, sys
import numpy as np
import tensorflow as tf

[processor] = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(processor, two)

from pathlib import Path
from pipeline import config
from trainer_module import model, training
from trainer_module.devices import Devices
from trainer_module.loading import MemorySplit

devices = Devices(tuple(sys.argv[2].split(",")), sys.argv[3])
settings = config.load_config(assignments=["training.epochs=2", "training.batch_size=32"])
dumped = settings.model_dump(mode="json")
layout = {**dumped["model"], "filters": [4, 4]}
groups = {name: dumped[name] for name in ("training", "augmentation", "learning_rate")}
elsewhere = ("training.flip_averaging", "training.memory_mb", "training.precision")
for name in (*elsewhere, "learning_rate.source"):
    group, _, key = name.partition(".")
    del groups[group][key]
rng = np.random.default_rng(0)
labels = rng.integers(0, 10, 128)
# Brighter by class.
images = (rng.random([128, 28, 28, 1]) * 0.1 + labels[:, None, None, None] / 10).astype(np.float32)
split = MemorySplit(tf.constant(images), tf.constant(labels))
with devices.scope():
    network = model.build_model(**layout)
    trained = training.train(
        network, split, split, training.TrainingSettings.of(groups),
        checkpoint_directory=Path(sys.argv[1], "checkpoints"),
        tensorboard_directory=Path(sys.argv[1], "tensorboard"),
        jit_compile=devices.jit_compile,
        most_steps_per_execution=devices.most_steps_per_execution,
    )
plain = model.build_model(**layout)
plain.set_weights(network.get_weights())
print(json.dumps({
    "history": trained.history,
    "replicas": network.distribute_strategy.num_replicas_in_sync,
    "compute": network.layers[1].compute_dtype,
    "weights": sorted({weight.dtype for weight in network.weights}),
    "plain": plain.layers[1].compute_dtype,
    "difference": float(np.abs(network.predict(images, verbose=0) - plain(images)).max()),
}))
"""


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """Trains two epochs on what stands for GPUs; returns what came of it."""

    def train(names, precision):
        process = subprocess.run(
            [sys.executable, "-c", TRAIN, str(tmp_path_factory.mktemp("run")), names, precision],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **quiet.ENVIRONMENT},
        )
        assert process.returncode == 0, process.stderr
        return json.loads(process.stdout.splitlines()[-1])

    return train


@pytest.mark.parametrize(
    ("names", "replicas"), [("CPU:0", 1), ("CPU:0,CPU:1", 2)], ids=["one", "two"]
)
def test_training_in_mixed_precision_gives_weights_that_are_served_in_float32(
    train, names, replicas
):
    came = train(names, "mixed_bfloat16")
    assert came["replicas"] == replicas
    assert (came["compute"], came["plain"]) == ("bfloat16", "float32")
    assert came["weights"] == ["float32"]
    assert came["history"]["loss"][1] < came["history"]["loss"][0]
    # Of bfloat16 with its two to three digits, if any, and not of other weights.
    assert came["difference"] < 0.1


TAIL = (keras.layers.Flatten(), keras.layers.Dense(10))


def gpu(name):
    return SimpleNamespace(name=f"/physical_device:{name}", device_type="GPU")


@pytest.mark.parametrize(
    ("capabilities", "found", "told"),
    [
        ([(7, 5)], Devices(("GPU:0",)), "1 GPU in float32"),
        ([(8, 0)], Devices(("GPU:0",), "mixed_bfloat16"), "1 GPU in mixed_bfloat16"),
        ([(9, 0), (7, 0)], Devices(("GPU:0", "GPU:1")), "2 GPUs in float32"),
        ([None], Devices(("GPU:0",)), "1 GPU in float32"),
    ],
)
def test_all_gpus_are_taken_in_the_precision_that_each_of_them_is_fast_in(
    monkeypatch, capabilities, found, told
):
    gpus = [gpu(f"GPU:{number}") for number in range(len(capabilities))]
    details = {
        one.name: {"compute_capability": capability} if capability else {}
        for one, capability in zip(gpus, capabilities, strict=True)
    }
    config = SimpleNamespace(
        list_physical_devices=lambda kind: gpus if kind == "GPU" else [],
        experimental=SimpleNamespace(get_device_details=lambda one: details[one.name]),
    )
    monkeypatch.setattr(devices.tf, "config", config)
    assert find_devices("auto") == found
    assert str(found) == told
    assert find_devices("float32") == Devices(found.gpus)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("fpu avx512_bf16 amx_bf16 amx_tile", "CPU in mixed_bfloat16"),
        ("fpu avx2", "CPU in float32"),
    ],
)
def test_a_processor_is_used_in_bfloat16_where_it_has_a_matrix_unit_for_it(
    monkeypatch, tmp_path, flags, told
):
    monkeypatch.setattr(devices.tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(devices, "_PROCESSOR", tmp_path / "cpuinfo")
    assert str(find_devices("auto")) == "CPU in float32"
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t:\n")
    assert str(find_devices("auto")) == told
    assert str(find_devices("float32")) == "CPU in float32"


def test_only_networks_for_a_processor_get_its_layers():
    network = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Conv2D(2, 3), *TAIL])
    assert Devices(("GPU:0",)).prepare(network) is network
    prepared = Devices(precision="mixed_bfloat16").prepare(network)
    assert [type(layer) for layer in prepared.layers] != [type(layer) for layer in network.layers]


@pytest.mark.parametrize(("gpus", "compiled"), [((), False), (("GPU:0",), True)])
def test_steps_are_compiled_on_one_gpu(gpus, compiled):
    assert Devices(gpus).jit_compile == compiled


def test_steps_of_replicas_are_not_compiled():
    assert not Devices(("GPU:0", "GPU:1")).jit_compile


def test_precision_is_as_before_outside_of_the_scope():
    def fail():
        with Devices(("GPU:0",), "mixed_bfloat16").scope():
            assert keras.config.dtype_policy().name == "mixed_bfloat16"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert keras.config.dtype_policy().name == "float32"
