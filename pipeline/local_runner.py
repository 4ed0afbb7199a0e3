"""Trains, evaluates and serves TinyVGG on this machine: `python -m pipeline.local_runner`.

Exit codes: 0 blessed and pushed, there already, or ended early as asked; 1 a component failed;
2 wrong use, configuration or data; 3 finished, but the model did not get into service; 130
interrupted.
"""

import argparse
import datetime
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from components.model_server.image import find_obstacle
from components.model_store.files import write_atomically
from components.report.contents import REPORT_FILE
from pipeline import config, nodes, workspace
from pipeline.data import sources
from pipeline.data.kinds import Sample
from pipeline.engine import part
from pipeline.engine.protocol import Event, Finished, NodeEvent, Request
from pipeline.engine.supervisor import run_worker
from pipeline.errors import ExitCode, UserError
from pipeline.runs import history, pages
from pipeline.runs.run_result import EXIT_CODES, Failure, RunResult
from pipeline.screen import command_line
from pipeline.screen.progress import NodeClock, make_display
from pipeline.screen.summary import print_summary
from pipeline.workspace import LOG_FILE, RESULT_FILE
from trainer_module import features


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: the arguments; those of the process if None.

    Returns:
        The exit code.
    """
    arguments = _parse(argv)
    command_line.take_as_interrupts(signal.SIGTERM, signal.SIGHUP)
    # With --json, standard output is for the object alone.
    console = _Screen(stderr=arguments.json, emoji=False)
    started = datetime.datetime.now(datetime.timezone.utc)
    try:
        result = _run(arguments, console, started)
    except UserError as error:
        # A path may hold bytes that are not UTF-8, and JSON may not.
        cause = str(error).encode(errors="backslashreplace").decode()
        print(f"error: {cause}", file=sys.stderr)
        result = _not_started(started, cause, ExitCode.USAGE)
    except KeyboardInterrupt:
        print("Interrupted before anything started.", file=sys.stderr)
        result = _not_started(started, "interrupted", ExitCode.INTERRUPTED)
    if arguments.json:
        try:
            print(result.to_json(), flush=True)
        except BrokenPipeError:
            command_line.let_go(sys.stdout)
    return result.exit_code


class _Screen(Console):
    """One without which a run goes on: nobody may read it to the end, as `head`."""

    def on_broken_pipe(self) -> None:
        """Shows nothing from here on."""
        self.quiet = True
        command_line.let_go(self.file)


def _not_started(started: datetime.datetime, cause: str, code: ExitCode) -> RunResult:
    return RunResult(
        run_id=history.make_run_id(started),
        started=started,
        failure=Failure(cause=cause),
        exit_code=code,
    )


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.local_runner",
        description=f"Trains TinyVGG on {features.DATASET.title}, evaluates it, and pushes it to "
        "the serving directory if it is blessed.",
        epilog="Exit codes: 0 blessed and pushed, there already, or ended early as asked; 1 a "
        "component failed; 2 wrong use, configuration or data; 3 finished, but the model did not "
        "get into service; 130 interrupted.",
    )
    command_line.add_config_flags(parser)
    command_line.add_serving_flag(parser)
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the train split")
    parser.add_argument(
        "--from-node",
        choices=nodes.NODES,
        metavar="NODE",
        help="the first component to run, with what the run before made by the same settings; of "
        + ", ".join(nodes.NODES),
    )
    parser.add_argument(
        "--to-node", choices=nodes.NODES, metavar="NODE", help="the last component to run"
    )
    parser.add_argument("--no-cache", action="store_true", help="run unchanged components again")
    parser.add_argument(
        "--keep-cache-across-versions",
        action="store_true",
        help="take from the cache what other versions of the libraries made",
    )
    parser.add_argument("--json", action="store_true", help="print the result as one object")
    parser.add_argument(
        "--verbose", action="store_true", help="show the libraries' logs as well, on stderr"
    )
    return parser.parse_args(argv)


def _run(arguments: argparse.Namespace, console: Console, started: datetime.datetime) -> RunResult:
    """Checks everything that can be checked beforehand, then runs the graph."""
    settings = command_line.load(
        arguments,
        **{
            "paths.serving_dir": arguments.serving_dir,
            "training.epochs": arguments.epochs,
        },
    )
    _check_part(arguments.from_node, arguments.to_node, settings)
    _check_server(settings.serving)
    workspace.make_writable(workspace.expand(settings.paths.root), "--root")
    with command_line.download_progress(console) as progress:
        source = sources.find(settings.dataset, progress)
    place = workspace.workspace(settings.paths, source.dataset)
    workspace.make_writable(place.root, "--root")
    workspace.make_writable(place.serving_dir, "--serving-dir")
    request = Request(
        run_id=history.make_run_id(started),
        config=settings,
        source=source,
        from_node=arguments.from_node,
        to_node=arguments.to_node,
        cache=not arguments.no_cache,
        keep_versions=arguments.keep_cache_across_versions,
    )
    with workspace.lock(place.root):
        run_dir = place.run_dir(request.run_id)
        run_dir.mkdir(parents=True)
        _print_heading(console, request, run_dir)
        ended = _supervise(request, run_dir / LOG_FILE, console, arguments.verbose)
        pages.write_bare_report(run_dir, ended)
        page = run_dir / REPORT_FILE
        result = ended.model_copy(
            update={"started": started, "report": str(page) if page.exists() else None}
        )
        write_atomically(run_dir / RESULT_FILE, result.to_json())
        pages.write_index(place.root)
    print_summary(console, result)
    return result


def _check_part(from_node: str | None, to_node: str | None, settings: config.Config) -> None:
    if nodes.LEARNING_RATE_FINDER in (from_node, to_node) and (
        settings.learning_rate.source != "finder"
    ):
        raise UserError(
            f"{nodes.LEARNING_RATE_FINDER} is left out by learning_rate.source = "
            f"{json.dumps(settings.learning_rate.source)}: name another node, or set it to "
            '"finder".'
        )
    part.check_selection(from_node, to_node)


def _check_server(settings: config.Serving) -> None:
    obstacle = settings.check == "infra_validator" and find_obstacle()
    if obstacle:
        raise UserError(
            f"serving.check = infra_validator needs TensorFlow Serving in Docker, and {obstacle}; "
            "mend that, or leave it at process."
        )


def _print_heading(console: Console, request: Request, run_dir: Path) -> None:
    if isinstance(request.source, Sample):
        text = (
            f"These are generated sample images, not {features.DATASET.title}. Everything made "
            f"from them stays in {run_dir.parents[1]}, and nothing reaches the real serving "
            "directory."
        )
        if request.source.fallback_reason:
            text += f"\n\n{request.source.fallback_reason}"
        console.print(Panel(escape(text), title="SAMPLE DATA", style="bold yellow"))
    console.print(f"[bold]TinyVGG on {escape(request.source.origin)}[/]", soft_wrap=True)
    console.print(f"log: {escape(str(run_dir / LOG_FILE))}", style="dim", soft_wrap=True)


def _supervise(request: Request, log: Path, console: Console, verbose: bool) -> RunResult:
    clock = NodeClock()
    # Lines of a log and a table that redraws itself do not share a screen.
    display = make_display(console, clock, live=console.is_terminal and not verbose)

    def handle(event: Event) -> None:
        if isinstance(event, NodeEvent):
            clock.handle(event)
        display.handle(event)

    with display:
        try:
            finished = run_worker(request, log, handle, echo=sys.stderr if verbose else None)
        except KeyboardInterrupt:
            finished, code = Finished(failure=Failure(cause="interrupted")), ExitCode.INTERRUPTED
            clock.abort("interrupted")
        else:
            code = ExitCode.USAGE if finished.usage else ExitCode.FAILED
            clock.abort("failed")
    result = RunResult(
        run_id=request.run_id,
        dataset=request.source.dataset,
        components=clock.results(),
        training=finished.training,
        evaluation=finished.evaluation,
        serving=finished.serving,
        pushed=finished.pushed,
        pictures=finished.pictures,
        notes=finished.notes,
        serving_flags=finished.serving_flags,
        failure=finished.failure,
        exit_code=code,
        log=str(log),
    )
    # The code says how it failed, and where it did not, the verdict says the code.
    return result.model_copy(update={"exit_code": EXIT_CODES[result.verdict.state]})


if __name__ == "__main__":
    command_line.open_standard_streams()
    sys.exit(main())
