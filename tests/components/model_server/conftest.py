"""A model to serve."""

from pathlib import Path

import pytest

from tests import served_model


@pytest.fixture(scope="session")
def model_directory(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("model") / "1"
    served_model.export(directory)
    return directory
