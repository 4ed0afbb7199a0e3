"""Another dataset: what docs/data.md says of one's own images, on a copy of the sources."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components import quiet

CHECKOUT = Path(__file__).resolve().parents[1]

FACTS = """
from trainer_module.facts import DatasetFacts

FRUIT = DatasetFacts(
    name="fruit", title="Fruit", class_names=("Apple", "Banana", "Cherry pie"), image_size=20
)
"""

CARRY = """
import dataclasses, json, sys
from pathlib import Path

# First: TensorFlow brings another package of that name onto the path.
from tests import served_model
import numpy as np
import tensorflow as tf

from components.evaluation import slicing
from pipeline import config, workspace
from pipeline.data import kinds, sources
from trainer_module import features, model

here = Path(sys.argv[1])
settings = config.Config()
found = sources.find(settings.dataset, lambda *_: None, {}, here / "checkout")
kinds._SAMPLE_SIZES = {"train": 6, "eval": 3, "test": 3}
prepared = found.prepare(settings.dataset, here)
[records] = prepared.directory.rglob("test-*")
examples = list(tf.data.TFRecordDataset(str(records), "GZIP").as_numpy_iterator())
network = model.build_model(**settings.model.model_dump())
served_model.export(here / "model", network, np.zeros([1, 20, 20], np.uint8))
served = tf.saved_model.load(str(here / "model"))
answer = served.signatures["serving_default"](examples=tf.constant(examples))
images = served.signatures["predict_images"](images=tf.zeros([2, 20, 20], tf.uint8))
print(json.dumps({
    "reason": found.fallback_reason,
    "examples": prepared.examples,
    "pipelines": [
        workspace.workspace(settings.paths, name).pipeline_name for name in ("fruit", "sample")
    ],
    "floors": settings.evaluation.min_recall,
    "layers": [network.input_shape, network.output_shape],
    "answers": [answer["probabilities"].shape.as_list(), images["probabilities"].shape.as_list()],
    "classes": sorted({*answer["class_name"].numpy().astype(str)} - {*features.CLASS_NAMES}),
    "cuts": list(slicing.assign_parts(np.zeros([1, 20, 20], np.uint8), np.zeros(1, int))),
}))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The sources, with facts of another dataset, as a person would put them in."""
    copy = tmp_path_factory.mktemp("copy")
    for package in ("trainer_module", "components", "pipeline", "schema", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / package, copy / package, ignore=ignored)
    (copy / "trainer_module" / "fruit.py").write_text(FACTS)
    features = copy / "trainer_module" / "features.py"
    text = features.read_text()
    text = text.replace("fashion_mnist import FASHION_MNIST", "fruit import FRUIT")
    features.write_text(text.replace("= FASHION_MNIST", "= FRUIT"))
    return copy


@pytest.fixture(scope="module")
def run(copy):
    """Runs Python in the copy."""

    def run(*arguments):
        environment = {**os.environ, "PYTHONPATH": str(copy), **quiet.ENVIRONMENT}
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def carried(run, tmp_path_factory):
    ended = run("-c", CARRY, tmp_path_factory.mktemp("carried"))
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_data_has_the_classes_and_what_can_not_be_downloaded_is_said(carried):
    assert carried["reason"].startswith("Fruit can't be downloaded")
    assert carried["examples"]["train"] == {"Apple": 2, "Banana": 2, "Cherry pie": 2}


def test_pipelines_are_named_after_it(carried):
    assert carried["pipelines"] == ["fruit", "fruit_sample"]


def test_network_and_signatures_have_its_size_and_classes(carried):
    assert carried["layers"] == [[None, 20, 20, 1], [None, 3]]
    assert carried["answers"] == [[3, 3], [2, 3]]
    assert carried["classes"] == []


def test_what_it_does_not_name_is_left_out(carried):
    assert carried["floors"] == {"default": 0.75}
    assert carried["cuts"] == ["ink", "brightness"]


def test_commands_name_it(run):
    ended = run("-m", "pipeline.dataset", "info", "--help")
    assert "$FRUIT_DIR, data/, ../shared/fruit" in " ".join(ended.stdout.split())
    ended = run("-m", "pipeline.dataset", "info", "--dataset", "fashion_mnist")
    assert "should be 'auto', 'fruit' or 'sample'" in ended.stderr


def test_a_schema_that_was_forgotten_is_found_by_its_test(run, copy):
    tests = (
        "tests/schema/test_schema.py::test_domain_of_the_label_is_the_classes",
        "tests/schema/test_schema.py::test_names_of_the_label_are_those_of_the_classes_in_order",
        "tests/schema/test_images.py::test_names_of_the_class_are_those_of_the_classes_in_order",
        "tests/schema/test_images.py::test_bounds_of_the_share_are_a_fifth_and_five_times_an_even_one",
    )
    flags = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", copy)
    ended = run("-m", "pytest", *flags, *tests)
    assert f"{len(tests)} failed" in ended.stdout
    names = "".join(f'  value: "{name}"\n' for name in ("Apple", "Banana", "Cherry pie"))
    adapted = {
        "schema.pbtxt": {"max: 9": "max: 2"},
        "images.pbtxt": {"0.02": "0.0667", "0.5": "1.0"},
    }
    for name, changes in adapted.items():
        file = copy / "schema" / name
        text = re.sub(r"(  value: .*\n)+", names, file.read_text())
        for old, new in changes.items():
            text = text.replace(old, new)
        file.write_text(text)
    ended = run("-m", "pytest", *flags, *tests)
    assert ended.returncode == 0, ended.stdout
