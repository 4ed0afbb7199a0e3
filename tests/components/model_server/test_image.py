import subprocess

import pytest

from components.model_server import image


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """Has a docker command that answers so."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def docker(code, text):
        command = tmp_path / "docker"
        command.write_text(f"#!/bin/sh\necho '{text}' >&2\nexit {code}\n")
        command.chmod(0o755)

    return docker


def test_without_docker_it_says_so(docker):
    assert image.find_obstacle() == "there is no docker command"


@pytest.mark.parametrize(
    ("code", "text", "obstacle"),
    [
        (0, "", None),
        (
            1,
            "Error response from daemon: No such image: tensorflow/serving",
            f"the image is not here: `docker pull {image.SERVER_IMAGE}`",
        ),
        (
            1,
            "Cannot connect to the Docker daemon",
            "Docker says: Cannot connect to the Docker daemon",
        ),
    ],
)
def test_obstacle_is_what_docker_says(docker, code, text, obstacle):
    docker(code, text)
    assert image.find_obstacle() == obstacle


def test_docker_that_does_not_answer_is_an_obstacle(monkeypatch):
    def hang(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    assert image.find_obstacle() == "Docker does not answer"
