"""A version in another format."""

import signal

from rich.markup import escape

from components.model_formats.export import FormatError, export
from pipeline import workspace
from pipeline.errors import UserError
from pipeline.screen import command_line
from pipeline.screen.command_line import Answer
from pipeline.serving_commands.request import Request


def export_version(request: Request) -> Answer:
    """Writes a version as LiteRT, ONNX or Keras."""
    arguments = request.arguments
    command_line.take_as_interrupts(signal.SIGTERM, signal.SIGHUP)
    version = request.find_sound(arguments.version)
    facts = {"version": version.number, "run": version.record.facts.run if version.record else ""}
    directory = workspace.expand(arguments.directory)
    with request.console.status(f"writing version {version.number} as {arguments.format} …"):
        try:
            written = export(version.path, arguments.format, directory, workspace.MODEL_NAME, facts)
        except FormatError as error:
            raise UserError(str(error)) from error
    size = written.file.stat().st_size
    request.say(
        f"{escape(str(written.file))}, {size / 1e3:,.0f} kB; {written.file.stem}.json says what it "
        "takes and gives"
    )
    request.say(
        f"[bold green]It answers as version {version.number} does[/]: {written.same} of "
        f"{written.images} images get the same class, at most {written.difference:.1g} apart."
    )
    return Answer(
        {
            "version": version.number,
            "format": arguments.format,
            "file": str(written.file),
            "bytes": size,
            "images": written.images,
            "same_class": written.same,
            "difference": written.difference,
        }
    )
