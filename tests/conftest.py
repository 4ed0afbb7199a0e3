"""Fashion-MNIST itself, for the tests that need the real set."""

import pytest

from pipeline import config
from pipeline.data import download, sources
from pipeline.data.preparation import Source
from pipeline.errors import UserError


@pytest.fixture(scope="session")
def fashion_mnist() -> Source:
    """Where this machine has it; tests that need it are skipped where it has not."""

    def refuse(directory, progress):
        raise download.UnreachableError("tests download nothing")

    settings = config.Dataset(name="fashion_mnist")
    try:
        return sources.find(settings, lambda *_: None, fetch=refuse)
    except UserError as error:
        pytest.skip(f"needs Fashion-MNIST on this machine: {error}")
