"""Makes packages unknown, however they are installed."""

import importlib.abc
from collections.abc import Collection
from importlib.machinery import ModuleSpec
from types import ModuleType


class Block(importlib.abc.Loader):
    """A finder for `sys.meta_path` that refuses to import packages.

    It finds them, and fails to load them: TensorFlow, which does without Keras, looks for it first.

    Example:
        sys.meta_path.insert(0, Block({"tfx"}))
    """

    def __init__(self, names: Collection[str]) -> None:
        """Takes the names of the packages."""
        self._names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Takes on what is in one of the packages, and leaves the rest to others."""
        return ModuleSpec(name, self) if name.partition(".")[0] in self._names else None

    def exec_module(self, module: ModuleType) -> None:
        """Refuses."""
        raise ModuleNotFoundError(f"{module.__name__} must not be needed to serve a model")
