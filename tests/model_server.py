"""Stands in for TensorFlow Serving: its flags, its REST and gRPC, its loader by the C API.

python -m tests.model_server --port=8500 --rest_api_port=8501 --model_name=… --model_base_path=…
"""

import argparse
import functools
import http.server
import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from components.serving_check.probe.loaders import ServerLoader

MODEL = "tinyvgg"


class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers over gRPC."""

    def __init__(self, model):
        self.model = model

    def Predict(self, request, context):  # noqa: N802
        if request.model_spec.version_label == "previous" or request.model_spec.name != MODEL:
            context.abort(grpc.StatusCode.NOT_FOUND, "no version has the label previous")
        given = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        response = predict_pb2.PredictResponse()
        try:
            answers = self.model.bind(request.model_spec.signature_name, given)()
        except RuntimeError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        for name, value in answers.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers over REST, predictions in the row format."""

    def __init__(self, model, states, *arguments):
        self.model, self.states = model, states
        super().__init__(*arguments)

    def do_GET(self):
        state = self.states.get(self.path.rpartition("/")[2])
        if not state:
            return self.reply(404, {"error": f"Could not find any versions of {self.path}"})
        return self.reply(200, {"model_version_status": [state]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != f"/v1/models/{MODEL}:predict":
            return self.reply(404, {"error": f"Servable not found for {self.path}"})
        images = np.array([one["images"] for one in body["instances"]], np.uint8)
        try:
            answers = self.model.bind(body["signature_name"], {"images": images})()
        except RuntimeError as error:
            return self.reply(400, {"error": str(error)})
        rows = zip(answers["class_name"], answers["probabilities"], strict=True)
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


@contextmanager
def grpc_server(model, port: int = 0) -> Iterator[int]:
    """Serves over gRPC on loopback; yields the port."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Servicer(model), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    yield port
    server.stop(None)


@contextmanager
def rest_server(model, states: dict | None = None, port: int = 0) -> Iterator[int]:
    """Serves over REST on loopback; yields the port. `states` has the status by version."""
    handler = functools.partial(Handler, model, states or {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def write_program(program: Path) -> None:
    """Writes an executable that stands in for the server; `pid` beside it has its process id."""
    checkout = Path(__file__).parents[1]
    program.write_text(
        f"""#!/bin/sh
echo $$ > {program.parent}/pid
cd {checkout} && exec {sys.executable} -m tests.model_server "$@"
"""
    )
    program.chmod(0o755)


def main() -> None:
    parser = argparse.ArgumentParser()
    for flag in ("--port", "--rest_api_port"):
        parser.add_argument(flag, type=int, required=True)
    for flag in ("--model_name", "--model_base_path", "--enable_model_warmup"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--grpc_channel_arguments")
    arguments = parser.parse_args()
    [version] = Path(arguments.model_base_path).iterdir()
    states = {version.name: {"version": version.name, "state": "LOADING"}}
    model = None
    try:
        model = ServerLoader(str(version))
    except RuntimeError as error:
        states[version.name].update(state="END", status={"error_message": str(error)})
    with (
        grpc_server(model, arguments.port),
        rest_server(model, states, arguments.rest_api_port),
    ):
        if model:
            states[version.name]["state"] = "AVAILABLE"
        # Until it is ended; not for ever, should its test be killed.
        time.sleep(120)


if __name__ == "__main__":
    main()
