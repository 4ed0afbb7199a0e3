"""What TFX takes from its cache: only what is as it was made, wherever the root lies now.

TFX looks at no file, and tells what a node takes in by absolute paths and by the second at which
ML Metadata last wrote of it. And it counts what Beam is told: another engine, or another address of
it, would train everything anew. So two functions of its cache are stood in for, while a graph runs.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
from google.protobuf import message
from ml_metadata.proto import metadata_store_pb2

import schema
from components import listing
from components.baseline_resolver.strategy import find_baseline
from components.model_store.store import Store
from components.properties import FILES, HELD_BACK
from pipeline import config, nodes
from pipeline.engine.beam.arguments import make_arguments
from pipeline.runs.metadata import (
    find_origin,
    find_output,
    int_property,
    outputs,
    read_inputs,
    read_pushed,
    text_property,
)
from pipeline.runs.relocation import move
from trainer_module.tfx_internals import (
    base_beam_executor,
    cache_utils,
    metadata,
    types,
)
from trainer_module.tfx_internals import (
    executor_spec as executor_specs,
)

_Outputs = Mapping[str, Sequence[types.Artifact]]

_LIVE = metadata_store_pb2.Artifact.LIVE

_HOME = "{root}"
"""Stands for the root in what a node is cached by."""

_SCHEMAS = {str(schema.SCHEMA_FILE.parent): "{schema}"}
"""Where the checkout has the schemas, likewise; what is in them has a parameter of its own."""

_Keys = dict[int, Callable[[], metadata_store_pb2.Context]]
"""By the number of a key, what makes the key of earlier versions for the same."""


@contextmanager
def checked_cache(root: Path, serving_model_dir: Path) -> Iterator[list[str]]:
    """Has TFX look at what it takes from its cache, and find it after a move and on any engine.

    What is not as it was made is marked as deleted, so that the node runs again. That is also a
    push that is not, or does not stand, as it did in the serving directory, and what ServingCheck
    refused: a machine that was busy or full may have been the reason.

    Args:
        root: what moves as a whole.
        serving_model_dir: where the versions of the model are.

    Yields:
        A list that gets a sentence for each artifact that was lost or damaged.
    """
    notes: list[str] = []
    make_key, look_up = cache_utils.get_cache_context, cache_utils.get_cached_outputs

    former: _Keys = {}
    places = {str(root): _HOME}

    def make_portable_key(
        *,
        input_artifacts: _Outputs | None = None,
        parameters: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> metadata_store_pb2.Context:
        spec = others.pop("executor_spec", None)
        given = {
            key: [_without_place(one, places) for one in artifacts]
            for key, artifacts in (input_artifacts or {}).items()
        }

        def make(arguments: Sequence[str], hidden: Mapping[str, str]) -> metadata_store_pb2.Context:
            return make_key(
                executor_spec=_tell(spec, arguments),
                input_artifacts=given,
                parameters={key: _hide(one, hidden) for key, one in (parameters or {}).items()},
                **others,
            )

        key = make((), {**places, **_SCHEMAS})
        former[key.id] = lambda: make(make_arguments(config.Config()), places)
        return key

    def look_up_former(
        *, metadata_handle: metadata.Metadata, cache_context: metadata_store_pb2.Context
    ) -> _Outputs | None:
        handle = {"metadata_handle": metadata_handle}
        return look_up_sound(cache_context=cache_context, **handle) or look_up_sound(
            cache_context=former[cache_context.id](), **handle
        )

    def look_up_sound(
        *, metadata_handle: metadata.Metadata, cache_context: metadata_store_pb2.Context
    ) -> _Outputs | None:
        store = metadata_handle.store
        while found := look_up(metadata_handle=metadata_handle, cache_context=cache_context):
            made = [one.mlmd_artifact for artifacts in found.values() for one in artifacts]
            if not _forget_unfit(store, made, serving_model_dir, notes):
                return found
        # TFX has passed over what is gone as a whole, and left it in the books.
        for execution in store.get_executions_by_context(cache_context.id):
            live = [one for one in outputs(store, execution) if one.state == _LIVE]
            _forget_unfit(store, live, serving_model_dir, notes)
        return None

    # TFX's launcher has no place where another cache could be put.
    cache_utils.get_cache_context = make_portable_key
    cache_utils.get_cached_outputs = look_up_former
    try:
        yield notes
    finally:
        cache_utils.get_cache_context, cache_utils.get_cached_outputs = make_key, look_up


def _tell(spec: message.Message | None, arguments: Sequence[str]) -> message.Message | None:
    """What says how a node is run, with other arguments for Beam, if that runs it."""
    if spec is None or not hasattr(spec, "beam_pipeline_args"):
        return spec
    told = executor_specs.BeamExecutorSpec(base_beam_executor.BaseBeamExecutor)
    told.add_beam_pipeline_args(arguments)
    encoded = told.encode()
    encoded.python_executor_spec.CopyFrom(spec.python_executor_spec)
    return encoded


def _without_place(artifact: types.Artifact, places: Mapping[str, str]) -> types.Artifact:
    """A copy that is the same wherever the root lies, and whatever was noted of it since."""
    moved = copy.deepcopy(artifact)
    proto = moved.mlmd_artifact
    proto.uri = _hide(proto.uri, places)
    for field in ("create_time_since_epoch", "last_update_time_since_epoch"):
        proto.ClearField(field)
    proto.custom_properties.pop(FILES, None)
    for value in proto.custom_properties.values():
        if value.HasField("string_value"):
            value.string_value = _hide(value.string_value, places)
    return moved


def _hide(value: Any, places: Mapping[str, str]) -> Any:  # noqa: ANN401 - TFX's, of any kind.
    """Has what stands for a directory in its place, where a text names it."""
    if isinstance(value, str):
        for directory, name in places.items():
            value = move(value, directory, name)
    return value


def remember_files(
    store: mlmd.MetadataStore, artifacts: Sequence[metadata_store_pb2.Artifact]
) -> None:
    """Notes of artifacts that were just made what files they have; of models, also what is in them.

    Args:
        store: the books.
        artifacts: as they are in there.
    """
    for artifact in artifacts:
        checksums = artifact.type == "Model"
        found = listing.list_files(Path(artifact.uri), checksums=checksums)
        artifact.custom_properties[FILES].string_value = found
    store.put_artifacts(artifacts)


def find_changes(
    store: mlmd.MetadataStore, run_id: str, serving_model_dir: Path
) -> dict[str, list[str]]:
    """Finds what a run found that is no longer so in the serving directory.

    Args:
        store: the books.
        run_id: the run's.
        serving_model_dir: where the versions of the model are.

    Returns:
        Clauses by node, as `part.decide` takes it.
    """
    changes = {}
    if _is_other_baseline(store, run_id, serving_model_dir):
        changes[nodes.EVALUATOR] = ["the model in service is not the one that it compared with"]
    pushed = find_output(store, run_id, nodes.PUSHER, "pushed_model")
    if pushed and _is_outdated(pushed, serving_model_dir):
        changes[nodes.PUSHER] = ["the serving directory is not as it left it"]
    return changes


def _is_other_baseline(store: mlmd.MetadataStore, run_id: str, serving_model_dir: Path) -> bool:
    evaluation = find_output(store, run_id, nodes.EVALUATOR, "evaluation")
    model = find_output(store, run_id, nodes.TRAINER, "model")
    if evaluation is None or model is None:
        return False
    compared = read_inputs(store, find_origin(store, evaluation), "baseline_model")
    return compared != find_baseline(store, serving_model_dir, model.id)


def _forget_unfit(
    store: mlmd.MetadataStore,
    artifacts: Sequence[metadata_store_pb2.Artifact],
    serving_model_dir: Path,
    notes: list[str],
) -> bool:
    """Marks as deleted what must be made anew; says whether there was any."""
    unfit = [one for one in artifacts if _is_unfit(one, serving_model_dir, notes)]
    for artifact in unfit:
        artifact.state = metadata_store_pb2.Artifact.DELETED
    store.put_artifacts(unfit)
    return bool(unfit)


def _is_unfit(
    artifact: metadata_store_pb2.Artifact, serving_model_dir: Path, notes: list[str]
) -> bool:
    if fault := find_fault(artifact):
        notes.append(f"{artifact.uri} {fault}, so it was made anew")
        return True
    if artifact.type == "PushedModel":
        return _is_outdated(artifact, serving_model_dir)
    return artifact.type == "InfraBlessing" and not int_property(artifact, "blessed")


def find_fault(artifact: metadata_store_pb2.Artifact) -> str | None:
    """Says in a phrase why what was made is not as it was; None where it is."""
    return listing.find_fault(Path(artifact.uri), text_property(artifact, FILES))


def _is_outdated(artifact: metadata_store_pb2.Artifact, serving_model_dir: Path) -> bool:
    """Whether the Pusher would find another serving directory than it left."""
    if version := int_property(artifact, HELD_BACK):
        store = Store(serving_model_dir)
        aside = [one for one in store.versions() if one.number == version and not one.visible]
        return not aside or bool(store.faults(aside[0]))
    pushed = read_pushed(artifact, run_id="")
    if pushed is None:
        return False
    directory = Path(pushed.path)
    store = Store(directory.parent)
    # Not one of that number which is aside: what has its name now may be no version.
    found = [one for one in store.versions() if one.path == directory]
    if not found or store.faults(found[0]):
        return True
    return pushed.live_version not in (None, str(store.find().number))
