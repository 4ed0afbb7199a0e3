"""The serving directory of the tests of the store."""

from tests.components.model_store.conftest import directory, make_model, store  # noqa: F401
