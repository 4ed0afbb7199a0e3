"""A served model, and pictures."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from tests import served_model


@pytest.fixture
def encode_png() -> Callable[[np.ndarray], bytes]:
    def encode_png(image: np.ndarray) -> bytes:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        return file.getvalue()

    return encode_png


@pytest.fixture(scope="session")
def model_directory(tmp_path_factory) -> str:
    directory = tmp_path_factory.mktemp("model") / "1"
    served_model.export(directory)
    return str(directory)
