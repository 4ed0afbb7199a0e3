"""What a version takes pictures for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from components.model_store.store import Version
from pipeline.data import garment
from pipeline.data.garment import Garment
from pipeline.errors import UserError
from pipeline.screen import pictures
from pipeline.screen.command_line import Answer
from pipeline.serving_commands.request import Request
from trainer_module import features, served

_BAR_WIDTH = 30
# A class that is less likely is left out on the screen.
_LEAST_PROBABILITY = 0.01


def predict(request: Request) -> Answer:
    """Classifies pictures."""
    arguments = request.arguments
    # Before TensorFlow is waited for.
    garments = [garment.read_garment(image) for image in arguments.images]
    if arguments.save:
        pictures.save(arguments.save, arguments.images, [one.pixels for one in garments])
    version = request.find_sound(arguments.version)
    answers = _ask(request, version, garments)
    request.say(f"version {version.number}")
    for image, one, answer in zip(arguments.images, garments, answers, strict=True):
        request.console.print()
        request.say(f"[bold]{escape(str(image))}[/]")
        if arguments.show:
            pictures.draw(request.console, one.pixels)
        if answer is None:
            request.say("[yellow]blank: nothing to classify[/]")
        else:
            request.console.print(_probability_table(answer, request.console.width))
    described = map(_describe, arguments.images, answers)
    return Answer({"version": version.number, "pictures": list(described)})


def _ask(
    request: Request, version: Version, garments: Sequence[Garment]
) -> list[Sequence[float] | None]:
    """The probability of each class for each picture; None for one that is blank."""
    shown = [one.pixels for one in garments if not one.blank]
    with request.console.status("loading the model …"):
        try:
            probabilities = iter(_classify(version.path, shown) if shown else [])
        # Another's model may fail in any way.
        except Exception as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            command = request.command(f"check {version.number}")
            raise UserError(
                f"Version {version.number} can't classify pictures ({reason}): `{command}` says "
                "more."
            ) from error
    return [None if one.blank else next(probabilities) for one in garments]


def _classify(model: Path, images: Sequence) -> list[list[float]]:
    """Returns the probability of each class for each picture."""
    import numpy as np

    from trainer_module import signature_calls

    classify = signature_calls.load_signature(model, served.PREDICT_IMAGES)
    probabilities = classify(np.stack(images))[served.PROBABILITIES]
    wanted = (len(images), features.NUM_CLASSES)
    # Another's model may answer anything.
    if probabilities.shape != wanted or not np.isfinite(probabilities).all():
        raise ValueError("it does not answer with a probability for each class")
    return probabilities.tolist()


def _describe(image: Path, probabilities: Sequence[float] | None) -> dict[str, Any]:
    if probabilities is None:
        return {"file": str(image), "class": None, served.PROBABILITIES: None}
    named = dict(zip(features.CLASS_NAMES, probabilities, strict=True))
    return {
        "file": str(image),
        "class": max(named, key=lambda name: named[name]),
        served.PROBABILITIES: named,
    }


def _probability_table(probabilities: Sequence[float], width: int) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    name_width = max(map(len, features.CLASS_NAMES))
    table.add_column(min_width=name_width)
    table.add_column(justify="right")
    table.add_column()
    # What a name, a probability and the gaps leave.
    longest = max(1, min(_BAR_WIDTH, width - name_width - len("100.0%") - 6))
    named = zip(features.CLASS_NAMES, probabilities, strict=True)
    for name, probability in sorted(named, key=lambda pair: -pair[1]):
        if probability >= _LEAST_PROBABILITY:
            bar = "█" * max(1, round(longest * probability))
            table.add_row(name, f"{probability:.1%}", f"[green]{bar}[/]")
    return table
