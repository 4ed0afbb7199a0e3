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
import sys
import time
from collections.abc import Callable, Sequence

from rich.console import Console

from components.model_server.image import find_obstacle
from components.model_store.files import write_atomically
from components.report.contents import REPORT_FILE
from pipeline import config, nodes, settings, workspace
from pipeline.causes import describe_cause, find_shortage
from pipeline.data import sources, watching
from pipeline.engine import part
from pipeline.engine.beam.arguments import check_arguments
from pipeline.engine.beam.reaching import check_engine
from pipeline.engine.protocol import INTERRUPTED, Event, Finished, NodeEvent, Request
from pipeline.engine.supervisor import Surroundings, run_worker
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
    return _watch(parsed) if parsed.watch else _attempt(parsed)


def _watch(parsed: argparse.Namespace) -> ExitCode:
    """Runs whenever a new span is there, until it is interrupted."""
    if parsed.from_node:
        raise UserError("--watch runs on new data, so nothing goes before: leave out --from-node.")
    asked = _load(parsed)
    place, root = watching.Place.of(asked.dataset), workspace.expand(asked.paths.root)
    console = Console(stderr=parsed.json, emoji=False)

    def say(text: str) -> None:
        now = datetime.datetime.now().strftime("%H:%M:%S")
        console.print(f"{now} {text}", markup=False, highlight=False, soft_wrap=True)

    with command_line.interruptible():
        say(f"watching {place.directory} for new spans every {parsed.watch:g} s; Ctrl-C ends it")
        spans = watching.arrivals(place, parsed.watch, lambda text: say(f"waiting: {text}"))
        try:
            for span in spans:
                while workspace.is_locked(root):
                    time.sleep(parsed.watch)
                say(f"{span} is whole: a run begins")
                if _attempt(parsed) == ExitCode.INTERRUPTED:
                    return ExitCode.INTERRUPTED
                say("waiting for the next span")
        except KeyboardInterrupt:
            say("no longer watching")
    return ExitCode.OK


def _attempt(parsed: argparse.Namespace) -> ExitCode:
    """Runs once, and says how it ended."""
    with command_line.interruptible() as ignore_interrupts:
        result = _try(parsed, ignore_interrupts)
        if parsed.json:
            print(result.to_json(), flush=True)
    return result.exit_code


def _try(parsed: argparse.Namespace, ignore_interrupts: Callable[[], None]) -> RunResult:
    # With --json, standard output is for the object alone.
    console = Console(stderr=parsed.json, emoji=False)
    started = datetime.datetime.now(datetime.timezone.utc)
    try:
        return _run(parsed, console, started, ignore_interrupts)
    except UserError as error:
        cause = str(error)
        print(f"error: {cause}", file=sys.stderr)
        return _not_started(started, cause, ExitCode.USAGE)
    except KeyboardInterrupt:
        print("Interrupted before anything started.", file=sys.stderr)
        return _not_started(started, "interrupted", ExitCode.INTERRUPTED)


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
    arguments.add_engine_flag(parser)
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


def _run(
    parsed: argparse.Namespace,
    console: Console,
    started: datetime.datetime,
    ignore_interrupts: Callable[[], None],
) -> RunResult:
    """Checks everything that can be checked beforehand, then runs the graph."""
    began, asked = time.monotonic(), _load(parsed)
    _check_part(parsed.from_node, parsed.to_node, asked)
    _check_server(asked.serving)
    check_engine(asked.engine)
    check_arguments(asked)
    root = workspace.expand(asked.paths.root)
    workspace.check_no_wildcards(root, "--root")
    workspace.make_writable(root, "--root")
    with command_line.download_progress(console) as progress:
        source = sources.find(asked.dataset, progress)
    place = workspace.workspace(asked.paths, source.dataset)
    workspace.make_writable(place.root, "--root")
    workspace.make_writable(place.serving_dir, "--serving-dir")
    roots = [workspace.workspace(asked.paths, name).root for name in workspace.DATASETS]
    with workspace.lock(place.root, lambda text: console.print(f"{text} …")) as held:
        workspace.check_earlier(place)
        request = Request(
            run_id=history.make_run_id(started, roots),
            config=asked,
            source=source,
            from_node=parsed.from_node,
            to_node=parsed.to_node,
            cache=not parsed.no_cache,
            keep_versions=parsed.keep_cache_across_versions,
        )
        notes = start.prepare(place)
        # Before the run, during which somebody may edit or commit.
        code = find_code_version()
        surroundings = _surroundings(request, place, held, parsed.verbose)
        workspace.make_writable(place.run_dir(request.run_id), "--root")
        for note in notes:
            console.print(note, markup=False, highlight=False, soft_wrap=True)
        ended = _supervise(request, surroundings, held, console, ignore_interrupts)
        result = ended.model_copy(
            update={
                "started": started,
                "duration_s": round(time.monotonic() - began, 3),
                "settings": settings.differing(asked),
                "code": code and Code(commit=code.commit, clean=code.clean),
            }
        )
        result = _keep(result, place)
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


def _surroundings(
    request: Request, place: workspace.Workspace, held: workspace.Held, verbose: bool
) -> Surroundings:
    return Surroundings(
        log=place.run_dir(request.run_id) / LOG_FILE,
        held=[held.descriptor],
        time_limit_s=request.config.run.component_timeout_min * 60,
        echo=sys.stderr if verbose else None,
    )


def _supervise(
    request: Request,
    surroundings: Surroundings,
    held: workspace.Held,
    console: Console,
    ignore_interrupts: Callable[[], None],
) -> RunResult:
    """Runs the graph and shows how it goes. However that ends, what it came to is returned."""
    clock, finished = NodeClock(), INTERRUPTED
    # Lines of a log and a table that redraws itself do not share a screen.
    display = make_display(console, clock, live=console.is_terminal and not surroundings.echo)

    def handle(event: Event) -> None:
        if isinstance(event, NodeEvent):
            clock.handle(event)
        display.handle(event)

    try:
        print_heading(console, request.source, surroundings.log.parent)
        with display:
            finished = run_worker(
                request, surroundings, handle, lambda worker: held.tell(worker=worker)
            )
            ignore_interrupts()
            clock.abort("interrupted" if finished.interrupted else "failed")
    except KeyboardInterrupt:
        ignore_interrupts()
    except (OSError, RuntimeError, MemoryError) as error:
        # As where no process or thread may be started.
        shortage = find_shortage(error, [surroundings.log.parent])
        if shortage is None:
            raise
        finished = Finished(failure=Failure(cause=shortage))
    return _conclude(request, clock, finished)


def _conclude(request: Request, clock: NodeClock, finished: Finished) -> RunResult:
    code = ExitCode.USAGE if finished.usage else ExitCode.FAILED
    told = {*Finished.model_fields} & {*RunResult.model_fields}
    result = RunResult(
        run_id=request.run_id,
        dataset=request.source.dataset,
        components=clock.results(),
        exit_code=ExitCode.INTERRUPTED if finished.interrupted else code,
        **{name: getattr(finished, name) for name in told},
    )
    # The code says how it failed, and where it did not, the verdict says the code.
    return result.model_copy(update={"exit_code": EXIT_CODES[result.verdict.state]})


def _keep(result: RunResult, place: workspace.Workspace) -> RunResult:
    """Leaves what a run came to in its directory, and tells what can't be written, if anything."""
    run_dir = place.run_dir(result.run_id)
    page, log = run_dir / REPORT_FILE, run_dir / LOG_FILE
    notes = list(result.notes)

    def write(name: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:
            # What the run came to is to be told, whatever can't be kept of it.
            cause = describe_cause(error, [run_dir])
            notes.append(f"{name} could not be written: {cause}")

    write("the page", lambda: pages.write_bare_report(run_dir, result))
    found = {"report": page, "log": log}
    result = result.model_copy(
        update={name: str(file) for name, file in found.items() if file.exists()}
    )
    result = result.model_copy(update={"notes": list(notes)})
    write(RESULT_FILE, lambda: write_atomically(run_dir / RESULT_FILE, result.to_json()))
    write("the list of the runs", lambda: pages.write_index(place.root))
    write("the copy of the metadata", lambda: start.conclude(place))
    write("what the group shares", lambda: workspace.share(place))
    return result.model_copy(update={"notes": notes})


if __name__ == "__main__":
    command_line.exit_with(main)
