"""What tests need of the machine, and Fashion-MNIST itself for those that need the real set."""

import os

import pytest

from pipeline import config
from pipeline.data import download, sources
from pipeline.data.preparation import Source
from pipeline.errors import UserError

REQUIRE_ALL = "REQUIRE_ALL"
"""Set where nothing may be skipped for want of something, as `.ci/run` does."""

OPTIONAL = ("TensorFlow Serving in Docker", "Docker Compose", "Prism")
"""What even such a machine may lack: a test that needs it is skipped anywhere."""


def require(thing: str, obstacle: str | None) -> None:
    """Ends a test that lacks something: skips it, or fails it under `REQUIRE_ALL`.

    Args:
        thing: what the test needs, one of `OPTIONAL` or not.
        obstacle: why it is not to be had, and how it would be; None where it is.
    """
    if obstacle is None:
        return
    reason = f"needs {thing}: {obstacle}"
    if os.environ.get(REQUIRE_ALL) and thing not in OPTIONAL:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def fashion_mnist() -> Source:
    """Where this machine has it."""

    def refuse(directory, progress):
        raise download.UnreachableError(
            f"fetch it with `python -m pipeline.dataset prepare`, or name a directory that has it "
            f"in ${sources.ENVIRONMENT_VARIABLE}"
        )

    settings = config.Dataset(name="fashion_mnist")
    try:
        return sources.find(settings, lambda *_: None, fetch=refuse)
    except UserError as error:
        require("Fashion-MNIST on this machine", str(error))
        raise
