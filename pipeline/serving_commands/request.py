"""What every command on the serving directory is given, and says in the same words."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape

from components.model_store.store import Store, Version
from pipeline import config
from pipeline.errors import UserError


@dataclass(frozen=True)
class Request:
    """What a command goes by.

    Attributes:
        store: the serving directory.
        arguments: of the command.
        settings: every knob.
        flags: of `python -m pipeline.serving`, to name this directory.
        console: the screen, which shows nothing if an object is asked for.
    """

    store: Store
    arguments: argparse.Namespace
    settings: config.Config
    flags: str
    console: Console

    def say(self, text: str) -> None:
        """Prints a line of rich markup, as long as it is."""
        self.console.print(text, soft_wrap=True, highlight=False)

    def command(self, text: str) -> str:
        """Spells another command on this directory, to be copied."""
        return f"python -m pipeline.serving {text} {self.flags}".rstrip()

    def warn(self) -> list[str]:
        """Says, and returns, what a person should look into."""
        found = list(self.store.warnings())
        for warning in found:
            self.say(f"[yellow]Warning[/]: {escape(warning)}")
        return found

    def find_sound(self, number: int | None) -> Version:
        """Finds a version that is as it was pushed: the live one, if none is named.

        Raises:
            UserError: it is not.
        """
        version = self.store.find(number)
        if faults := self.store.faults(version):
            raise UserError(f"Version {version.number} is not as it was pushed: {faults[0]}.")
        return version


def numbers(versions: Sequence[Version]) -> list[int]:
    """The versions' numbers."""
    return [version.number for version in versions]


def enumerate_versions(versions: Sequence[Version]) -> str:
    """Names versions in a sentence."""
    return ", ".join(map(str, numbers(versions)))
