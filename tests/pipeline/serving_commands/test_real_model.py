"""The commands on a model that TensorFlow loads."""

import pytest
from PIL import Image

from components.model_store.manifest import ModelFacts
from components.model_store.store import Store
from trainer_module import features


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import tensorflow as tf

    from tests import served_model

    def network(images, training):
        # The brighter, the higher the class.
        mean = tf.reduce_mean(images, [1, 2, 3])
        return tf.one_hot(tf.cast(10 * mean, tf.int32), 10)

    directory = tmp_path_factory.mktemp("model") / "model"
    served_model.export(directory, network)
    return directory


class TestRealModel:
    """A model with the project's signatures and warm-up requests."""

    @pytest.fixture
    def store(self, root, model):
        store = Store(root / "serving" / "tinyvgg")
        store.push(model, ModelFacts())
        return store

    def test_check_loads_it_and_compares_its_answers(self, store, run):
        code, lines = run("check", 1)
        assert code == 0, lines
        assert "answers   as recorded in it, at most 0 apart, in Python as well" in lines
        assert any(line.endswith("by TensorFlow's C API as a server does") for line in lines)

    def test_check_has_a_server_serve_it_too(self, store, run, tmp_path):
        from tests import model_server

        program = tmp_path / "model_server"
        model_server.write_program(program)
        code, lines = run("check", 1, "--server", program)
        assert code == 0, lines
        assert f"server    {program}, on this machine, over REST and gRPC" in lines

    def test_check_refuses_what_the_server_answers_otherwise(self, store, run, tmp_path):
        from tests import model_server, served_model

        # The server is given a directory, and serves another model.
        other = tmp_path / "models" / "1"
        other.parent.mkdir()
        served_model.export(other)
        program = tmp_path / "model_server"
        model_server.write_program(program)
        text = program.read_text()
        program.write_text(text.replace('"$@"', f'"$@" --model_base_path={other.parent}'))
        code, lines = run("check", 1, "--server", program)
        assert code == 1
        assert any(line.startswith("• the server answers probabilities that") for line in lines)

    def test_check_refuses_a_model_that_exceeds_a_limit(self, store, run):
        code, lines = run("check", 1, "--set", "serving.max_memory_mb=50")
        assert code == 1
        assert any(line.startswith("• the peak memory is ") for line in lines)

    def test_predict_classifies_pictures_of_any_size(self, store, run, tmp_path):
        files = []
        for level, suffix in ((10, "png"), (105, "jpg")):
            files.append(tmp_path / f"{level}.{suffix}")
            picture = Image.new("RGB", (60, 60), (level, level, level))
            picture.paste(3 * (level + 60,), (0, 0, 60, 1))
            picture.save(files[-1])
        _, lines = run("predict", *files)
        answers = [line.split()[0] for line in lines if "100.0%" in line]
        assert answers == [features.CLASS_NAMES[0], features.CLASS_NAMES[4]]
