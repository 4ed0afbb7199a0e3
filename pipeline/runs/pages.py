"""The page of each run, and the list of the runs, in the root. Free of TensorFlow."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from components.model_store.files import write_atomically
from components.report.contents import (
    INDEX_FILE,
    REPORT_FILE,
    Artifact,
    Page,
    RunEntry,
    RunFacts,
)
from components.report.render import render_index, render_report, replace_verdict
from components.verdict import Failure
from pipeline import config, effect, nodes, workspace
from pipeline.data import preparation
from pipeline.runs import history, run_result

if TYPE_CHECKING:
    from trainer_module.tfx_internals import Pipeline


def report_facts(
    settings: config.Config,
    data: preparation.Prepared,
    place: workspace.Workspace,
) -> RunFacts:
    """Collects what is known of a run from its start.

    Args:
        settings: every knob.
        data: the TFRecords.
        place: where artifacts, metadata and served models go.
    """
    # Not the engine, which changes nothing that the page tells of, and would make it anew.
    told = settings.model_copy(update={"engine": config.Engine(), "beam": config.Beam()})
    return RunFacts(
        run="",
        dataset=data.directory.name,
        configuration=told.model_dump(mode="json", exclude={"engine", "beam"}),
        flags=workspace.serving_flags(settings.paths, place),
        serving_dir=shlex.quote(str(place.serving_dir)),
        notes=[
            *data.describe_set_aside(place.root),
            *effect.find_without_effect(told, data),
        ],
    )


def write_report(
    pipeline: "Pipeline",
    place: workspace.Workspace,
    run_id: str,
    failure: Failure | None,
) -> None:
    """Puts the run's page into its directory.

    It is the one that the graph's last node made. Where that took it from the cache, the verdict
    in it is made anew, as it tells what became of the model in an earlier run. Where the run did
    not get there, it is made of what the run has.

    Args:
        pipeline: the graph that ran.
        place: where it ran.
        run_id: the run's.
        failure: why it did not come to its end, if so.
    """
    # Here, because these import TensorFlow.
    from components.report.executor import OUTPUT_KEY, read_facts
    from components.report.reading import read_page, read_verdict
    from pipeline.runs.metadata import find_output, open_store, read_nodes

    target = place.run_dir(run_id) / REPORT_FILE
    store = open_store(place.metadata)
    [node] = [one for one in pipeline.components if one.id == nodes.REPORT]
    found = {
        name: find_output(store, run_id, channel.producer_component_id, channel.output_key)
        for name, channel in node.inputs.items()
    }
    artifacts = {name: Artifact.of(one, one.type) for name, one in found.items() if one}
    facts = read_facts(node.exec_properties, run_id)
    made = find_output(store, run_id, nodes.REPORT, OUTPUT_KEY)
    if made is None:
        write_atomically(target, render_report(read_page(artifacts, facts, failure)))
        return
    html = Path(made.uri, REPORT_FILE).read_text(encoding="utf-8")
    ended = run_result.RunResult(run_id=run_id, components=read_nodes(store, run_id))
    if ended.components[nodes.REPORT].state == "cached":
        html = replace_verdict(html, read_verdict(artifacts, facts, idle=ended.idle))
    write_atomically(target, html)


def write_bare_report(run_dir: Path, result: run_result.RunResult) -> None:
    """Writes a page with the failure alone, where the worker left none.

    Args:
        run_dir: the run's directory.
        result: of a run that failed, or was interrupted.
    """
    target = run_dir / REPORT_FILE
    if target.exists() or not result.failure:
        return
    facts = RunFacts(run=result.run_id, dataset=result.dataset or "")
    page = Page(facts=facts, verdict=result.verdict)
    write_atomically(target, render_report(page))


def write_index(root: Path) -> None:
    """Writes the list of all runs in a root.

    Args:
        root: the pipeline's, as in `workspace.Workspace`.
    """
    entries = [_make_entry(root, result) for result in history.read_runs(root)]
    write_atomically(root / INDEX_FILE, render_index(entries))


def _make_entry(root: Path, result: run_result.RunResult) -> RunEntry:
    page = workspace.runs(root) / result.run_id / REPORT_FILE
    evaluation = result.evaluation
    return RunEntry(
        run=result.run_id,
        started=result.started.astimezone().strftime("%Y-%m-%d %H:%M") if result.started else "–",
        dataset=(result.training and result.training.dataset) or result.dataset or "–",
        accuracy=evaluation.overall.accuracy if evaluation else None,
        verdict=result.verdict.label,
        version=result.pushed.version if result.pushed else None,
        reason="; ".join(result.why_not_pushed or result.verdict.reasons),
        link=str(page.relative_to(root)) if page.exists() else None,
    )
