"""The compose file, and the server itself where Docker and its image are present."""

import os
import re
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import requests
import yaml

from components.model_server import image
from components.model_server.client import ask_grpc, ask_rest
from components.model_store.manifest import SERVER_DIRECTORY, ModelFacts
from components.model_store.store import Store
from deploy import client
from tests.conftest import require

DEPLOY = Path(client.__file__).parent
COMPOSE = DEPLOY / "compose.yaml"


@pytest.fixture(scope="module")
def service():
    [service] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"].values()
    return service


def flags(service):
    return dict(flag.removeprefix("--").split("=") for flag in service["command"])


def test_image_is_the_one_that_the_infra_validator_takes(service):
    assert service["image"] == image.SERVER_IMAGE


def test_server_finds_the_models_where_models_config_says(service):
    directory = SERVER_DIRECTORY
    assert flags(service)["model_config_file"] == f"{directory}/models.config"
    assert f"${{SERVING_DIR:-../output/serving}}:{directory}:ro" in service["volumes"]
    assert int(flags(service)["model_config_file_poll_wait_seconds"]) > 0


def test_models_are_warmed_up_and_the_server_is_monitored(service):
    assert flags(service)["enable_model_warmup"] == "true"
    mounts = dict(volume.rsplit(":", 2)[:2] for volume in service["volumes"])
    assert mounts["./monitoring.config"] == flags(service)["monitoring_config_file"]
    text = (DEPLOY / "monitoring.config").read_text(encoding="utf-8")
    assert re.search(r"prometheus_config \{\s+enable: true\s+path: ", text)


def test_server_is_reached_from_this_machine_only(service):
    assert len(service["ports"]) == 2
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def running(tmp_path, model_directory):
    """The server on two pushes; its REST address, its gRPC address and the store."""
    require("TensorFlow Serving in Docker", image.find_obstacle())
    asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    require("Docker Compose", "`docker compose version` fails" if asked.returncode else None)
    store = Store(tmp_path / "serving" / "tinyvgg")
    store.push(Path(model_directory), ModelFacts())
    rest, grpc = free_port(), free_port()
    environment = {
        **os.environ,
        "SERVING_DIR": str(tmp_path / "serving"),
        "REST_PORT": str(rest),
        "GRPC_PORT": str(grpc),
    }
    compose = ["docker", "compose", "-f", COMPOSE, "-p", f"test-{rest}"]
    subprocess.run([*compose, "up", "-d"], env=environment, check=True, timeout=120)
    try:
        wait_until_served(rest)
        yield f"127.0.0.1:{rest}", f"127.0.0.1:{grpc}"
    finally:
        subprocess.run([*compose, "down"], env=environment, check=True, timeout=120)


def wait_until_served(port):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            url = f"http://127.0.0.1:{port}/v1/models/tinyvgg"
            if "AVAILABLE" in requests.get(url, timeout=2).text:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.5)
    pytest.fail("the model was not served within 60 s")


def test_real_server_answers_over_rest_and_grpc_and_is_monitored(running):
    rest, grpc = running
    images = np.zeros([2, 28, 28], np.uint8)
    over_rest = ask_rest(rest, "tinyvgg", images, "live")
    over_grpc = ask_grpc(grpc, "tinyvgg", images, "live")
    assert over_rest.class_names == over_grpc.class_names
    metrics = requests.get(f"http://{rest}/monitoring/prometheus/metrics", timeout=5).text
    assert "tensorflow" in metrics
