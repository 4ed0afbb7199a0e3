"""What ML Metadata knows of a run: training, evaluation, serving check and pushed model."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from components.data_gate.findings import Finding, read_findings, without_pictures
from components.evaluation.figures import Evaluation
from components.evaluation.reader import read_evaluation, read_figures
from components.learning_rate_finder.files import CURVE_FILE, PLOT_FILE
from components.model_store.files import checksums
from components.model_store.manifest import StoreError
from components.model_store.store import Store
from components.report.contents import MODEL_DIRECTORY, Artifact
from components.serving_check.findings import read_report
from components.span_resolvers.books import SPAN
from components.verdict import read_refusals
from pipeline import nodes
from pipeline.runs.metadata import (
    find_origin,
    find_output,
    int_property,
    open_store,
    read_inputs,
    read_pushed,
)
from pipeline.runs.run_result import FirstTest, Pushed, ServingResult, TrainingResult
from trainer_module import provenance
from trainer_module.model_run import CURVES_FILE, SUMMARY_FILE


@dataclass(frozen=True)
class Outcome:
    """What a run came to, None where it did not get that far.

    Attributes:
        data_findings: what the data gate found in data that it let pass, without pictures.
        training: how the model was trained.
        spans: the names of those that it was trained on, the newest first; empty where the data
            has no spans.
        evaluation: the figures on `test`, and the verdict.
        first_test: the figures on the `test` of the first span ever, where that is another.
        serving: why the blessed model must not be served; no reasons for a sound one.
        pushed: the model in the serving directory, as it stands there now; None also where it
            was not pushed.
        pictures: the curves, in the artifacts' directories.
    """

    data_findings: list[Finding]
    training: TrainingResult | None
    spans: list[str]
    evaluation: Evaluation | None
    first_test: FirstTest | None
    serving: ServingResult | None
    pushed: Pushed | None
    pictures: list[Path]


def read_outcome(
    metadata: Path,
    run_id: str,
    flags: str = "",
    name_span: Callable[[int], str] | None = None,
) -> Outcome:
    """Reads what a run came to, whether its nodes ran or came from the cache.

    Args:
        metadata: the SQLite database of ML Metadata.
        run_id: the run's.
        flags: of `python -m pipeline.serving`, to name the serving directory.
        name_span: names a span by its number; None where the data has no spans.

    Returns:
        The outcome.
    """
    store = open_store(metadata)
    gate = find_output(store, run_id, nodes.DATA_GATE, "blessing")
    model = find_output(store, run_id, nodes.TRAINER, "model")
    model_run = find_output(store, run_id, nodes.TRAINER, "model_run")
    finder = find_output(store, run_id, nodes.LEARNING_RATE_FINDER, "tuner_results")
    evaluation = find_output(store, run_id, nodes.EVALUATOR, "evaluation")
    checked = find_output(store, run_id, nodes.SERVING_CHECK, "blessing")
    first = find_output(store, run_id, nodes.FIRST_TEST_EVALUATOR, "evaluation")
    pushed = find_output(store, run_id, nodes.PUSHER, "pushed_model")
    return Outcome(
        data_findings=without_pictures(read_findings(Path(gate.uri)) if gate else []),
        training=_read_training(model_run, finder, model) if model_run else None,
        spans=_read_spans(store, model, name_span) if model and name_span else [],
        evaluation=read_evaluation(evaluation.uri) if evaluation else None,
        first_test=_read_first_test(store, first, name_span) if first and name_span else None,
        serving=_read_serving(checked, pushed, flags) if checked else None,
        pushed=_read_pushed(pushed, run_id) if pushed else None,
        pictures=[
            Path(artifact.uri, name)
            for artifact, name in ((finder, PLOT_FILE), (model_run, CURVES_FILE))
            if artifact
        ],
    )


def find_unfit_version(metadata: Path, run_id: str, store: Store) -> int | None:
    """Finds the live version, if it is the model of a run that did not bless it.

    As where a threshold was raised on what is in service already.

    Args:
        metadata: the SQLite database of ML Metadata.
        run_id: a run's whose model was not blessed.
        store: the serving directory.

    Returns:
        The version; None where it is another model, or there is none.
    """
    model = find_output(open_store(metadata), run_id, nodes.TRAINER, "model")
    try:
        live = store.find()
        if model is None or live.record is None:
            return None
        # It imports TensorFlow.
        from components.model_store.identity import model_identity

        directory = Path(model.uri, MODEL_DIRECTORY)
        digests = checksums(directory)
        # Files that are the same need not be loaded.
        same = live.record.is_twin(digests, "") or live.record.is_twin(
            digests, model_identity(directory)
        )
    except (StoreError, OSError):
        # Nothing is in service, or what the Trainer made is not there any more.
        return None
    return live.number if same else None


def _read_spans(
    store: mlmd.MetadataStore,
    made: metadata_store_pb2.Artifact,
    name_span: Callable[[int], str],
) -> list[str]:
    """Reads of which spans the examples are that an artifact was made of, the newest first."""
    examples = store.get_artifacts_by_id(
        sorted(read_inputs(store, find_origin(store, made), "examples"))
    )
    spans = sorted((int_property(one, SPAN) for one in examples), reverse=True)
    return [name_span(span) for span in spans]


def _read_first_test(
    store: mlmd.MetadataStore,
    evaluation: metadata_store_pb2.Artifact,
    name_span: Callable[[int], str],
) -> FirstTest:
    [span] = _read_spans(store, evaluation, name_span)
    return FirstTest(span=span, figures=read_figures(evaluation.uri))


def _read_training(
    model_run: metadata_store_pb2.Artifact,
    finder: metadata_store_pb2.Artifact | None,
    model: metadata_store_pb2.Artifact | None,
) -> TrainingResult:
    summary = json.loads(Path(model_run.uri, SUMMARY_FILE).read_text())
    curve = json.loads(Path(finder.uri, CURVE_FILE).read_text()) if finder else {}
    made_by = provenance.read(Path(model.uri, MODEL_DIRECTORY)) if model else None
    told = {
        name: getattr(made_by, name) for name in ("dataset", "seed", "source", "commit") if made_by
    }
    return TrainingResult(**summary, **told, learning_rate_warning=curve.get("warning"))


def _read_serving(
    blessing: metadata_store_pb2.Artifact,
    pushed: metadata_store_pb2.Artifact | None,
    flags: str,
) -> ServingResult:
    report = read_report(Path(blessing.uri), blessed=bool(int_property(blessing, "blessed")))
    properties = Artifact.of(pushed, pushed.type).properties if pushed else {}
    return ServingResult(
        reasons=list(read_refusals(report.reasons, properties, flags)), measures=report.measures
    )


def _read_pushed(artifact: metadata_store_pb2.Artifact, run_id: str) -> Pushed | None:
    pushed = read_pushed(artifact, run_id)
    if pushed is None:
        return None
    try:
        live = Store(Path(pushed.path).parent).find().number
    except StoreError:
        # It can't be read since: the push is all that is known.
        return pushed
    return pushed.model_copy(update={"live_version": str(live)})
