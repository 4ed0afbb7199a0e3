"""Asks TensorFlow Serving what a picture shows, over REST or gRPC.

python -m deploy.client IMAGE…                   over REST
python -m deploy.client --grpc IMAGE…            over gRPC
python -m deploy.client --label previous IMAGE…  the version before the live one
"""

if __name__ == "__main__":
    # First, as the imports below take a while.
    from pipeline import interrupt

    interrupt.leave_at_once()

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from components.model_server.client import Answers, ServerError, ask_grpc, ask_rest
from components.model_store.models_config import LIVE_LABEL, PREVIOUS_LABEL
from pipeline.data import garment
from pipeline.errors import UserError
from pipeline.screen import arguments, command_line
from pipeline.screen.arguments import one_of
from pipeline.screen.command_line import Answer
from pipeline.workspace import MODEL_NAME
from trainer_module import features, served

PROGRAM = "python -m deploy.client"


def main(argv: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Classifies the pictures and prints a line for each.

    Args:
        argv: the arguments; those of the process if None.
        program: how it is called, for its help.

    Returns:
        The exit code, 0.

    Raises:
        UserError: a picture can't be read, or the server does not answer.
    """
    parsed = _parse(argv, program)
    return command_line.answer(lambda console: _ask(parsed, console), as_json=parsed.json)


def _parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = arguments.make_parser(program, "Asks TensorFlow Serving what pictures show.")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="PNG or JPEG")
    parser.add_argument("--grpc", action="store_true", help="over gRPC instead of REST")
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="(default: localhost:8501, with --grpc :8500)"
    )
    labels = (LIVE_LABEL, PREVIOUS_LABEL)
    parser.add_argument(
        "--label",
        type=one_of(labels),
        metavar="LABEL",
        help=f"the version to ask, {' or '.join(labels)} (default: the server's)",
    )
    arguments.add_json_flag(parser)
    return parser.parse_args(argv)


def _ask(parsed: argparse.Namespace, console: Console) -> Answer:
    garments = [garment.read_garment(image) for image in parsed.images]
    images = [one.pixels for one in garments if not one.blank]
    ask, port = (ask_grpc, 8500) if parsed.grpc else (ask_rest, 8501)
    address = parsed.address or f"localhost:{port}"
    try:
        asked = (
            ask(address, MODEL_NAME, np.stack(images), parsed.label)
            if images
            else Answers((), np.empty(0))
        )
    except ServerError as error:
        raise UserError(
            f"The model server did not answer as asked ({error}): start the server with "
            "`docker compose -f deploy/compose.yaml up`, or name another with --address."
        ) from error
    answers = zip(asked.class_names, asked.probabilities, strict=True)
    found = [
        _describe(image, None if one.blank else next(answers))
        for image, one in zip(parsed.images, garments, strict=True)
    ]
    for one in found:
        said = "blank, nothing to classify"
        if one["class"]:
            said = f"{one['class']}, {max(one[served.PROBABILITIES].values()):.1%}"
        console.print(f"{one['file']}: {said}", soft_wrap=True, markup=False, highlight=False)
    return Answer({"pictures": found})


def _describe(image: Path, answer: tuple[str, np.ndarray] | None) -> dict[str, Any]:
    """The object for JSON, as `predict` of `pipeline.serving` has it; None stands for blank."""
    if answer is None:
        return {"file": str(image), "class": None, served.PROBABILITIES: None}
    name, probabilities = answer
    named = zip(features.CLASS_NAMES, probabilities.tolist(), strict=True)
    return {"file": str(image), "class": name, served.PROBABILITIES: dict(named)}


if __name__ == "__main__":
    command_line.exit_with(main)
