"""Asks TensorFlow Serving what a picture shows, over REST or gRPC.

python -m deploy.client IMAGE…                   over REST
python -m deploy.client --grpc IMAGE…            over gRPC
python -m deploy.client --label previous IMAGE…  the version before the live one
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import requests

from components.atomic_pusher.models_config import LIVE_LABEL, PREVIOUS_LABEL
from pipeline import command_line, garment
from pipeline.errors import ExitCode, UserError
from pipeline.workspace import MODEL_NAME

SIGNATURE = "predict_images"
INPUT = "images"
CLASS, PROBABILITIES = "class_name", "probabilities"

_TIMEOUT_S = 10.0

Answer = tuple[str, float]
"""The name of a class, and its probability."""


def build_rest_request(images: np.ndarray) -> dict[str, Any]:
    """Builds the body of a predict request over REST.

    Args:
        images: uint8 [N, 28, 28], as `garment.read_garment` reads them.

    Returns:
        The JSON object, in the row format: an instance a picture.
    """
    return {"signature_name": SIGNATURE, "instances": [{INPUT: image.tolist()} for image in images]}


def parse_rest_response(body: dict[str, Any]) -> list[Answer]:
    """Reads the body of the response: the most probable class of each picture."""
    return [(one[CLASS], max(one[PROBABILITIES])) for one in body["predictions"]]


def build_grpc_request(images: np.ndarray, label: str | None = None):
    """Builds a predict request over gRPC.

    Args:
        images: uint8 [N, 28, 28].
        label: `live` or `previous`; if None, the server's default, the newest or pinned one.

    Returns:
        A `PredictRequest`.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = MODEL_NAME
    request.model_spec.signature_name = SIGNATURE
    if label:
        request.model_spec.version_label = label
    request.inputs[INPUT].CopyFrom(tf.make_tensor_proto(images, tf.uint8))
    return request


def parse_grpc_response(response) -> list[Answer]:
    """Reads a `PredictResponse`: the most probable class of each picture."""
    import tensorflow as tf

    outputs = {name: tf.make_ndarray(value) for name, value in response.outputs.items()}
    names = [name.decode() for name in outputs[CLASS]]
    return list(zip(names, outputs[PROBABILITIES].max(axis=1).tolist(), strict=True))


def ask_rest(address: str, images: np.ndarray, label: str | None = None) -> list[Answer]:
    """Sends the pictures over REST.

    Args:
        address: host and port.
        images: uint8 [N, 28, 28].
        label: as for `build_grpc_request`.

    Returns:
        An answer a picture.

    Raises:
        UserError: the server can't be reached, or refused.
    """
    version = f"/labels/{label}" if label else ""
    url = f"http://{address}/v1/models/{MODEL_NAME}{version}:predict"
    try:
        response = requests.post(url, json=build_rest_request(images), timeout=_TIMEOUT_S)
        body = response.json()
    except (requests.RequestException, json.JSONDecodeError) as error:
        raise UserError(
            f"No answer from {url} ({type(error).__name__}): start the server with "
            "`docker compose -f deploy/compose.yaml up`, or name another with --address."
        ) from error
    if not response.ok:
        raise UserError(f"{url} refused: {body.get('error', response.reason)}.")
    return parse_rest_response(body)


def ask_grpc(address: str, images: np.ndarray, label: str | None = None) -> list[Answer]:
    """Sends the pictures over gRPC; arguments, result and errors are those of `ask_rest`."""
    import grpc
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        try:
            response = stub.Predict(build_grpc_request(images, label), timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            raise UserError(
                f"No answer from {address} over gRPC ({error.code().name}: {error.details()}): "
                "start the server with `docker compose -f deploy/compose.yaml up`, or name "
                "another with --address."
            ) from error
    return parse_grpc_response(response)


def main(argv: Sequence[str] | None = None) -> int:
    """Classifies the pictures and prints a line for each.

    Args:
        argv: the arguments; those of the process if None.

    Returns:
        The exit code, 0.

    Raises:
        UserError: a picture can't be read, or the server does not answer.
    """
    parser = argparse.ArgumentParser(
        prog="python -m deploy.client", description="Asks TensorFlow Serving what pictures show."
    )
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="PNG or JPEG")
    parser.add_argument("--grpc", action="store_true", help="over gRPC instead of REST")
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="(default: localhost:8501, with --grpc :8500)"
    )
    parser.add_argument(
        "--label",
        choices=(LIVE_LABEL, PREVIOUS_LABEL),
        help="the version to ask (default: the server's)",
    )
    arguments = parser.parse_args(argv)
    garments = [garment.read_garment(image) for image in arguments.images]
    images = [one.pixels for one in garments if not one.blank]
    ask, port = (ask_grpc, 8500) if arguments.grpc else (ask_rest, 8501)
    address = arguments.address or f"localhost:{port}"
    answers = iter(ask(address, np.stack(images), arguments.label) if images else [])
    for image, one in zip(arguments.images, garments, strict=True):
        if one.blank:
            print(f"{image}: blank, nothing to classify")
        else:
            name, probability = next(answers)
            print(f"{image}: {name}, {probability:.1%}")
    return ExitCode.OK


if __name__ == "__main__":
    command_line.exit_with(main)
