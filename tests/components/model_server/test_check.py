from dataclasses import replace

import numpy as np
import pytest

from components.model_server import check, process
from components.model_server.client import Answers, ServerError

SERVER = process.Server("/bin/server")
IMAGES = np.zeros([2, 28, 28], np.uint8)
EXPECTED = {"class_name": ["Shirt", "Coat"], "probabilities": [[0.9, 0.1], [0.2, 0.8]]}
ANSWERS = Answers(["Shirt", "Coat"], np.array([[0.9, 0.1], [0.2, 0.8]]))


@pytest.fixture
def ask(monkeypatch, tmp_path):
    """Checks against a server that answers so, or fails."""

    def ask(over_rest, over_grpc=ANSWERS):
        class Serve:
            def __init__(self, *arguments):
                assert arguments == (SERVER, tmp_path, "tinyvgg", 3, 9.0)

            def __enter__(self):
                return process.Addresses("rest:1", "grpc:1")

            def __exit__(self, *exception):
                pass

        def answer(answers, expected_address):
            def answer(address, model, images):
                assert (address, model) == (expected_address, "tinyvgg")
                assert images is IMAGES
                if isinstance(answers, Exception):
                    raise answers
                return answers

            return answer

        monkeypatch.setattr(check, "serve", Serve)
        monkeypatch.setattr(check, "ask_rest", answer(over_rest, "rest:1"))
        monkeypatch.setattr(check, "ask_grpc", answer(over_grpc, "grpc:1"))
        return check.check_on_server(SERVER, tmp_path, "tinyvgg", 3, IMAGES, EXPECTED, 1e-5, 9.0)

    return ask


def test_equal_answers_are_no_fault(ask):
    near = replace(ANSWERS, probabilities=ANSWERS.probabilities + 9e-6)
    assert ask(near) == []


def test_other_answers_are_told_with_the_way_they_came(ask):
    other = Answers(["Shirt", "Bag"], np.array([[0.9, 0.1], [0.25, 0.75]]))
    assert ask(ANSWERS, other) == [
        "the server answers other classes over gRPC",
        "the server answers probabilities that differ by 0.05 over gRPC, and may by 1e-05",
    ]


def test_answers_that_are_no_numbers_are_a_fault(ask):
    nothing = replace(ANSWERS, probabilities=ANSWERS.probabilities * np.nan)
    [reason] = ask(nothing)
    assert reason.startswith("the server answers probabilities that differ by nan over REST")


def test_refusal_of_the_server_is_a_fault(ask):
    assert ask(ServerError("it refused: no variables")) == ["it refused: no variables"]
