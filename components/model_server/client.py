"""Asks TensorFlow Serving over REST or gRPC.

REST as in https://www.tensorflow.org/tfx/serving/api_rest, gRPC by the server's own protos.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import requests

from trainer_module import features, served

if TYPE_CHECKING:
    from tensorflow_serving.apis import predict_pb2

SIGNATURE, INPUT = served.PREDICT_IMAGES, served.IMAGES
CLASS, PROBABILITIES = served.CLASS_NAME, served.PROBABILITIES

_TIMEOUT_S = 10.0


class ServerError(Exception):
    """A server does not run, does not answer or refuses; a phrase that says which and why."""


@dataclass(frozen=True)
class Answers:
    """What the server says to some pictures.

    Attributes:
        class_names: of the most probable class of each picture.
        probabilities: float64 [N, classes].
    """

    class_names: Sequence[str]
    probabilities: np.ndarray


def build_rest_request(images: np.ndarray) -> dict[str, Any]:
    """Builds the body of a predict request over REST.

    Args:
        images: uint8 [N, 28, 28].

    Returns:
        The JSON object, in the row format: an instance a picture.
    """
    return {"signature_name": SIGNATURE, "instances": [{INPUT: image.tolist()} for image in images]}


def build_grpc_request(
    model: str, images: np.ndarray, label: str | None = None
) -> "predict_pb2.PredictRequest":
    """Builds a predict request over gRPC.

    Args:
        model: the name that the server knows it by.
        images: uint8 [N, 28, 28].
        label: of a version; if None, the server's default, the newest or pinned one.

    Returns:
        A `PredictRequest`.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = SIGNATURE
    if label:
        request.model_spec.version_label = label
    request.inputs[INPUT].CopyFrom(tf.make_tensor_proto(images, tf.uint8))
    return request


def ask_rest(address: str, model: str, images: np.ndarray, label: str | None = None) -> Answers:
    """Sends pictures over REST.

    Args:
        address: host and port.
        model: as for `build_grpc_request`.
        images: uint8 [N, 28, 28].
        label: as for `build_grpc_request`.

    Returns:
        The answers, in the order of the pictures.

    Raises:
        ServerError: the server can't be reached, refused, or answers something else.
    """
    version = f"/labels/{label}" if label else ""
    url = f"http://{address}/v1/models/{model}{version}:predict"
    try:
        response = requests.post(url, json=build_rest_request(images), timeout=_TIMEOUT_S)
        body = response.json()
    except (requests.RequestException, json.JSONDecodeError) as error:
        raise ServerError(f"no answer from {url} ({type(error).__name__})") from error
    with _reading(url):
        if not response.ok:
            raise ServerError(f"{url} refused: {body.get('error', response.reason)}")
        rows = body["predictions"]
        names = [row[CLASS] for row in rows]
        return _answers(images, names, [row[PROBABILITIES] for row in rows])


def ask_grpc(address: str, model: str, images: np.ndarray, label: str | None = None) -> Answers:
    """Sends pictures over gRPC; arguments, result and errors are those of `ask_rest`."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = build_grpc_request(model, images, label)
        try:
            response = stub.Predict(request, timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            raise ServerError(
                f"no answer from {address} over gRPC ({error.code().name}: {error.details()})"
            ) from error
    with _reading(address):
        outputs = {name: tf.make_ndarray(value) for name, value in response.outputs.items()}
        names = [name.decode() for name in outputs[CLASS]]
        return _answers(images, names, outputs[PROBABILITIES])


@contextmanager
def _reading(source: str) -> Iterator[None]:
    """Another program may listen there, or serve another model by the name."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ServerError(f"{source} does not answer as this model does") from error


def _answers(images: np.ndarray, names: Sequence[str], rows: Sequence[Sequence[float]]) -> Answers:
    probabilities = np.asarray(rows, float)
    wanted = (len(images), features.NUM_CLASSES)
    if len(names) != len(images) or probabilities.shape != wanted:
        raise ValueError(probabilities.shape)
    return Answers(names, probabilities)


def find_fault(address: str, model: str, version: int) -> str | None:
    """Asks over REST how far the server is with a version.

    Returns:
        None if the version is available, else a phrase on its state.

    Raises:
        ServerError: the server says that it can't be loaded, or is another program.
    """
    url = f"http://{address}/v1/models/{model}/versions/{version}"
    try:
        body = requests.get(url, timeout=_TIMEOUT_S).json()
    except (requests.RequestException, json.JSONDecodeError) as error:
        return f"no answer from {url} ({type(error).__name__})"
    with _reading(url):
        states = body.get("model_version_status")
        if not states:
            return str(body.get("error", body))
        [state] = states
        if state["state"] == "AVAILABLE":
            return None
        if state["state"] == "END":
            raise ServerError(f"it could not load it: {state['status']['error_message']}")
        return f"its state is {state['state']}"
