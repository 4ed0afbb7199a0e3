"""Where a node would go by something else than in the run before, as a person sets it."""

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from tensorflow_model_analysis.proto import config_pb2

from pipeline import comparison, evaluation, nodes
from pipeline.data.records import MANIFEST_FILE

Parameters = Mapping[str, Any]
"""Of a node, by name; JSON is parsed."""

RATE_SOURCE = "custom_config.learning_rate.source"
"""Of the Trainer, which has it not as a parameter: it is given hyperparameters, or not."""

_FROM_CODE = ("source", "custom_config.source", "custom_config.dataset")
"""What follows the code, and what ImportExampleGen says: a part goes by what earlier code made."""

_SHA256 = "the schema's SHA-256"
_UNTOLD = (_SHA256,)
"""What earlier versions of this project did not record."""

_KEYS: Mapping[str, Mapping[str, str]] = {
    nodes.IMPORT_SCHEMA_GEN: {"schema_file": "the schema", "sha256": _SHA256},
    nodes.IMPORT_IMAGE_SCHEMA: {"schema_file": "the images' schema", "sha256": _SHA256},
    nodes.DATA_GATE: {"config.": "data_gate."},
    nodes.LEARNING_RATE_FINDER: {
        "config.finder.": "learning_rate_finder.",
        "config.model.": "model.",
        "config.augmentation.": "augmentation.",
        "config.": "training.",
    },
    nodes.TRAINER: {
        "custom_config.memory_mb": "training.memory_mb",
        "custom_config.precision": "training.precision",
        "custom_config.flip_averaging": "training.flip_averaging",
        "custom_config.checkpoints": "paths.root",
        "custom_config.": "",
    },
    nodes.SERVING_CHECK: {"config.": "serving."},
    nodes.PUSHER: {
        "push_destination.filesystem.base_directory": "paths.serving_dir",
        "custom_config.": "serving.",
    },
}
"""The setting, or how its key begins, by how the parameter begins; the first that fits counts."""

_COMPARISON = "distribution_validator_config"
_COMPARED = {
    nodes.SKEW_VALIDATOR: "data_gate.max_skew",
    nodes.DRIFT_VALIDATOR: "data_gate.max_drift",
}
"""The setting by which TFX's DistributionValidator compares, by node."""

_RECORDED = ("seed", "eval_examples", "max_examples")
"""Settings of the dataset that are in the manifest of its records."""


def find_differences(node: str, wanted: Parameters, recorded: Parameters) -> list[str]:
    """Finds what a node would go by that it did not go by in the run before.

    Args:
        node: its name.
        wanted: its parameters now.
        recorded: those by which it made what it left.

    Returns:
        A clause each, with the setting, its value now and its value then.
    """
    if node == nodes.IMPORT_EXAMPLE_GEN:
        now, then = _read_data(wanted, recorded)
    else:
        now, then = (_read_settings(node, parameters) for parameters in (wanted, recorded))
    changes: dict[tuple[str, str], list[str]] = {}
    for key, value in now.items():
        if key not in then and key in _UNTOLD:
            continue
        if value != then.get(key):
            changes.setdefault((_show(value), _show(then.get(key))), []).append(key)
    return [
        f"{', '.join(keys)} = {value}, where the run before had {before}"
        for (value, before), keys in changes.items()
    ]


def _read_settings(node: str, parameters: Parameters) -> dict[str, Any]:
    if "eval_config" in parameters:
        built = json_format.ParseDict(parameters["eval_config"], config_pb2.EvalConfig())
        settings = evaluation.read_settings(built)
        return {f"evaluation.{key}": value for key, value in settings.items()}
    if _COMPARISON in parameters:
        bounds = comparison.read_bounds(parameters[_COMPARISON])
        setting = _COMPARED[node]
        return {f"{setting}.{name}": bound for name, bound in bounds.items()}
    if "validation_spec" in parameters:
        limit = parameters["validation_spec"]["max_loading_time_seconds"]
        return {"serving.check": "infra_validator", "serving.max_load_s": limit}
    keys = _KEYS.get(node, {})
    return {
        _rename(name, keys): value for name, value in _flatten(parameters) if name not in _FROM_CODE
    }


def _read_data(wanted: Parameters, recorded: Parameters) -> tuple[dict[str, Any], dict[str, Any]]:
    """What tells the data of now from those of then; nothing where they are the same."""
    now, then = wanted["input_base"], recorded["input_base"]
    if now != then:
        made_by, was_made_by = (_read_manifest(Path(directory)) for directory in (now, then))
        if made_by and was_made_by and made_by != was_made_by:
            return made_by, was_made_by
        return {"dataset.dir": now}, {"dataset.dir": then}
    patterns = [
        [one["pattern"] for one in parameters["input_config"]["splits"]]
        for parameters in (wanted, recorded)
    ]
    # The driver fills in span and version.
    wildcards = [re.sub(r"\{[A-Z]+(?::\d+)?\}", "*", one) for one in patterns[0]]
    if all(map(fnmatch.fnmatch, patterns[1], wildcards)):
        return {}, {}
    return {"dataset.pattern": patterns[0]}, {"dataset.pattern": patterns[1]}


def _read_manifest(directory: Path) -> dict[str, Any]:
    """The settings by which records were written; none where they are one's own.

    Beside these, a file of that name may hold whatever it likes.
    """
    try:
        manifest = json.loads((directory / MANIFEST_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(manifest, dict):
        return {}
    return {f"dataset.{key}": manifest[key] for key in _RECORDED if key in manifest}


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _rename(name: str, keys: Mapping[str, str]) -> str:
    for start, key in keys.items():
        if name.startswith(start):
            return key + name[len(start) :]
    return name


def _show(value: object) -> str:
    """As `--set` takes it."""
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
