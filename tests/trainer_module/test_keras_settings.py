import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components import quiet
from trainer_module import keras_settings

CHECKOUT = Path(__file__).resolve().parents[2]

DEFAULTS = {
    "backend": "tensorflow",
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
    "dtype_policy": "float32",
    "max_epochs": None,
    "max_steps_per_epoch": None,
}

SHOW = f"""
import json, keras
values = {{name: getattr(keras.config, name)() for name in {list(DEFAULTS)}}}
values["dtype_policy"] = values["dtype_policy"].name
print(json.dumps(values))
"""

TRAINABLE = """
from trainer_module import model
network = model.build_model(
    filters=[4, 4], convolutions=3, padding="valid", batch_norm=True, dropout=0.1
)
kinds = {one.dtype for one in [*network.weights, *network.outputs]}
assert kinds == {"float32"}, kinds
"""


def run(program: str, environment: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, **quiet.ENVIRONMENT},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def hostile(tmp_path):
    """An environment of which Keras reads what is given; variables are set as well."""

    def hostile(settings: object = None, **variables: str) -> dict[str, str]:
        for home in (tmp_path / "keras", tmp_path / ".keras"):
            home.mkdir()
            (home / "keras.json").write_text(json.dumps(settings or {}))
        return {
            **os.environ,
            "HOME": str(tmp_path),
            "KERAS_HOME": str(tmp_path / "keras"),
            **variables,
        }

    return hostile


SETTINGS = {"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first"}
VARIABLES = {"KERAS_BACKEND": "torch", "KERAS_MAX_EPOCHS": "1", "KERAS_MAX_STEPS_PER_EPOCH": "1"}


# The last one ends a process that so much as reads it.
@pytest.mark.parametrize("settings", [{**SETTINGS, "backend": "torch"}, ["not", "settings"]])
def test_isolated_process_has_the_defaults_whatever_the_machine_has(hostile, settings):
    environment = hostile(settings, TF_USE_LEGACY_KERAS="0", **VARIABLES)
    ended = run(SHOW + TRAINABLE, keras_settings.isolate(environment))
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == DEFAULTS


def test_isolated_process_leaves_the_home_directory_alone(tmp_path):
    environment = keras_settings.isolate({**os.environ, "HOME": str(tmp_path)})
    assert run("import keras", environment).returncode == 0
    assert not (tmp_path / ".keras").exists()


def test_all_but_keras_stays_in_the_environment():
    given = {"PATH": "/bin", "TF_ENABLE_ONEDNN_OPTS": "0", "TF_USE_LEGACY_KERAS": "1", **VARIABLES}
    assert keras_settings.isolate(given) == {
        "PATH": "/bin",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "KERAS_HOME": os.devnull,
        "KERAS_BACKEND": "tensorflow",
    }


def test_a_process_that_is_not_isolated_is_set_right_where_training_begins(hostile):
    program = f"""
import keras
keras.config.set_dtype_policy("mixed_float16")
from trainer_module import keras_settings
keras_settings.pin()
{SHOW}{TRAINABLE}"""
    ended = run(program, hostile(SETTINGS, KERAS_MAX_EPOCHS="1", KERAS_MAX_STEPS_PER_EPOCH="1"))
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == DEFAULTS


def test_another_backend_is_a_sentence(monkeypatch):
    import keras

    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match=r"Keras runs on jax here.* KERAS_BACKEND=tensorflow"):
        keras_settings.pin()
