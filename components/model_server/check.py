"""Holds what a real server answers against what was recorded."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from components.model_server.client import CLASS, PROBABILITIES, ServerError, ask_grpc, ask_rest
from components.model_server.process import Server, serve


def check_on_server(
    server: Server,
    version_directory: Path,
    model: str,
    version: int,
    images: np.ndarray,
    expected: Mapping[str, Sequence],
    tolerance: float,
    timeout_s: float,
) -> list[str]:
    """Serves a version on this machine, and asks over REST and gRPC.

    Args:
        server: the program, or the image.
        version_directory: the SavedModel's.
        model: the name that the server knows it by.
        version: its number.
        images: uint8 [N, 28, 28], N > 0.
        expected: what should be answered, `probabilities` and `class_name`; what is not there
            is not compared.
        tolerance: how far a probability may be from the expected.
        timeout_s: how long the server may take until it serves, in seconds.

    Returns:
        A phrase for each fault.
    """
    reasons = []
    try:
        with serve(server, version_directory, model, version, timeout_s) as addresses:
            for way, ask in (("REST", ask_rest), ("gRPC", ask_grpc)):
                address = addresses.rest if way == "REST" else addresses.grpc
                answers = ask(address, model, images)
                if CLASS in expected and list(answers.class_names) != list(expected[CLASS]):
                    reasons.append(f"the server answers other classes over {way}")
                if PROBABILITIES in expected:
                    difference = np.abs(answers.probabilities - expected[PROBABILITIES]).max()
                    if not difference <= tolerance:
                        reasons.append(
                            f"the server answers probabilities that differ by {difference:.2g} "
                            f"over {way}, and may by {tolerance:.2g}"
                        )
    except ServerError as error:
        reasons.append(str(error))
    return reasons
