"""Puts a run's page together from the run's artifacts."""

import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.data_gate.anomalies import Distance, read_distances
from components.data_gate.findings import Finding, read_findings
from components.evaluation.figures import Evaluation, EvaluationError
from components.evaluation.reader import read_evaluation, read_mistakes
from components.image_statistics.description import Description, describe
from components.learning_rate_finder.files import CURVE_FILE
from components.report.contents import (
    MODEL_DIRECTORY,
    Artifact,
    Page,
    RangeTest,
    RunFacts,
    TrainingHistory,
)
from components.report.data import read_statistics
from components.report.samples import pick_samples
from components.serving_check.findings import Findings, read_report
from components.split_files import read_datasets
from components.verdict import (
    Failure,
    Verdict,
    judge,
    judge_failure,
    read_refusals,
    read_standing,
)
from trainer_module import provenance
from trainer_module.model_run import HISTORY_FILE, SUMMARY_FILE

_LIBRARIES = (
    *("tfx", "tensorflow", "keras", "tensorflow-model-analysis", "tensorflow-transform"),
    *("tensorflow-data-validation", "ml-metadata", "apache-beam", "numpy"),
    "vl-convert-python",
)
_TEST_DIRECTORY = "Split-test"


def read_page(
    artifacts: Mapping[str, Artifact], facts: RunFacts, failure: Failure | None = None
) -> Page:
    """Reads all that there is to tell of a run.

    Args:
        artifacts: what the run made, by the names that `Report` gives its
            inputs, as far as it got.
        facts: what is known of it from its start.
        failure: why it did not come to its end, if so.

    Returns:
        The page; what the run did not come to is left out.
    """
    paths = {name: Path(artifact.uri) for name, artifact in artifacts.items()}
    evaluation, problem = _read_evaluation(paths.get("evaluation"))
    check, pushed = _read_check(artifacts), _read_pushed(artifacts)
    return Page(
        facts=facts,
        verdict=judge_failure(failure)
        if failure
        else _judge(evaluation, problem, check, pushed, facts),
        evaluation=evaluation,
        problem=problem,
        training=_read_training(paths["model_run"]) if "model_run" in paths else None,
        range_test=_read_range_test(paths["tuner_results"]) if "tuner_results" in paths else None,
        mistakes=read_mistakes(str(paths["evaluation"])) if evaluation else (),
        statistics=read_statistics(paths["statistics"]) if "statistics" in paths else (),
        images=_read_images(paths.get("image_statistics")),
        skew=_read_distances(paths.get("skew")),
        drift=_read_distances(paths.get("drift")),
        samples=pick_samples(paths["examples"] / _TEST_DIRECTORY) if "examples" in paths else {},
        data_findings=_read_findings(paths, failure),
        measures=check.measures if check else {},
        version=str(pushed["pushed_version"]) if pushed.get("pushed") else None,
        artifacts=dict(sorted(artifacts.items(), key=lambda one: one[1].id)),
        libraries={
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _LIBRARIES},
        },
        provenance=provenance.read(paths["model"] / MODEL_DIRECTORY) if "model" in paths else None,
    )


def _read_findings(paths: Mapping[str, Path], failure: Failure | None) -> Sequence[Finding] | None:
    """What the data gate found: one that stopped the run leaves no blessing."""
    if failure and failure.data_findings:
        return failure.data_findings
    return read_findings(paths["data_blessing"]) if "data_blessing" in paths else None


def _read_images(directory: Path | None) -> Mapping[str, Description]:
    datasets = read_datasets(directory) if directory else {}
    return {split: describe(dataset) for split, dataset in datasets.items()}


def _read_distances(directory: Path | None) -> Sequence[Distance]:
    return read_distances(directory) if directory else ()


def read_verdict(artifacts: Mapping[str, Artifact], facts: RunFacts, *, idle: bool) -> Verdict:
    """Reads what became of the model of a run that came to its end, and no more of the page.

    Args:
        artifacts: as in `read_page`.
        facts: what is known of the run from its start.
        idle: whether nothing had to be done.
    """
    directory = Path(artifacts["evaluation"].uri) if "evaluation" in artifacts else None
    found = _read_evaluation(directory)
    check, pushed = _read_check(artifacts), _read_pushed(artifacts)
    return _judge(*found, check, pushed, facts, idle=idle)


def _read_check(artifacts: Mapping[str, Artifact]) -> Findings | None:
    blessing = artifacts.get("infra_blessing")
    if blessing is None:
        return None
    return read_report(Path(blessing.uri), blessed=bool(blessing.properties.get("blessed")))


def _read_pushed(artifacts: Mapping[str, Artifact]) -> Mapping[str, int | str]:
    return artifacts["pushed_model"].properties if "pushed_model" in artifacts else {}


def _read_evaluation(directory: Path | None) -> tuple[Evaluation | None, str | None]:
    """The evaluation, or why it can't be read."""
    if directory is None:
        return None, None
    try:
        return read_evaluation(str(directory)), None
    except EvaluationError as error:
        return None, str(error)


def _judge(
    evaluation: Evaluation | None,
    problem: str | None,
    check: Findings | None,
    pushed: Mapping[str, int | str],
    facts: RunFacts,
    *,
    idle: bool = False,
) -> Verdict:
    if problem:
        return Verdict("failed", "not judged", "Not judged", [problem])
    refusals = read_refusals(check.reasons if check else [], pushed, facts.flags)
    standing = read_standing(pushed, facts.run)
    return judge(evaluation, refusals, standing, idle=idle, flags=facts.flags)


def _read_training(directory: Path) -> TrainingHistory:
    summary = json.loads((directory / SUMMARY_FILE).read_text())
    return TrainingHistory(**summary, history=json.loads((directory / HISTORY_FILE).read_text()))


def _read_range_test(directory: Path) -> RangeTest:
    return RangeTest(**json.loads((directory / CURVE_FILE).read_text()))
