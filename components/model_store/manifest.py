"""The serving directory's manifest: what was pushed, when, and from which run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from components.model_store import files
from components.model_store.models_config import ModelsConfig

MANIFEST_FILE = "manifest.json"

SERVER_DIRECTORY = "/models"
"""The serving directory as a model server sees it, where nobody says otherwise."""

LAST_NUMBER = 2**63 - 1
"""The highest version: a server reads 64 bits with a sign."""

Reason = Literal["rolled back", "damaged"]
"""Why a version was moved aside."""


class StoreError(Exception):
    """The serving directory refuses: one sentence that says what, where and what to do."""


class _Model(pydantic.BaseModel):
    """A part of the manifest: immutable, and strict about names, types and ranges."""

    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, strict=True, ser_json_inf_nan="constants"
    )


class ModelFacts(_Model):
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
    metrics: dict[str, float] = {}


class Record(_Model):
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
    files: dict[str, str]
    withdrawn: Reason | None = None
    identity: str = ""

    def is_twin(self, digests: Mapping[str, str], identity: str) -> bool:
        """Says whether a model with these checksums and this identity is the same one."""
        return self.files == digests or bool(identity and self.identity == identity)


def _read_key(key: object) -> object:
    if isinstance(key, str) and (not key.isascii() or key != str(int(key))):
        raise ValueError(f"{key} should be a number in digits alone")
    return int(key) if isinstance(key, str) else key


Number = Annotated[int, Field(ge=0, le=LAST_NUMBER)]


class Manifest(_Model):
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

    # What a later version of this project may add is let pass.
    model_config = pydantic.ConfigDict(extra="ignore")

    last_version: Number = 0
    pinned: Number | None = None
    rolling_back: Number | None = None
    given_up: str = ""
    server_directory: str = SERVER_DIRECTORY
    records: dict[Annotated[Number, pydantic.BeforeValidator(_read_key)], Record] = {}

    def with_record(self, version: int, record: Record) -> "Manifest":
        """Adds or replaces a record."""
        return self.having(
            last_version=max(self.last_version, version),
            records={**self.records, version: record},
        )

    def with_withdrawn(self, version: int, reason: Reason | None) -> "Manifest":
        """Notes why a version is moved aside; None that it is back. Needs a record."""
        if version not in self.records:
            return self
        record = self.records[version].model_copy(update={"withdrawn": reason})
        return self.with_record(version, record)

    def having(self, **changes: Any) -> "Manifest":
        """Returns one with some fields changed."""
        return self.model_copy(update=changes)


_ALWAYS = {"last_version", "pinned", "rolling_back", "records"}
"""What every version of this project has written."""


def read(directory: Path) -> Manifest:
    """Reads the manifest; an empty one where there is none.

    Raises:
        StoreError: it can't be read or is damaged.
    """
    path = directory / MANIFEST_FILE
    try:
        known = Manifest.model_validate_json(files.read_regular(path))
    except (FileNotFoundError, NotADirectoryError):
        return Manifest()
    except OSError as error:
        raise StoreError(
            f"{path} can't be read: {error.strerror}; mend its permissions."
        ) from error
    except pydantic.ValidationError as error:
        raise _damaged(path) from error
    if not known.model_fields_set >= _ALWAYS:
        raise _damaged(path)
    if "server_directory" in known.model_fields_set:
        return known
    # An earlier version of this project told the server alone.
    told = ModelsConfig(directory.parent, directory.name).find_server_directory()
    return known.having(server_directory=told or SERVER_DIRECTORY)


def _damaged(path: Path) -> StoreError:
    return StoreError(
        f"{path} is damaged: restore it, or remove it, which loses where the versions come "
        "from, a pin and the server's directory, but none of the versions."
    )


def write(directory: Path, manifest: Manifest) -> None:
    """Replaces the manifest, flushed to disk.

    Raises:
        OSError: it can't be written; the old one stays.
    """
    content = manifest.model_dump_json(indent=1) + "\n"
    files.write_atomically(directory / MANIFEST_FILE, content)
