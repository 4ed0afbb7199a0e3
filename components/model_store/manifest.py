"""The serving directory's manifest: what was pushed, when, and from which run."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from components.model_store import files
from components.model_store.models_config import ModelsConfig

_Type = TypeVar("_Type")

MANIFEST_FILE = "manifest.json"

SERVER_DIRECTORY = "/models"
"""The serving directory as a model server sees it, where nobody says otherwise."""

LAST_NUMBER = 2**63 - 1
"""The highest version: a server reads 64 bits with a sign."""

Reason = Literal["rolled back", "damaged"]
"""Why a version was moved aside."""


class StoreError(Exception):
    """The serving directory refuses: one sentence that says what, where and what to do."""


@dataclass(frozen=True)
class ModelFacts:
    """Where a model comes from; text that is not known is empty.

    Attributes:
        run: the id of the run that pushed it.
        source: the fingerprint of the code that made it.
        commit: of that code, with `-dirty` if tracked files had changed.
        dataset: what it was trained on.
        metrics: figures on the test split, by name.
    """

    run: str = ""
    source: str = ""
    commit: str = ""
    dataset: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """What a push left in the manifest.

    Attributes:
        pushed: when, in UTC, as in ISO 8601.
        facts: where the model comes from.
        files: SHA-256 by the path of each file.
        withdrawn: why it was moved aside, if it was.
        identity: the same for models of the same weights and graph; empty if not known.
    """

    pushed: str
    facts: ModelFacts
    files: Mapping[str, str]
    withdrawn: Reason | None = None
    identity: str = ""

    def is_twin(self, digests: Mapping[str, str], identity: str) -> bool:
        """Says whether a model with these checksums and this identity is the same one."""
        return self.files == digests or bool(identity and self.identity == identity)


@dataclass(frozen=True)
class Manifest:
    """All records, by version.

    Attributes:
        last_version: the highest number that was ever given, pruned ones included.
        pinned: the version that is to stay live, if any.
        rolling_back: the version to which a rollback is under way, or was interrupted.
        given_up: a sentence on the last rollback, if it could not come to its end.
        server_directory: the serving directory as a model server sees it, absolute.
        records: a record is written before its version becomes visible, so one without a
            directory is of a push that did not come to its end, or of a removed version.
    """

    last_version: int = 0
    pinned: int | None = None
    rolling_back: int | None = None
    given_up: str = ""
    server_directory: str = SERVER_DIRECTORY
    records: Mapping[int, Record] = field(default_factory=dict)

    def with_record(self, version: int, record: Record) -> "Manifest":
        """Adds or replaces a record."""
        return replace(
            self,
            last_version=max(self.last_version, version),
            records={**self.records, version: record},
        )

    def with_withdrawn(self, version: int, reason: Reason | None) -> "Manifest":
        """Notes why a version is moved aside; None that it is back. Needs a record."""
        if version not in self.records:
            return self
        return self.with_record(version, replace(self.records[version], withdrawn=reason))


def read(directory: Path) -> Manifest:
    """Reads the manifest; an empty one where there is none.

    Raises:
        StoreError: it can't be read or is damaged.
    """
    path = directory / MANIFEST_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if "server_directory" not in document:
            # An earlier version of this project told the server alone.
            told = ModelsConfig(directory.parent, directory.name).find_server_directory()
            document["server_directory"] = told or SERVER_DIRECTORY
        return _parse(document)
    except (FileNotFoundError, NotADirectoryError):
        return Manifest()
    except OSError as error:
        raise StoreError(
            f"{path} can't be read: {error.strerror}; mend its permissions."
        ) from error
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path} is damaged: restore it, or remove it, which loses where the versions come "
            "from, a pin and the server's directory, but none of the versions."
        ) from error


def write(directory: Path, manifest: Manifest) -> None:
    """Replaces the manifest, flushed to disk.

    Raises:
        OSError: it can't be written; the old one stays.
    """
    document = asdict(manifest)
    document["records"] = {str(version): one for version, one in document["records"].items()}
    files.write_atomically(directory / MANIFEST_FILE, json.dumps(document, indent=1) + "\n")


def _parse(document: dict[str, Any]) -> Manifest:
    """Takes what earlier versions of this project wrote too, and nothing that makes no sense."""
    return Manifest(
        last_version=_number(document["last_version"]),
        pinned=_optional_number(document["pinned"]),
        rolling_back=_optional_number(document["rolling_back"]),
        given_up=_typed(document.get("given_up", ""), str),
        server_directory=_typed(document["server_directory"], str),
        records={_key(key): _record(one) for key, one in document["records"].items()},
    )


def _record(document: dict[str, Any]) -> Record:
    record = Record(**{**document, "facts": ModelFacts(**document["facts"])})
    facts = record.facts
    told = (facts.run, facts.source, facts.commit, facts.dataset)
    for text in (record.pushed, record.identity, *told):
        _typed(text, str)
    for digest in record.files.values():
        _typed(digest, str)
    for figure in facts.metrics.values():
        _typed(figure, float, int)
    if record.withdrawn not in (None, *get_args(Reason)):
        raise ValueError(record.withdrawn)
    return record


def _key(text: str) -> int:
    number = _number(int(text))
    if text != str(number):
        raise ValueError(text)
    return number


def _number(value: object) -> int:
    number = _typed(value, int)
    if not 0 <= number <= LAST_NUMBER:
        raise ValueError(value)
    return number


def _optional_number(value: object) -> int | None:
    return None if value is None else _number(value)


def _typed(value: object, *types: type[_Type]) -> _Type:
    # True is an int to Python.
    if not isinstance(value, types) or isinstance(value, bool):
        raise TypeError(value)
    return value
