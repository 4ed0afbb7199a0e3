"""What a person sees when a run has ended."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape

from components.evaluation.figures import Evaluation
from components.verdict import State
from pipeline.runs.run_result import FirstTest, RunResult, TrainingResult
from pipeline.screen.tables import Column, Table

_STYLES: Mapping[State, str] = {
    "running": "bold yellow",
    "open": "bold",
    "good": "bold green",
    "refused": "bold red",
    "stopped": "bold red",
    "failed": "bold red",
    "unusable": "bold red",
    "interrupted": "bold yellow",
}


def print_summary(console: Console, result: RunResult) -> None:
    """Prints how it trained, the figures on `test`, the verdict, and where everything is."""
    if result.training:
        console.print()
        for line in [*_describe_training(result.training), *_describe_spans(result.spans)]:
            console.print(line, soft_wrap=True)
    if result.evaluation:
        console.print()
        _class_table(result.evaluation).print(console)
        for line in [*_describe_overall(result.evaluation), *_describe_first(result.first_test)]:
            console.print(line, soft_wrap=True, highlight=False)
    console.print()
    for line in describe_verdict(result):
        console.print(line, soft_wrap=True)
    if result.unfit_version is not None:
        console.print(_warn_of_unfit(result), soft_wrap=True, highlight=False)
    for finding in result.data_findings:
        if finding.severity == "warn":
            line = f"[yellow]Warning[/]: {escape(finding.sentence)}."
            console.print(line, soft_wrap=True, highlight=False)
    for note in result.notes:
        console.print(f"[dim]note: {escape(note)}[/]", soft_wrap=True, highlight=False)
    _print_places(console, result)


def _print_places(console: Console, result: RunResult) -> None:
    """Says where everything is."""
    if result.report:
        console.print(f"report: {escape(result.report)}", soft_wrap=True)
    for picture in result.pictures:
        console.print(f"picture: {escape(picture)}", style="dim", soft_wrap=True)
    if result.log:
        console.print(f"log: {escape(result.log)}", style="dim", soft_wrap=True)


def _describe_training(training: TrainingResult) -> list[str]:
    epochs = "1 epoch" if training.epochs == 1 else f"{training.epochs} epochs"
    lines = [
        f"TinyVGG with {training.parameters:,} parameters, {epochs} at a learning rate of up to "
        f"{training.learning_rate:.2g}; weights of epoch {training.exported_epoch}"
    ]
    if training.device:
        lines.append(f"[dim]device: {escape(training.device)}[/]")
    if training.learning_rate_warning:
        lines.append(
            f"[yellow]Warning[/]: the learning rate was not found: "
            f"{escape(training.learning_rate_warning)}."
        )
    return lines


def _describe_overall(evaluation: Evaluation) -> list[str]:
    overall = evaluation.overall
    lines = [
        f"[bold]test accuracy {overall.accuracy:.4f}, loss {overall.loss:.4f}[/], top-2 accuracy "
        f"{overall.top_2_accuracy:.4f}, calibration error {overall.calibration_error:.4f} "
        f"on {overall.examples:,} images"
    ]
    if evaluation.baseline:
        baseline = evaluation.baseline.overall
        lines.append(f"baseline: accuracy {baseline.accuracy:.4f}, loss {baseline.loss:.4f}")
    lines.extend(f"[dim]note: {escape(note)}[/]" for note in evaluation.notes)
    return lines


def _describe_spans(spans: Sequence[str]) -> list[str]:
    return [f"trained on {escape(', '.join(spans))}"] if spans else []


def _describe_first(first: FirstTest | None) -> list[str]:
    if first is None:
        return []
    overall = first.figures.overall
    return [
        f"on the test split of the first one, {escape(first.span)}: accuracy "
        f"{overall.accuracy:.4f}, loss {overall.loss:.4f} on {overall.examples:,} images"
    ]


def _class_table(evaluation: Evaluation) -> Table:
    baseline = evaluation.baseline
    change = [Column("change", "change", "+.3f")] if baseline else []
    columns = [
        Column("class", "class"),
        Column("examples", "images", ",", spare=True),
        Column("recall", "recall", ".3f"),
        *change,
        Column("precision", "precision", ".3f"),
        Column("f1", "F1", ".3f"),
        Column("loss", "loss", ".3f", spare=True),
        Column("most_confused_with", "most confused with"),
    ]
    rows = [
        {
            **metrics.model_dump(),
            "class": name,
            "recall": metrics.accuracy,
            "change": baseline and metrics.accuracy - baseline.classes[name].accuracy,
        }
        for name, metrics in evaluation.classes.items()
    ]
    return Table(columns, rows)


def _warn_of_unfit(result: RunResult) -> str:
    version = result.unfit_version
    command = f"python -m pipeline.serving rollback {result.serving_flags}".rstrip()
    return (
        f"[yellow]Warning[/]: version {version}, which is in service, is this very model, and no "
        f"longer meets the thresholds: `{escape(command)}` goes back to the version before it, if "
        "there is one."
    )


def describe_verdict(result: RunResult) -> list[str]:
    """Says what became of the model and why, a line each, as rich markup."""
    verdict = result.verdict
    headline = f"[{_STYLES[verdict.state]}]{escape(verdict.headline)}[/]"
    if verdict.state in ("failed", "unusable"):
        return [f"{headline}: {escape('; '.join(verdict.reasons))}"]
    if verdict.state == "good" and result.pushed:
        headline += f" in {escape(result.pushed.path)}"
    elif not verdict.reasons:
        headline += "."
    colon = ":" if verdict.reasons else ""
    return [f"{headline}{colon}", *(f"  [red]•[/] {escape(one)}" for one in verdict.reasons)]
