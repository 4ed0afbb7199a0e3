import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from pipeline.data import idx
from trainer_module import features, model, preprocessing, signatures, training

# A stranger: blocks all that the project is made with, loads the model, and classifies.
LOAD_AND_CALL = """
import json, sys

FOREIGN = {"pipeline", "components", "trainer_module", "schema", "tests", "tfx", "tfx_bsl",
           "tensorflow_transform", "tensorflow_metadata", "ml_metadata", "apache_beam"}

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FOREIGN:
            raise ImportError(f"{name} is out of bounds")

sys.meta_path.insert(0, Block())

import numpy as np
import tensorflow as tf

model_directory, inputs, outputs = sys.argv[1:]
model = tf.saved_model.load(model_directory)
given = np.load(inputs, allow_pickle=True)
named = {
    "serving_default": {"examples": tf.constant(list(given["unlabelled"]))},
    "predict_images": {"images": tf.constant(given["images"])},
    "transform_features": {"examples": tf.constant(list(given["labelled"]))},
}
results, described = {}, {}
for name, signature in model.signatures.items():
    [(key, spec)] = signature.structured_input_signature[1].items()
    described[name] = {key: [spec.dtype.name, spec.shape.as_list()]}
    for output, value in signature(**named[name]).items():
        described[name][output] = [value.dtype.name, signature.structured_outputs[output].shape
            .as_list()]
        results[f"{name}/{output}"] = value.numpy()
np.savez(outputs, **results)
assert not FOREIGN & {module.partition(".")[0] for module in sys.modules}
print(json.dumps(described))
"""


@pytest.fixture(scope="module")
def model_directory(network, transform_output, tmp_path_factory):
    directory = tmp_path_factory.mktemp("export") / "model"
    signatures.export(network, transform_output, str(directory))
    return directory


@pytest.fixture(scope="module")
def network(model_config):
    """TinyVGG with large random weights, so that its predictions lie far apart."""
    network = model.build_model(**model_config)
    random = np.random.default_rng(1)
    network.set_weights([random.normal(0, 0.2, weight.shape) for weight in network.get_weights()])
    return network


@pytest.fixture(scope="module")
def served(model_directory, raw_splits, encode_png, to_example, tmp_path_factory):
    """What the signatures look like and return to a process that has plain TensorFlow only."""
    images, labels = raw_splits["eval"]
    place = tmp_path_factory.mktemp("stranger")
    pngs = [encode_png(image) for image in images]
    np.savez(
        place / "in.npz",
        images=images,
        unlabelled=np.array([to_example(png) for png in pngs], object),
        labelled=np.array(
            [to_example(png, label) for png, label in zip(pngs, labels, strict=True)], object
        ),
    )
    script = place / "load_and_call.py"
    script.write_text(LOAD_AND_CALL)
    # Isolated: neither the working directory nor PYTHONPATH is searched.
    arguments = [model_directory, place / "in.npz", place / "out.npz"]
    process = subprocess.run(
        [sys.executable, "-I", script, *arguments],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    described = json.loads(process.stdout.splitlines()[-1])
    return described, dict(np.load(place / "out.npz", allow_pickle=True))


CLASSIFICATION = {
    "probabilities": ["float32", [None, 10]],
    "label": ["int64", [None]],
    "class_name": ["string", [None]],
}


def test_there_are_three_signatures(served):
    assert set(served[0]) == {"serving_default", "predict_images", "transform_features"}


def test_serving_default_takes_serialized_examples_and_classifies(served):
    assert served[0]["serving_default"] == {"examples": ["string", [None]], **CLASSIFICATION}


def test_predict_images_takes_bare_pixels_and_classifies(served):
    assert served[0]["predict_images"] == {"images": ["uint8", [None, 28, 28]], **CLASSIFICATION}


def test_transform_features_takes_labelled_examples_and_transforms(served):
    assert served[0]["transform_features"] == {
        "examples": ["string", [None]],
        "image": ["float32", [None, 28, 28, 1]],
        "label": ["int64", [None]],
    }


def test_both_classifications_are_equal(served):
    for name in CLASSIFICATION:
        examples, images = (
            served[1][f"{signature}/{name}"] for signature in ("serving_default", "predict_images")
        )
        np.testing.assert_array_equal(examples, images)


def test_the_served_model_is_the_one_that_was_exported(served, network, splits):
    expected = network(splits["eval"].images).numpy()
    assert len(set(expected.argmax(axis=1))) > 1, "The test needs predictions that differ."
    np.testing.assert_allclose(
        served[1]["serving_default/probabilities"], expected, rtol=0, atol=1e-6
    )


def test_the_label_is_the_most_probable_class_and_the_name_is_its_name(served):
    labels = served[1]["predict_images/label"]
    np.testing.assert_array_equal(labels, served[1]["predict_images/probabilities"].argmax(axis=1))
    names = [name.decode() for name in served[1]["predict_images/class_name"]]
    assert names == [features.CLASS_NAMES[label] for label in labels]


def test_served_features_are_those_that_were_trained_on(served, splits):
    np.testing.assert_allclose(
        served[1]["transform_features/image"], splits["eval"].images, rtol=0, atol=1e-6
    )
    np.testing.assert_array_equal(served[1]["transform_features/label"], splits["eval"].labels)


@pytest.fixture(scope="module")
def loaded(model_directory):
    return tf.saved_model.load(str(model_directory)).signatures


def test_pixels_and_pngs_give_equal_answers_on_all_test_images(
    loaded, fashion_mnist, encode_png, to_example
):
    _, test = idx.read_official(fashion_mnist.directory)
    images = test.images
    for start in range(0, len(images), 1000):
        batch = images[start : start + 1000]
        examples = tf.constant([to_example(encode_png(image)) for image in batch])
        of_pngs = loaded["serving_default"](examples=examples)
        of_pixels = loaded["predict_images"](images=tf.constant(batch))
        for name in CLASSIFICATION:
            np.testing.assert_array_equal(of_pngs[name], of_pixels[name])


def operations(graph_def):
    """The kinds of operations that run, in the graph and in the functions that it calls."""
    functions = {one.signature.name: one.node_def for one in graph_def.library.function}
    found, waiting = set(), list(graph_def.node)
    while waiting:
        node = waiting.pop()
        found.add(node.op)
        called = [value.func.name for value in node.attr.values() if value.HasField("func")]
        waiting.extend(one for name in called for one in functions.pop(name, ()))
    return found


def test_pixels_go_through_no_png(network, transform_output):
    serving = signatures.ServingModel(network, transform_output)
    images = tf.TensorSpec([None, 28, 28], tf.uint8)
    concrete = tf.function(serving.serve_images, autograph=False).get_concrete_function(images)
    found = operations(concrete.graph.as_graph_def())
    assert "Conv2D" in found
    assert not found & {"EncodePng", "DecodePng", "StatelessWhile", "While"}


def run_in_session(directory, name, value):
    """Calls a signature as a server does: restores by the graph's own operation, and runs it."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], str(directory))
        signature = meta_graph.signature_def[name]
        [given] = signature.inputs.values()
        outputs = {key: info.name for key, info in signature.outputs.items()}
        return session.run(outputs, {given.name: value})


@pytest.mark.parametrize(
    ("convolutions", "batch_norm", "dropout"), [(3, False, 0.0), (4, True, 0.0), (4, True, 0.3)]
)
def test_a_session_answers_as_the_network_does(
    transform_output,
    splits,
    raw_splits,
    encode_png,
    to_example,
    tmp_path,
    convolutions,
    batch_norm,
    dropout,
):
    network = model.build_model(
        filters=[5, 6],
        convolutions=convolutions,
        padding="same",
        batch_norm=batch_norm,
        dropout=dropout,
    )
    random = np.random.default_rng(1)
    network.set_weights([abs(random.normal(0, 0.05, w.shape)) for w in network.get_weights()])
    # With an optimizer, whose variables are of no use to a server.
    training.compile_network(network, 1e-3, weight_decay=0.1, label_smoothing=0.1)
    network.optimizer.build(network.trainable_variables)
    signatures.export(network, transform_output, str(tmp_path / "model"))
    images, labels = raw_splits["eval"]
    examples = np.array(
        [to_example(encode_png(image), label) for image, label in zip(images, labels, strict=True)],
        object,
    )
    expected = network(tf.constant(transformed(transform_output, images))).numpy()
    for name, value in (("serving_default", examples), ("predict_images", images)):
        answers = run_in_session(tmp_path / "model", name, value)
        np.testing.assert_allclose(answers["probabilities"], expected, rtol=0, atol=1e-5)
        assert answers["class_name"].shape == answers["label"].shape == (len(images),)
    features_of = run_in_session(tmp_path / "model", "transform_features", examples)
    np.testing.assert_array_equal(features_of["label"], labels)
    assert handles(tmp_path / "model") == {weight.path for weight in network.weights}


def transformed(transform_output, images):
    return preprocessing.load_scaling(transform_output)(tf.constant(images[..., np.newaxis]))


def handles(directory):
    """The names of the variables in the graph that is exported."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph_def = tf.compat.v1.saved_model.load(session, ["serve"], str(directory)).graph_def
    return {
        node.attr["shared_name"].s.decode() for node in graph_def.node if node.op == "VarHandleOp"
    }


@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_images_is_classified(loaded, count):
    result = loaded["predict_images"](images=tf.zeros([count, 28, 28], tf.uint8))
    assert result["probabilities"].shape == (count, 10)
    assert result["class_name"].shape == (count,)


def test_an_example_without_an_image_is_refused(loaded):
    with pytest.raises(tf.errors.InvalidArgumentError, match="image"):
        loaded["serving_default"](examples=tf.constant([tf.train.Example().SerializeToString()]))


def test_an_image_of_another_size_is_refused(loaded, encode_png, to_example):
    example = to_example(encode_png(np.zeros((32, 32), np.uint8)))
    with pytest.raises(tf.errors.InvalidArgumentError):
        loaded["serving_default"](examples=tf.constant([example]))


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28, 1), (1, 27, 28), (784, 32, 32), (0, 0)])
def test_pixels_of_another_shape_are_refused(loaded, shape):
    # Some kernels would end the process instead.
    with pytest.raises(tf.errors.InvalidArgumentError):
        loaded["predict_images"](images=tf.zeros(shape, tf.uint8))


@pytest.mark.parametrize("name", ["serving_default", "predict_images", "transform_features"])
def test_an_empty_batch_is_refused(loaded, name):
    [(key, spec)] = loaded[name].structured_input_signature[1].items()
    empty = tf.zeros([0, *spec.shape[1:]], spec.dtype)
    # Again and again, as other operations that fail on it could come first.
    for _ in range(100):
        with pytest.raises(tf.errors.InvalidArgumentError, match="the batch is empty"):
            loaded[name](**{key: empty})
