"""What a run says as it starts, and the banner over generated data."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from pipeline.data.kinds import Sample
from pipeline.data.preparation import Source
from pipeline.workspace import LOG_FILE
from trainer_module import features


def print_heading(console: Console, source: Source, run_dir: Path) -> None:
    """Says what the run is on, and where its log is.

    Args:
        console: the screen.
        source: the data.
        run_dir: the run's directory, in that of its root.
    """
    if isinstance(source, Sample):
        _print_banner(console, source, run_dir.parents[1])
    console.print(f"[bold]TinyVGG on {escape(source.origin)}[/]", soft_wrap=True)
    console.print(f"log: {escape(str(run_dir / LOG_FILE))}", style="dim", soft_wrap=True)


def _print_banner(console: Console, source: Sample, root: Path) -> None:
    text = (
        f"These are generated sample images, not {features.DATASET.title}. Everything made from "
        f"them stays in {root}, and nothing reaches the real serving directory."
    )
    if source.fallback_reason:
        text += f"\n\n{source.fallback_reason}"
    console.print(Panel(escape(text), title="SAMPLE DATA", style="bold yellow"))
