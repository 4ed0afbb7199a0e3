"""Makes packages unknown, however they are installed."""

from collections.abc import Collection


class Block:
    """A finder for `sys.meta_path` that refuses to import packages.

    Example:
        sys.meta_path.insert(0, Block({"tfx"}))
    """

    def __init__(self, names: Collection[str]) -> None:
        """Takes the names of the packages."""
        self._names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuses what is in one of the packages, and leaves the rest to others."""
        if name.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"{name} must not be needed to serve a model")
