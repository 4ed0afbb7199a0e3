"""The client's requests are held against the SavedModel's definition, and against servers."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.saved_model import loader_impl
from tensorflow_serving.apis import predict_pb2

from components.model_server import client
from components.model_server.client import ServerError
from components.serving_check.probe.loaders import ServerLoader
from tests import model_server

IMAGES = np.random.default_rng(3).integers(0, 256, (3, 28, 28), np.uint8)


@pytest.fixture(scope="module")
def definition(model_directory):
    """The signature's definition, as the server reads it."""
    [graph] = loader_impl.parse_saved_model(str(model_directory)).meta_graphs
    return graph.signature_def[client.SIGNATURE]


@pytest.fixture(scope="module")
def expected(model_directory):
    """What the model itself answers."""
    signature = tf.saved_model.load(str(model_directory)).signatures["predict_images"]
    answer = signature(images=tf.constant(IMAGES))
    names = [name.decode() for name in answer["class_name"].numpy()]
    return names, answer["probabilities"].numpy()


def assert_fits(tensor, info):
    """Whether a tensor has the type and the shape that a signature's definition asks for."""
    assert tensor.dtype == tf.dtypes.as_dtype(info.dtype)
    assert tf.TensorShape(info.tensor_shape).is_compatible_with(tensor.shape)


def test_grpc_request_fits_the_definition_of_the_signature(definition):
    request = predict_pb2.PredictRequest.FromString(
        client.build_grpc_request("tinyvgg", IMAGES).SerializeToString()
    )
    assert request.inputs.keys() == definition.inputs.keys()
    for name, proto in request.inputs.items():
        assert_fits(tf.constant(tf.make_ndarray(proto)), definition.inputs[name])
    assert definition.method_name == "tensorflow/serving/predict"
    assert request.model_spec.name == "tinyvgg"


@pytest.mark.parametrize("label", [None, "live", "previous"])
def test_grpc_request_asks_for_the_label_it_was_told(label):
    assert client.build_grpc_request("tinyvgg", IMAGES, label).model_spec.version_label == (
        label or ""
    )


def test_rest_body_fits_the_definition_of_the_signature(definition):
    body = json.loads(json.dumps(client.build_rest_request(IMAGES)))
    assert body["signature_name"] == "predict_images"
    for instance in body["instances"]:
        assert instance.keys() == definition.inputs.keys()
    for name, info in definition.inputs.items():
        batch = np.array([instance[name] for instance in body["instances"]])
        kind = tf.dtypes.as_dtype(info.dtype)
        assert (batch >= kind.min).all()
        assert (batch <= kind.max).all()
        assert_fits(tf.constant(batch, kind), info)


def test_outputs_that_are_read_are_in_the_definition_of_the_signature(definition):
    assert {client.CLASS, client.PROBABILITIES} <= definition.outputs.keys()


@pytest.fixture(scope="module")
def model(model_directory):
    return ServerLoader(str(model_directory))


@pytest.fixture
def grpc_address(model):
    with model_server.grpc_server(model) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def rest_address(model):
    with model_server.rest_server(model) as port:
        yield f"127.0.0.1:{port}"


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_answers_over_the_wire_are_the_models(way, request, expected):
    address = request.getfixturevalue(f"{way}_address")
    answers = getattr(client, f"ask_{way}")(address, "tinyvgg", IMAGES)
    names, probabilities = expected
    assert answers.class_names == names
    np.testing.assert_allclose(answers.probabilities, probabilities, atol=1e-6)


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_refusal_of_the_server_is_told(way, request):
    address = request.getfixturevalue(f"{way}_address")
    with pytest.raises(ServerError, match=r"not found|NOT_FOUND"):
        getattr(client, f"ask_{way}")(address, "tinyvgg", IMAGES, "previous")


@pytest.mark.parametrize("ask", [client.ask_rest, client.ask_grpc])
def test_server_that_is_not_there_is_told(ask, monkeypatch):
    monkeypatch.setattr(client, "_TIMEOUT_S", 2.0)
    with pytest.raises(ServerError, match=r"no answer from .*127\.0\.0\.1:1"):
        ask("127.0.0.1:1", "tinyvgg", IMAGES)


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_server_of_a_model_with_other_outputs_is_told(way, request, monkeypatch):
    address = request.getfixturevalue(f"{way}_address")
    monkeypatch.setattr(client, "CLASS", "an output that it has not")
    with pytest.raises(ServerError, match="does not answer as this model does"):
        getattr(client, f"ask_{way}")(address, "tinyvgg", IMAGES)


ROW = {"class_name": "Bag", "probabilities": [0.1] * 10}


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        "text",
        {"predictions": [1, 2, 3]},
        {"predictions": [ROW]},
        {"predictions": [{**ROW, "probabilities": [0.2] * 5}] * 3},
        {"predictions": [ROW, ROW, {**ROW, "probabilities": [0.2] * 5}]},
        {"predictions": [{**ROW, "probabilities": "text"}] * 3},
    ],
)
def test_answer_of_another_program_is_told(monkeypatch, body):
    monkeypatch.setattr(client.requests, "post", lambda *_, **__: Response(body))
    with pytest.raises(ServerError, match="does not answer as this model does"):
        client.ask_rest("127.0.0.1:1", "tinyvgg", IMAGES)


@pytest.mark.parametrize(
    "body", [[], 1, {"model_version_status": [1]}, {"model_version_status": [{}, {}]}]
)
def test_state_that_another_program_tells_is_an_error(monkeypatch, body):
    monkeypatch.setattr(client.requests, "get", lambda *_, **__: Response(body))
    with pytest.raises(ServerError, match="does not answer as this model does"):
        client.find_fault("127.0.0.1:1", "tinyvgg", 7)


class Response:
    ok = True

    def __init__(self, body):
        self.json = lambda: body


@pytest.mark.parametrize(
    ("state", "fault"),
    [
        ({"state": "AVAILABLE"}, None),
        ({"state": "LOADING"}, "its state is LOADING"),
        (None, "Could not find any versions of /v1/models/tinyvgg/versions/7"),
    ],
)
def test_state_of_a_version_is_told(model, state, fault):
    states = {"7": state} if state else {}
    with model_server.rest_server(model, states) as port:
        assert client.find_fault(f"127.0.0.1:{port}", "tinyvgg", 7) == fault


def test_version_that_a_server_gave_up_is_an_error_with_its_reason(model):
    states = {"7": {"state": "END", "status": {"error_message": "no variables"}}}
    with (
        model_server.rest_server(model, states) as port,
        pytest.raises(ServerError, match="could not load it: no variables"),
    ):
        client.find_fault(f"127.0.0.1:{port}", "tinyvgg", 7)
