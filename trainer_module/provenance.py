"""What made a model: written by the Trainer into the model, and read wherever one is told of it.

Free of TensorFlow.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PROVENANCE_FILE = Path("assets.extra", "provenance.json")
"""Below a SavedModel, where loaders and servers pass by what they do not know."""


@dataclass(frozen=True)
class Provenance:
    """What a model was made of.

    Attributes:
        settings: those that the training went by, by group: `model`, `augmentation`, `training`
            and `learning_rate`, whose `peak` is the one that was used.
        dataset: the name of the directory with the records.
        source: the fingerprint of the code that trained.
        commit: of that code, 40 hexadecimal digits, and `-dirty` if tracked files had changed;
            empty where it is not known.
        versions: of Python and the libraries, by name.
    """

    settings: Mapping[str, Mapping[str, Any]]
    dataset: str
    source: str
    commit: str
    versions: Mapping[str, str]

    @property
    def seed(self) -> int | None:
        """The seed of the training."""
        return self.settings.get("training", {}).get("seed")


def write(provenance: Provenance, model: Path) -> None:
    """Writes it into a SavedModel.

    Args:
        provenance: what made the model.
        model: the directory of the SavedModel.
    """
    file = model / PROVENANCE_FILE
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(asdict(provenance), indent=1) + "\n", encoding="utf-8")


def read(model: Path) -> Provenance | None:
    """Reads what made a model.

    Args:
        model: the directory of the SavedModel.

    Returns:
        None where the model does not tell: an earlier version of this project made it, or the
        file is damaged.
    """
    try:
        document = json.loads((model / PROVENANCE_FILE).read_text(encoding="utf-8"))
        return Provenance(**document)
    except (OSError, TypeError, ValueError):
        return None
