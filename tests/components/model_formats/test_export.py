import importlib
import json
import re
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import tensorflow as tf

from components.model_formats import export as export_module
from components.model_formats.export import FormatError, export
from components.model_formats.formats import FORMATS, missing_packages
from tests import served_model
from tests.conftest import require
from trainer_module import features

FLOATS = ["tflite", "onnx", "keras"]


@pytest.fixture(scope="session")
def exported(version, tmp_path_factory):
    """Exports the version in a format, once; returns what was measured."""
    done = {}

    def exported(name):
        if missing := missing_packages(name):
            require(", ".join(missing), 'install them with `pip install ".[formats]"`')
        if name not in done:
            # Of parents that do not exist yet.
            directory = tmp_path_factory.mktemp("formats") / "more" / name
            done[name] = export(version, name, directory, "tinyvgg", {"version": 1})
        return done[name]

    return exported


@pytest.fixture(scope="session")
def expected(version, test_set):
    signature = tf.saved_model.load(str(version)).signatures["predict_images"]
    probabilities = signature(images=tf.constant(test_set.images))["probabilities"].numpy()
    assert (probabilities.argmax(axis=1) == test_set.labels).mean() > 0.6
    return probabilities


def answer(name, file, images):
    return importlib.import_module(FORMATS[name].module).load(file)(images)


@pytest.mark.parametrize("name", FLOATS)
def test_real_images_get_the_probabilities_that_the_version_gives(
    exported, expected, test_set, name
):
    found = answer(name, exported(name).file, test_set.images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_integers_give_nearly_all_real_images_the_class_of_the_version(
    exported, expected, test_set
):
    found = answer("tflite-int8", exported("tflite-int8").file, test_set.images)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.97
    accuracy = [(one.argmax(axis=1) == test_set.labels).mean() for one in (found, expected)]
    assert accuracy[0] == pytest.approx(accuracy[1], abs=0.01)


@pytest.mark.parametrize("name", FORMATS)
def test_batches_of_any_size_get_the_same_answers(exported, test_set, name):
    file = exported(name).file
    load = importlib.import_module(FORMATS[name].module).load(file)
    whole = load(test_set.images[:10])
    parts = np.concatenate([load(test_set.images[:1]), load(test_set.images[1:10])])
    # One step of an integer, or the rounding of another kernel.
    np.testing.assert_allclose(parts, whole, atol=1 / 256 if FORMATS[name].quantised else 1e-5)


@pytest.mark.parametrize("name", FORMATS)
def test_report_and_description_tell_what_there_is(exported, name):
    report = exported(name)
    assert report.images == 64
    assert report.same >= 60
    assert report.difference < (0.5 if FORMATS[name].quantised else 1e-5)
    suffix = FORMATS[name].suffix
    assert {path.name for path in report.file.parent.iterdir()} == {
        f"tinyvgg.{suffix}",
        "tinyvgg.json",
    }
    description = json.loads(report.file.with_suffix(".json").read_text())
    assert description["file"] == f"tinyvgg.{suffix}"
    assert (description["format"], description["version"]) == (name, 1)
    assert description["class_names"] == list(features.CLASS_NAMES)


@pytest.mark.parametrize("name", ["tflite", "tflite-int8"])
def test_litert_has_the_inputs_and_outputs_of_the_description(exported, name):
    file = exported(name).file
    description = json.loads(file.with_suffix(".json").read_text())
    interpreter = tf.lite.Interpreter(str(file))
    assert interpreter.get_signature_list() == {
        "predict_images": {"inputs": ["images"], "outputs": ["probabilities"]}
    }
    [images], [output] = interpreter.get_input_details(), interpreter.get_output_details()
    for told, details in ((description["input"], images), (description["output"], output)):
        assert details["dtype"].__name__ == told["dtype"]
        shape = [-1 if size == "N" else size for size in told["shape"]]
        assert details["shape_signature"].tolist() == shape
        if "scale" in told:
            assert details["quantization"] == (told["scale"], 0)


def test_integers_are_all_that_is_computed_with(exported):
    interpreter = tf.lite.Interpreter(str(exported("tflite-int8").file))
    dtypes = {tensor["dtype"] for tensor in interpreter.get_tensor_details()}
    assert np.int8 in dtypes
    assert not dtypes & {np.float16, np.float32, np.float64}


def test_integers_of_a_model_whose_pixels_span_another_range(official, tmp_path):
    images = official[0].images[:64]
    version = tmp_path / "1"
    # Dimmed, so that no recorded image reaches the ends of the range.
    served_model.export(version, images=images // 2 + 40, scale=lambda pixels: (pixels - 20) / 200)
    report = export(version, "tflite-int8", tmp_path / "int8", "tinyvgg", {})
    assert report.same >= 58
    [details] = tf.lite.Interpreter(str(report.file)).get_input_details()
    assert details["quantization"] == (pytest.approx(1 / 200), 20)


def test_onnx_names_what_it_takes_and_gives_and_the_classes(exported):
    file = exported("onnx").file
    import onnx

    model = onnx.load(file)
    [metadata] = model.metadata_props
    assert metadata.key == "class_names"
    assert json.loads(metadata.value) == list(features.CLASS_NAMES)
    found = {
        one.name: [size.dim_param or size.dim_value for size in one.type.tensor_type.shape.dim]
        for one in (*model.graph.input, *model.graph.output)
    }
    assert found == {"images": ["N", 28, 28], "probabilities": ["N", 10]}


STRANGER = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"components", "pipeline", "trainer_module", "tfx"}:
            raise ImportError(f"{name} is out of bounds")

sys.meta_path.insert(0, Block())
import keras
import numpy as np

model = keras.models.load_model(sys.argv[1])
images = np.load(sys.argv[2])
np.save(sys.argv[3], model.predict(images, verbose=0))
model.compile("sgd", "sparse_categorical_crossentropy")
model.fit(images, np.zeros(len(images)), verbose=0)
print(*(layer.name for layer in model.layers))
"""


def test_keras_loads_and_trains_with_plain_keras(exported, expected, test_set, tmp_path):
    images = test_set.images[:20]
    np.save(tmp_path / "images.npy", images)
    places = [exported("keras").file, tmp_path / "images.npy", tmp_path / "found.npy"]
    ended = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER, *places], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["channel", "scaling", "tinyvgg"]
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected[:20], atol=1e-5)


def test_keras_gets_a_network_that_looks_once_where_the_version_does(plain_version, tmp_path):
    done = export(plain_version, "keras", tmp_path / "out", "tinyvgg", {})
    assert done.difference < 1e-5


@pytest.fixture
def refused(tmp_path):
    """Expects a sentence with these parts, in order, and that nothing is left."""

    @contextmanager
    def refused(*parts):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(FormatError, match=".*".join(map(re.escape, map(str, parts)))) as caught:
            yield
        text = str(caught.value)
        assert re.fullmatch(r"(?:(?![.!?] [A-Z]).)+\.", text), f"not one sentence: {text}"
        assert sorted(tmp_path.rglob("*")) == before

    return refused


@pytest.fixture
def program(monkeypatch):
    """Puts another program in the place of the conversion."""

    def program(text):
        monkeypatch.setattr(export_module, "_PROGRAM", (sys.executable, "-c", text))

    return program


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import os; os.abort()", "the converter was ended by SIGABRT: without a word."),
        ("import sys; sys.exit('no memory')", "the converter ended with exit code 1: no memory."),
        ('print(\'{"error": "no way."}\')', ": no way."),
    ],
)
def test_conversion_that_fails_is_a_sentence_and_leaves_nothing(
    refused, program, tmp_path, text, reason
):
    program(text)
    with refused(tmp_path / "version", "can't be exported as keras", reason):
        export(tmp_path / "version", "keras", tmp_path / "new" / "out", "tinyvgg", {})


def test_interrupt_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export(tmp_path, "keras", tmp_path / "out", "tinyvgg", {})
    assert not list(tmp_path.iterdir())


REPORT = 'print(\'{{"images": 64, "same": {same}, "difference": {difference}}}\')'


@pytest.mark.parametrize(
    ("name", "same", "difference", "reason"),
    [
        ("keras", 64, 0.002, "differ by 0.002 from the version's, and may by 0.0001"),
        ("keras", 64, "NaN", "differ by nan"),
        ("tflite-int8", 50, 0.1, "gives 50 of 64 images the class that the version gives them"),
    ],
)
def test_result_that_answers_otherwise_is_not_handed_out(
    refused, program, tmp_path, name, same, difference, reason
):
    program(REPORT.format(same=same, difference=difference))
    with refused(reason):
        export(tmp_path, name, tmp_path / "out", "tinyvgg", {})


@pytest.mark.parametrize("kind", ["directory", "file", "dangling link"])
def test_directory_that_exists_is_not_touched(refused, program, tmp_path, kind):
    program("import os; os.abort()")
    directory = tmp_path / "out"
    if kind == "directory":
        directory.mkdir()
    elif kind == "file":
        directory.touch()
    else:
        directory.symlink_to("nowhere")
    with refused(directory, "exists"):
        export(tmp_path, "keras", directory, "tinyvgg", {})


def test_directory_below_a_file_can_not_be_written(refused, program, tmp_path):
    program("import os; os.abort()")
    (tmp_path / "file").touch()
    with refused("out can't be written", "Not a directory"):
        export(tmp_path, "keras", tmp_path / "file" / "out", "tinyvgg", {})


def test_version_that_records_no_images_can_not_be_made_of_integers(refused, tmp_path):
    served_model.export(tmp_path / "1")
    for file in (tmp_path / "1" / "assets.extra").iterdir():
        file.unlink()
    with refused("tflite-int8", "it brings no recorded images"):
        export(tmp_path / "1", "tflite-int8", tmp_path / "out", "tinyvgg", {})
    assert export(tmp_path / "1", "tflite", tmp_path / "out", "tinyvgg", {}).images == 1


def test_network_of_another_layout_has_no_layers_in_keras(refused, tmp_path):
    served_model.export(tmp_path / "1")
    with refused("keras", "its network is none that trainer_module/model.py"):
        export(tmp_path / "1", "keras", tmp_path / "out", "tinyvgg", {})


def test_missing_package_is_named_with_what_installs_it(refused, program, tmp_path, monkeypatch):
    program("import os; os.abort()")
    monkeypatch.setattr(export_module, "missing_packages", lambda name: ["tf2onnx", "onnx"])
    with refused("--format onnx needs tf2onnx, onnx", "python -m pip install -e '.[formats]'"):
        export(tmp_path, "onnx", tmp_path / "out", "tinyvgg", {})
