import gzip
import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.compare.loops import common

SIZES = {"train": common.EVAL_EXAMPLES + 30, "t10k": 20}


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """A directory with files as the official ones, of few random images."""
    directory, random = tmp_path_factory.mktemp("official"), np.random.default_rng(0)
    for name, size in SIZES.items():
        images = random.integers(256, size=(size, 28, 28), dtype=np.uint8)
        images[0] = 255
        labels = np.arange(size, dtype=np.uint8) % 10
        for kind, header, values in (("images-idx3", 16, images), ("labels-idx1", 8, labels)):
            with gzip.open(directory / f"{name}-{kind}-ubyte.gz", "wb") as file:
                file.write(bytes(header) + values.tobytes())
    return directory


def test_the_last_of_the_training_set_is_validated_on(official):
    arrays = common.read(official, None)
    assert [len(labels) for _, labels in (arrays.train, arrays.eval, arrays.test)] == [30, 5000, 20]
    assert arrays.train[0].shape == (30, 28, 28)
    assert arrays.train[1].tolist() == [*range(10)] * 3


def test_pixels_are_from_0_to_1(official):
    images, labels = common.read(official, None).train
    assert (images.dtype, labels.dtype) == (np.float32, np.int64)
    assert (images[0] == 1).all()
    assert images.min() == 0


def test_each_split_may_be_limited(official):
    arrays = common.read(official, 7)
    assert [len(labels) for _, labels in (arrays.train, arrays.eval, arrays.test)] == [7, 7, 7]


def test_keras_trains_and_says_what_it_took(official):
    command = [sys.executable, "-m", "benchmarks.compare.loops.keras_loop", "--data-dir", official]
    command += ["--max-examples", "20", "--epochs", "2", "--batch-size", "8"]
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert len(told["epochs_s"]) == 2
    assert min(told["epochs_s"]) > 0
    assert 0 <= told["accuracy"] <= 1
    assert told["loss"] > 0
