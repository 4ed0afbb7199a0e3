"""The client's requests are held against the SavedModel's definition, and against servers."""

import functools
import http.server
import json
import threading
from concurrent import futures

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.saved_model import loader_impl
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from deploy import client
from pipeline.errors import UserError

IMAGES = np.random.default_rng(3).integers(0, 256, (3, 28, 28), np.uint8)


@pytest.fixture(scope="module")
def definition(model_directory):
    """The signature's definition, as the server reads it."""
    [graph] = loader_impl.parse_saved_model(model_directory).meta_graphs
    return graph.signature_def[client.SIGNATURE]


@pytest.fixture(scope="module")
def expected(model_directory):
    """What the model itself answers."""
    signature = tf.saved_model.load(model_directory).signatures["predict_images"]
    answer = signature(images=tf.constant(IMAGES))
    names = [name.decode() for name in answer["class_name"].numpy()]
    return names, answer["probabilities"].numpy().max(axis=1)


def assert_fits(tensor, info):
    """Whether a tensor has the type and the shape that a signature's definition asks for."""
    assert tensor.dtype == tf.dtypes.as_dtype(info.dtype)
    assert tf.TensorShape(info.tensor_shape).is_compatible_with(tensor.shape)


def test_grpc_request_fits_the_definition_of_the_signature(definition):
    request = predict_pb2.PredictRequest.FromString(
        client.build_grpc_request(IMAGES).SerializeToString()
    )
    assert request.inputs.keys() == definition.inputs.keys()
    for name, proto in request.inputs.items():
        assert_fits(tf.constant(tf.make_ndarray(proto)), definition.inputs[name])
    assert definition.method_name == "tensorflow/serving/predict"
    assert request.model_spec.name == "tinyvgg"


@pytest.mark.parametrize("label", [None, "live", "previous"])
def test_grpc_request_asks_for_the_label_it_was_told(label):
    assert client.build_grpc_request(IMAGES, label).model_spec.version_label == (label or "")


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


class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers from a SavedModel as TensorFlow Serving does."""

    def __init__(self, model_directory):
        self.signatures = tf.saved_model.load(model_directory).signatures

    def Predict(self, request, context):  # noqa: N802
        if request.model_spec.version_label == "previous":
            context.abort(grpc.StatusCode.NOT_FOUND, "no version has the label previous")
        signature = self.signatures[request.model_spec.signature_name]
        given = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        response = predict_pb2.PredictResponse()
        for name, value in signature(**{k: tf.constant(v) for k, v in given.items()}).items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response


@pytest.fixture
def grpc_address(model_directory):
    server = grpc.server(futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Servicer(model_directory), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers in TensorFlow Serving's row format."""

    def __init__(self, signatures, *arguments):
        self.signatures = signatures
        super().__init__(*arguments)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/models/tinyvgg:predict":
            return self.reply(404, {"error": f"Servable not found for {self.path}"})
        images = tf.constant([one["images"] for one in body["instances"]], tf.uint8)
        answer = self.signatures[body["signature_name"]](images=images)
        rows = zip(answer["class_name"].numpy(), answer["probabilities"].numpy(), strict=True)
        predictions = [
            {"class_name": name.decode(), "probabilities": row.tolist()} for name, row in rows
        ]
        return self.reply(200, {"predictions": predictions})

    def reply(self, code, body):
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def rest_address(model_directory):
    signatures = tf.saved_model.load(model_directory).signatures
    handler = functools.partial(Handler, signatures)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_answers_over_the_wire_are_the_models(way, request, expected):
    address = request.getfixturevalue(f"{way}_address")
    answers = getattr(client, f"ask_{way}")(address, IMAGES)
    names, probabilities = expected
    assert [name for name, _ in answers] == names
    np.testing.assert_allclose([one for _, one in answers], probabilities, atol=1e-6)


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_refusal_of_the_server_is_a_sentence(way, request):
    address = request.getfixturevalue(f"{way}_address")
    with pytest.raises(UserError, match=r"not found|NOT_FOUND"):
        getattr(client, f"ask_{way}")(address, IMAGES, "previous")


@pytest.mark.parametrize("ask", [client.ask_rest, client.ask_grpc])
def test_server_that_is_not_there_is_a_sentence_with_the_way_out(ask, monkeypatch):
    monkeypatch.setattr(client, "_TIMEOUT_S", 2.0)
    with pytest.raises(UserError, match="start the server with `docker compose"):
        ask("127.0.0.1:1", IMAGES)


def test_command_prints_a_line_for_each_picture(
    rest_address, encode_png, tmp_path, capsys, expected
):
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file, image in zip(files, IMAGES, strict=True):
        file.write_bytes(encode_png(image))
    blank = tmp_path / "blank.png"
    blank.write_bytes(encode_png(np.full((50, 40), 255, np.uint8)))
    assert client.main([str(blank), *map(str, files), "--address", rest_address]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == f"{blank}: blank, nothing to classify"
    assert len(lines) == 3
    for line, file, name in zip(lines, files, expected[0], strict=True):
        assert line.startswith(f"{file}: {name}, ")
