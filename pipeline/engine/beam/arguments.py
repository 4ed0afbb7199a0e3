"""What Beam is told: the arguments that follow from the settings, and whether it knows them.

Beam passes over an argument that it does not know, and runs the job as if nothing had been said.
"""

import argparse
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pipeline import config
from pipeline.config.running import Engine
from pipeline.engine.beam.reaching import ask_job_server
from pipeline.errors import UserError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

_RUNNERS = {
    # Beam's local runner itself: by the name of DirectRunner, Beam first tries Prism, and
    # downloads that program.
    "local": "apache_beam.runners.portability.fn_api_runner.FnApiRunner",
    "prism": "PrismRunner",
    "flink": "FlinkRunner",
    "spark": "SparkRunner",
    "dataflow": "DataflowRunner",
    "portable": "PortableRunner",
}

_ENVIRONMENTS = {"loopback": "LOOPBACK", "pool": "EXTERNAL", "docker": "DOCKER"}

_POOL = "external_service_address"
"""What newer versions of Beam call a pool's address among the options of an environment."""

_LOOPBACK = ("prism", "portable")
"""Engines whose workers are in the run's own process where nothing else is said."""

_IN_JAVA = ("flink", "spark")
"""Engines whose job server takes arguments that Beam in Python knows nothing of."""

_PARALLELISM = {
    "flink": "--parallelism",
    "spark": "--sdk_worker_parallelism",
    "portable": "--sdk_worker_parallelism",
}

_ALIKE, _MISSPELT = 0.6, 0.8
"""How much a name must have of another to be worth a hint, and to be meant for it."""

_ENDS_EARLY = ("no_wait_until_finish", "output_executable_path", "template_location")
"""By which Beam returns before the job has ended, and a node would be done with nothing made."""

_JOB_SERVER_TIMEOUT_S = 10_000_000
"""Beam's 300 s are the deadline of the stream of a job's states as well, and so of the job."""


def make_arguments(settings: config.Config, package: Path | None = None) -> list[str]:
    """Makes Beam's arguments; `beam.args` come last, and hold.

    Args:
        settings: every knob.
        package: this project, for workers elsewhere to install; None where there are none.
    """
    return [
        *_dependencies(package),
        f"--runner={_RUNNERS[settings.engine.name]}",
        *_of_engine(settings.engine),
        *settings.beam.args,
    ]


def leaves_process(settings: config.Config) -> bool:
    """Whether there may be workers that are not of this process's making."""
    return settings.engine.name != "local" or bool(settings.beam.args)


def name_engine(settings: config.Config) -> str:
    """What a sentence calls the engine, which raw arguments may name as well."""
    is_raw = settings.engine.name == "local" and settings.beam.args
    return "the engine" if is_raw else settings.engine.name


def _dependencies(package: Path | None) -> list[str]:
    # Without either, TFX packages itself anew for each component, and removes nothing. The second
    # is looked at by nobody where all workers are on this machine.
    if package:
        return [f"--extra_package={package}"]
    return [f"--setup_file={config.PROJECT_DIRECTORY / 'setup.py'}"]


def _of_engine(engine: Engine) -> Iterator[str]:
    match engine.name:
        case "local":
            # Beam's multi_processing adds nine seconds to each stage at this size.
            mode = "in_memory" if engine.workers == 1 else "multi_processing"
            yield f"--direct_running_mode={mode}"
            yield f"--direct_num_workers={engine.workers}"
        case "dataflow":
            yield f"--project={engine.project}"
            yield f"--region={engine.region}"
            yield f"--staging_location={engine.staging}"
            yield f"--temp_location={engine.staging}"
            yield f"--max_num_workers={engine.workers}"
            if engine.image:
                yield f"--sdk_container_image={engine.image}"
        case _:
            yield from _of_job_server(engine)


def _of_job_server(engine: Engine) -> Iterator[str]:
    yield f"--job_server_timeout={_JOB_SERVER_TIMEOUT_S}"
    if engine.address:
        yield f"--job_endpoint={engine.address}"
    environment = engine.environment or ("loopback" if engine.name in _LOOPBACK else None)
    if environment:
        yield f"--environment_type={_ENVIRONMENTS[environment]}"
    # Each only with its environment, as the settings were checked.
    if place := engine.pool_address or engine.image:
        yield f"--environment_config={place}"
    if engine.name in _PARALLELISM:
        yield f"{_PARALLELISM[engine.name]}={engine.workers}"
    if engine.staging:
        yield f"--artifacts_dir={engine.staging}"


def check_arguments(settings: config.Config) -> None:
    """Checks that Beam knows what it is told by `beam.args`, and finds no contradiction in it.

    Imports Beam, which takes two seconds, if there are any.

    Raises:
        UserError: it does not, or does; the sentence has the nearest argument that there is.
    """
    if not settings.beam.args:
        return
    parser = _make_parser()
    given = make_arguments(settings)
    _, unknown = parser.parse_known_args(given)
    if unknown:
        _check_unknown(unknown, parser, settings.engine)
    # Here, as Beam takes two seconds.
    from apache_beam.options.pipeline_options import PipelineOptions

    for fault in _find_contradictions(PipelineOptions(given)):
        raise UserError(f"beam.args is not allowed: {fault.rstrip('.')}.")


class _Parser(argparse.ArgumentParser):
    """Takes what Beam's classes of options add to theirs, and raises where that would exit."""

    def add_value_provider_argument(self, *names: str, **options: Any) -> None:
        self.add_argument(*names, **options)

    def error(self, message: str) -> NoReturn:
        raise UserError(f"beam.args is not allowed: {message.removeprefix('argument ')}.")


def _make_parser() -> _Parser:
    from apache_beam.options.pipeline_options import PipelineOptions

    parser = _Parser(add_help=False, allow_abbrev=False)
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)
    return parser


def _check_unknown(unknown: Sequence[str], parser: _Parser, engine: Engine) -> None:
    """Refuses what the engine does not know either, as far as it can be asked."""
    known = [name for action in parser._actions for name in action.option_strings]
    is_asked = engine.address and "address" not in engine.without_effect()
    if is_asked:
        known += _ask_job_server(str(engine.address))
    # Of one in Java that Beam is yet to start, nobody knows what it takes.
    is_open = engine.name in _IN_JAVA and not is_asked
    for argument in unknown:
        name = argument.partition("=")[0]
        if not name.startswith("--"):
            # It may be the value of one that only the engine knows.
            if engine.name in _IN_JAVA:
                continue
            raise UserError(f"beam.args is not allowed: {argument!r} belongs to nothing.")
        likeness = _MISSPELT if is_open else _ALIKE
        close = difflib.get_close_matches(name, known, n=1, cutoff=likeness)
        if name in known or (is_open and not close):
            continue
        hint = f"did you mean {close[0]}?" if close else "leave it out."
        raise UserError(f"Beam has no argument {name}, and would pass over it: {hint}")


def _ask_job_server(address: str) -> list[str]:
    """Has a job server say what arguments it takes; Beam hands those on to it."""
    from apache_beam.portability.api import beam_job_api_pb2

    told = ask_job_server(address)
    options = beam_job_api_pb2.DescribePipelineOptionsResponse.FromString(told).options
    return [f"--{option.name}" for option in options]


def _find_contradictions(options: "PipelineOptions") -> Iterator[str]:
    from apache_beam.options.pipeline_options import PortableOptions, StandardOptions
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator

    given = options.get_all_options(drop_default=True)
    for name in _ENDS_EARLY:
        if name in given:
            yield f"with --{name}, a component would be done before its job is"
    portable = options.view_as(PortableOptions)
    if options.view_as(StandardOptions).runner == "PortableRunner" and not portable.job_endpoint:
        yield "--runner=PortableRunner needs --job_endpoint, the host:port of a job server"
    kind = (portable.environment_type or "").upper()
    pool = portable.environment_config or portable.lookup_environment_option(_POOL)
    if kind == "EXTERNAL" and not pool:
        yield "--environment_type=EXTERNAL needs --environment_config, the host:port of a pool"
    yield from PipelineOptionsValidator(options, None).validate()
