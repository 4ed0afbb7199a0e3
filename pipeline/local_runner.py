"""Trains, evaluates and serves TinyVGG on this machine: `python -m pipeline.local_runner`.

Exit codes: 0 blessed and pushed, there already, or ended early as asked; 1 a component failed;
2 wrong use, configuration or data; 3 finished, but the model did not get into service; 4 the data
was refused; 130 interrupted.
"""

if __name__ == "__main__":
    # First, as the imports below take a while.
    from pipeline import interrupt

    interrupt.leave_at_once()

import argparse
import datetime
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from components.model_server.image import find_obstacle
from components.model_store.files import write_atomically
from components.report.contents import REPORT_FILE
from pipeline import config, nodes, settings, workspace
from pipeline.data import sources, watching
from pipeline.engine import part
from pipeline.engine.protocol import Event, Finished, NodeEvent, Request
from pipeline.engine.supervisor import run_worker
from pipeline.errors import ExitCode, UserError
from pipeline.runs import history, pages
from pipeline.runs.run_result import EXIT_CODES, Code, Failure, RunResult, dump_json
from pipeline.screen import arguments, command_line
from pipeline.screen.arguments import one_of, positive_seconds, whole_number
from pipeline.screen.heading import print_heading
from pipeline.screen.progress import NodeClock, make_display
from pipeline.screen.summary import print_summary
from pipeline.upkeep import start
from pipeline.workspace import LOG_FILE, RESULT_FILE
from trainer_module import features
from trainer_module.code_version import find_code_version

PROGRAM = "python -m pipeline.local_runner"


def main(argv: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Runs the command.

    Args:
        argv: the arguments; those of the process if None.
        program: how it is called, for its help.

    Returns:
        The exit code.
    """
    parsed = _parse(argv, program)
    if parsed.print_config:
        return _print_config(_load(parsed), as_json=parsed.json)
    command_line.take_as_interrupts(signal.SIGTERM, signal.SIGHUP)
    # With --json, standard output is for the object alone.
    console = _Screen(stderr=parsed.json, emoji=False)
    return _watch(parsed, console) if parsed.watch else _attempt(parsed, console)


def _watch(parsed: argparse.Namespace, console: Console) -> ExitCode:
    """Runs whenever a new span is there, until it is interrupted."""
    if parsed.from_node:
        raise UserError("--watch runs on new data, so nothing goes before: leave out --from-node.")
    asked = _load(parsed)
    place, root = watching.Place.of(asked.dataset), workspace.expand(asked.paths.root)

    def say(text: str) -> None:
        now = datetime.datetime.now().strftime("%H:%M:%S")
        console.print(f"{now} {text}", markup=False, highlight=False, soft_wrap=True)

    say(f"watching {place.directory} for new spans every {parsed.watch:g} s; Ctrl-C ends it")
    try:
        for span in watching.arrivals(place, parsed.watch, lambda text: say(f"waiting: {text}")):
            while workspace.is_locked(root):
                time.sleep(parsed.watch)
            say(f"{span} is whole: a run begins")
            if _attempt(parsed, console) == ExitCode.INTERRUPTED:
                return ExitCode.INTERRUPTED
            say("waiting for the next span")
    except KeyboardInterrupt:
        say("no longer watching")
    return ExitCode.OK


def _attempt(parsed: argparse.Namespace, console: Console) -> ExitCode:
    """Runs once, and says how it ended."""
    started = datetime.datetime.now(datetime.timezone.utc)
    try:
        result = _run(parsed, console, started)
    except UserError as error:
        # A path may hold bytes that are not UTF-8, and JSON may not.
        cause = str(error).encode(errors="backslashreplace").decode()
        print(f"error: {cause}", file=sys.stderr)
        result = _not_started(started, cause, ExitCode.USAGE)
    except KeyboardInterrupt:
        print("Interrupted before anything started.", file=sys.stderr)
        result = _not_started(started, "interrupted", ExitCode.INTERRUPTED)
    if parsed.json:
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


def _parse(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = arguments.make_parser(
        program,
        f"Trains TinyVGG on {features.DATASET.title}, evaluates it, and pushes it to the serving "
        "directory if it is blessed.",
        epilog="Exit codes: 0 blessed and pushed, there already, or ended early as asked; 1 a "
        "component failed; 2 wrong use, configuration or data; 3 finished, but the model did not "
        "get into service; 4 the data was refused; 130 interrupted.",
    )
    arguments.add_config_flags(parser)
    arguments.add_serving_flag(parser)
    parser.add_argument(
        "--print-config",
        action="store_true",
        help="print all settings as TOML that --config takes, and run nothing",
    )
    parser.add_argument(
        "--epochs", type=whole_number, metavar="N", help="number of passes over the train split"
    )
    parser.add_argument(
        "--from-node",
        type=one_of(nodes.NODES),
        metavar="NODE",
        help="the first component to run, with what the run before made by the same settings; of "
        + ", ".join(nodes.NODES),
    )
    parser.add_argument(
        "--to-node", type=one_of(nodes.NODES), metavar="NODE", help="the last component to run"
    )
    parser.add_argument(
        "--watch",
        nargs="?",
        type=positive_seconds,
        const=watching.INTERVAL_S,
        metavar="SECONDS",
        help="wait for new spans of TFRecords of your own, and run on each; look every so many "
        f"seconds (default: {watching.INTERVAL_S:g}) until interrupted",
    )
    parser.add_argument("--no-cache", action="store_true", help="run unchanged components again")
    parser.add_argument(
        "--keep-cache-across-versions",
        action="store_true",
        help="take from the cache what other versions of the libraries made",
    )
    arguments.add_json_flag(parser)
    parser.add_argument(
        "--verbose", action="store_true", help="show the libraries' logs as well, on stderr"
    )
    return parser.parse_args(argv)


def _load(parsed: argparse.Namespace) -> config.Config:
    return arguments.load(parsed, **{"training.epochs": parsed.epochs})


def _print_config(asked: config.Config, *, as_json: bool) -> int:
    print(dump_json(asked.model_dump(mode="json")) if as_json else settings.to_toml(asked))
    return ExitCode.OK


def _run(parsed: argparse.Namespace, console: Console, started: datetime.datetime) -> RunResult:
    """Checks everything that can be checked beforehand, then runs the graph."""
    began, asked = time.monotonic(), _load(parsed)
    _check_part(parsed.from_node, parsed.to_node, asked)
    _check_server(asked.serving)
    root = workspace.expand(asked.paths.root)
    workspace.check_no_wildcards(root, "--root")
    workspace.make_writable(root, "--root")
    with command_line.download_progress(console) as progress:
        source = sources.find(asked.dataset, progress)
    place = workspace.workspace(asked.paths, source.dataset)
    workspace.make_writable(place.root, "--root")
    workspace.make_writable(place.serving_dir, "--serving-dir")
    roots = [workspace.workspace(asked.paths, name).root for name in workspace.DATASETS]
    with workspace.lock(place.root):
        request = Request(
            run_id=history.make_run_id(started, roots),
            config=asked,
            source=source,
            from_node=parsed.from_node,
            to_node=parsed.to_node,
            cache=not parsed.no_cache,
            keep_versions=parsed.keep_cache_across_versions,
        )
        run_dir = place.run_dir(request.run_id)
        notes = start.prepare(place)
        run_dir.mkdir(parents=True)
        print_heading(console, source, run_dir)
        for note in notes:
            console.print(note, markup=False, highlight=False, soft_wrap=True)
        # Before the run, during which somebody may edit or commit.
        code = find_code_version()
        ended = _supervise(request, run_dir / LOG_FILE, console, parsed.verbose)
        pages.write_bare_report(run_dir, ended)
        page = run_dir / REPORT_FILE
        result = ended.model_copy(
            update={
                "started": started,
                "duration_s": round(time.monotonic() - began, 3),
                "settings": settings.differing(asked),
                "code": code and Code(commit=code.commit, clean=code.clean),
                "report": str(page) if page.exists() else None,
            }
        )
        write_atomically(run_dir / RESULT_FILE, result.to_json())
        pages.write_index(place.root)
        start.conclude(place)
    print_summary(console, result)
    return result


def _check_part(from_node: str | None, to_node: str | None, asked: config.Config) -> None:
    if nodes.LEARNING_RATE_FINDER in (from_node, to_node) and (
        asked.learning_rate.source != "finder"
    ):
        raise UserError(
            f"{nodes.LEARNING_RATE_FINDER} is left out by learning_rate.source = "
            f"{json.dumps(asked.learning_rate.source)}: name another node, or set it to "
            '"finder".'
        )
    part.check_selection(from_node, to_node)


def _check_server(serving: config.Serving) -> None:
    obstacle = serving.check == "infra_validator" and find_obstacle()
    if obstacle:
        raise UserError(
            f"serving.check = infra_validator needs TensorFlow Serving in Docker, and {obstacle}; "
            "mend that, or leave it at process."
        )


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
        set_aside=finished.set_aside,
        components=clock.results(),
        data_findings=finished.data_findings,
        training=finished.training,
        spans=finished.spans,
        evaluation=finished.evaluation,
        first_test=finished.first_test,
        serving=finished.serving,
        pushed=finished.pushed,
        pictures=finished.pictures,
        notes=finished.notes,
        serving_flags=finished.serving_flags,
        unfit_version=finished.unfit_version,
        failure=finished.failure,
        exit_code=code,
        log=str(log),
    )
    # The code says how it failed, and where it did not, the verdict says the code.
    return result.model_copy(update={"exit_code": EXIT_CODES[result.verdict.state]})


if __name__ == "__main__":
    command_line.exit_with(main)
