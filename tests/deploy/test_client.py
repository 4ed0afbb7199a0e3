import json

import numpy as np
import pytest

from components.serving_check.probe.loaders import ServerLoader
from deploy import client
from pipeline.errors import UserError
from tests import model_server
from trainer_module import features

IMAGES = np.random.default_rng(3).integers(0, 256, (3, 28, 28), np.uint8)


@pytest.fixture
def pictures(encode_png, tmp_path):
    files = [tmp_path / f"{number}.png" for number in range(len(IMAGES))]
    for file, image in zip(files, IMAGES, strict=True):
        file.write_bytes(encode_png(image))
    return files


@pytest.fixture
def blank(encode_png, tmp_path):
    file = tmp_path / "blank.png"
    file.write_bytes(encode_png(np.full((50, 40), 255, np.uint8)))
    return file


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_command_prints_a_line_for_each_picture(way, model_directory, pictures, blank, capsys):
    model = ServerLoader(model_directory)
    expected = model.bind("predict_images", {"images": IMAGES})()
    with getattr(model_server, f"{way}_server")(model) as port:
        flags = ["--grpc"] if way == "grpc" else []
        address = f"127.0.0.1:{port}"
        files = [str(blank), *map(str, pictures)]
        assert client.main([*files, "--address", address, *flags]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == f"{blank}: blank, nothing to classify"
    named = zip(pictures, expected["class_name"], expected["probabilities"], strict=True)
    assert lines == [f"{file}: {name.decode()}, {row.max():.1%}" for file, name, row in named]


def test_answer_is_one_object_with_all_probabilities(model_directory, pictures, blank, capsys):
    model = ServerLoader(model_directory)
    expected = model.bind("predict_images", {"images": IMAGES})()
    with model_server.rest_server(model) as port:
        files = [str(blank), *map(str, pictures)]
        assert client.main(["--json", *files, "--address", f"127.0.0.1:{port}"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    first, *others = json.loads(line)["pictures"]
    assert first == {"file": str(blank), "class": None, "probabilities": None}
    named = zip(others, expected["class_name"], expected["probabilities"], strict=True)
    for one, name, row in named:
        assert one["class"] == name.decode()
        assert list(one["probabilities"]) == list(features.CLASS_NAMES)
        np.testing.assert_allclose(list(one["probabilities"].values()), row, atol=1e-6)


def test_server_is_not_asked_of_blank_pictures_alone(blank, capsys):
    assert client.main([str(blank), "--address", "127.0.0.1:1"]) == 0
    assert capsys.readouterr().out == f"{blank}: blank, nothing to classify\n"


def test_server_that_is_not_there_is_a_sentence_with_the_way_out(pictures):
    with pytest.raises(UserError, match="start the server with `docker compose"):
        client.main([str(pictures[0]), "--address", "127.0.0.1:1"])
