"""Whether a version is sound: its checksums, and whether it loads and answers."""

from typing import TYPE_CHECKING

from rich.markup import escape

from components.model_server.client import ServerError
from components.model_server.process import Server, find_server
from components.model_store.store import Version
from components.serving_check.findings import Findings
from components.serving_check.runner import BATCHES, TOLERANCE, Limits, Questions, run_check
from pipeline import config, workspace
from pipeline.errors import ExitCode, UserError
from pipeline.screen.command_line import Answer
from pipeline.serving_commands.request import Request
from trainer_module import features

if TYPE_CHECKING:
    from trainer_module.warmup import Warmup


def check(request: Request) -> Answer:
    """Compares a version's checksums, loads it and calls it, and has a server serve it if asked."""
    asked = request.arguments.server
    server = None if asked is None else _find_server(asked)
    version = request.store.find(request.arguments.version)
    faults, measures = request.store.faults(version), {}
    if not faults:
        request.say(_describe_checksums(version))
        with request.console.status("loading and calling the model …"):
            recorded = _read_recorded(version)
            report = _probe(version, recorded, request.settings.serving)
        for line in _describe_measures(report):
            request.say(line)
        faults, measures = report.reasons, report.measures
    if not faults and server:
        with request.console.status(f"serving the model by {server.name} …"):
            faults = _serve(server, version, recorded, request.settings.serving)
        request.say(f"server    {escape(server.name)}, on this machine, over REST and gRPC")
    return _judge(request, version, faults, measures)


def _judge(
    request: Request, version: Version, faults: list[str], measures: dict[str, float]
) -> Answer:
    for fault in faults:
        request.say(f"[red]•[/] {escape(fault)}")
    verdict = "[bold red]{} is not sound.[/]" if faults else "[bold green]{} is sound.[/]"
    request.say(verdict.format(f"Version {version.number}"))
    document = {
        "version": version.number,
        "sound": not faults,
        "faults": list(faults),
        "measures": measures,
    }
    return Answer(document, ExitCode.FAILED if faults else ExitCode.OK)


def _find_server(program: str) -> Server:
    try:
        return find_server(program or None)
    except ServerError as error:
        raise UserError(
            f"--server needs TensorFlow Serving, and {error}: name its program with --server "
            "PROGRAM, or leave the flag out."
        ) from error


def _describe_checksums(version: Version) -> str:
    if version.record is None:
        return "files     not compared: no push of this project is on record"
    return f"files     all {len(version.record.files)} as they were pushed"


def _read_recorded(version: Version) -> "Warmup":
    """The requests that the version brings, with their answers; one without where it has none."""
    from trainer_module import warmup

    return warmup.read_warmup(version.path) or warmup.Warmup([warmup.make_black_example()], {})


def _probe(version: Version, recorded: "Warmup", settings: config.Serving) -> Findings:
    from trainer_module import warmup

    limits = Limits.of(settings.model_dump())
    questions = Questions(recorded.examples, warmup.to_plain(recorded.answers))
    return run_check(version.path, lambda: questions, limits, features.IMAGE)


def _serve(
    server: Server, version: Version, recorded: "Warmup", settings: config.Serving
) -> list[str]:
    from components.model_server.check import check_on_server
    from trainer_module import warmup

    return check_on_server(
        server,
        version.path,
        workspace.MODEL_NAME,
        version.number,
        warmup.decode_images(recorded.examples),
        warmup.to_plain(recorded.answers),
        TOLERANCE,
        settings.timeout_s,
    )


def _describe_measures(report: Findings) -> list[str]:
    measures = report.measures
    lines = [f"size      {measures['size_mb']:.2f} MB"]
    if "load_s" in measures:
        lines.append(
            f"loads     in {measures['load_s']:.2f} s, by TensorFlow's C API as a server does"
        )
    if "difference" in measures:
        apart = measures["difference"]
        lines.append(f"answers   as recorded in it, at most {apart:.1g} apart, in Python as well")
    lines.extend(
        f"latency   {measures[f'median_ms_{size}']:.1f} ms, 99th percentile "
        f"{measures[f'p99_ms_{size}']:.1f} ms, batch of {size}"
        for size, _ in BATCHES
        if f"p99_ms_{size}" in measures
    )
    if "memory_mb" in measures:
        lines.append(f"memory    {measures['memory_mb']:,.0f} MB at most, TensorFlow included")
    return lines
