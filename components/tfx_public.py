"""TFX's public interface, with all the components that the graph needs.

Newer versions put None in the place of a component that can't be imported. What is then done with
it fails somewhere else, and says nothing of the cause: here it is said at once.
"""

import importlib

from tfx import v1 as tfx

__all__ = ["tfx"]

COMPONENTS = {
    "Evaluator": "evaluator",
    "ExampleValidator": "example_validator",
    "ImportExampleGen": "example_gen.import_example_gen",
    "ImportSchemaGen": "schema_gen.import_schema_gen",
    "InfraValidator": "infra_validator",
    "Pusher": "pusher",
    "SchemaGen": "schema_gen",
    "StatisticsGen": "statistics_gen",
    "Trainer": "trainer",
    "Transform": "transform",
}
"""Those that are needed, by the package in which TFX has each."""


def require(found: object) -> None:
    """Makes sure that no component is missing.

    Args:
        found: has them by name, as `tfx.components`.

    Raises:
        ImportError: one is; with the cause, where importing it says one.
    """
    for name, package in COMPONENTS.items():
        if getattr(found, name, None) is None:
            raise ImportError(
                f"TFX could not import its {name}, which the graph needs: install what "
                "`make setup` locks, or see to the cause above"
            ) from _find_cause(f"tfx.components.{package}.component")


def _find_cause(module: str) -> ImportError | None:
    try:
        importlib.import_module(module)
    except ImportError as error:
        return error
    return None


require(tfx.components)
