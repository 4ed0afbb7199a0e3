"""Asks TensorFlow Serving what a picture shows, over REST or gRPC.

python -m deploy.client IMAGE…                   over REST
python -m deploy.client --grpc IMAGE…            over gRPC
python -m deploy.client --label previous IMAGE…  the version before the live one
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components.model_server.client import Answers, ServerError, ask_grpc, ask_rest
from components.model_store.models_config import LIVE_LABEL, PREVIOUS_LABEL
from pipeline.data import garment
from pipeline.errors import ExitCode, UserError
from pipeline.screen import command_line
from pipeline.workspace import MODEL_NAME


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
    try:
        asked = (
            ask(address, MODEL_NAME, np.stack(images), arguments.label)
            if images
            else Answers((), np.empty(0))
        )
    except ServerError as error:
        raise UserError(
            f"The model server did not answer as asked ({error}): start the server with "
            "`docker compose -f deploy/compose.yaml up`, or name another with --address."
        ) from error
    answers = zip(asked.class_names, asked.probabilities, strict=True)
    for image, one in zip(arguments.images, garments, strict=True):
        if one.blank:
            print(f"{image}: blank, nothing to classify")
        else:
            name, probabilities = next(answers)
            print(f"{image}: {name}, {probabilities.max():.1%}")
    return ExitCode.OK


if __name__ == "__main__":
    command_line.exit_with(main)
