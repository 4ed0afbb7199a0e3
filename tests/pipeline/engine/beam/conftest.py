import socket

import pytest


@pytest.fixture
def free_port():
    """One at which nobody listens: bound, so that nobody else takes it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
