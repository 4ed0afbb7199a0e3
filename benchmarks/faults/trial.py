"""One try: a root, a fault in it, and the same command once more."""

import json
import random
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.faults.running import (
    RUN,
    Ended,
    Running,
    find_left,
    find_processes,
    is_alike,
    python,
    send,
)

Start = Literal["empty", "prepared"]
"""A root with nothing in it, or one in which another model is served."""

FIRST_SEED, SEED = 1, 2
"""Of the model in a prepared root, and of the one that is trained while something breaks."""

_TOLD = 200
"""Characters of what another command says, at most."""


class HopelessError(Exception):
    """Nothing can be measured: an undisturbed run does not end well."""


@dataclass(frozen=True)
class Bench:
    """What all tries share.

    Attributes:
        scratch: an empty directory.
        flags: of the command, besides root and seed.
        limit_s: the seconds that a run may take.
        call: makes the command that runs a module with arguments.
    """

    scratch: Path
    flags: Sequence[str]
    limit_s: float
    call: Callable[..., Sequence[str]] = python
    references: dict[int, Ended] = field(default_factory=dict)

    @property
    def prepared(self) -> Path:
        """The root that tries begin with a copy of."""
        return self.scratch / "prepared"

    def prepare(self) -> None:
        """Makes that root, and has the same models trained undisturbed.

        Raises:
            HopelessError: that did not end well.
        """
        self.references[FIRST_SEED] = self._reference(self.prepared, FIRST_SEED)
        undisturbed = self.scratch / "undisturbed"
        copy(self.prepared, undisturbed)
        self.references[SEED] = self._reference(undisturbed, SEED)
        shutil.rmtree(undisturbed)

    def _reference(self, root: Path, seed: int) -> Ended:
        ended = self.start(root, seed, self.scratch, 0).end(self.limit_s)
        if ended.code != 0 or ended.figures is None:
            raise HopelessError(f"An undisturbed run ended with {ended.code}: {ended.sentence}.")
        return ended

    def seconds(self, node: str) -> float:
        """How long a component takes where nothing disturbs it."""
        results = [ended.result for ended in self.references.values()]
        return max(one.components[node].seconds for one in results if one)

    def start(self, root: Path, seed: int, directory: Path, number: int) -> Running:
        """Starts the command, with files in a directory for what it prints."""
        named = ["--json", "--root", str(root), "--set", f"training.seed={seed}"]
        return Running(self.call(RUN, *named, *self.flags), directory, number)

    def ask(self, directory: Path, module: str, *arguments: str) -> Ended:
        """Calls another command to its end."""
        return Running(self.call(module, *arguments), directory, -1).end(self.limit_s)


class Scene:
    """What a fault is made in; it may move the root, and choose another model."""

    def __init__(
        self,
        bench: Bench,
        place: Path,
        seed: int,
        number: int,
        chance: random.Random,
        until_end: ExitStack,
    ) -> None:
        """Takes what all tries share, and what is this one's.

        Args:
            bench: what all share.
            place: a directory of this try alone.
            seed: of the model.
            number: of the try in its row, from 0.
            chance: decides on moments.
            until_end: is undone once all has been looked at.
        """
        self.bench, self.place, self.root = bench, place, place / "root"
        self.seed, self.number, self.random = seed, number, chance
        self.until_end = until_end
        self.calls = 0

    def start(self, root: Path | None = None) -> Running:
        """Starts the command."""
        self.calls += 1
        return self.bench.start(root or self.root, self.seed, self.place, self.calls)

    def end(self, running: Running) -> Ended:
        """Waits for the end of a command."""
        return running.end(self.bench.limit_s)

    def run(self) -> Ended:
        """Runs the command to its end."""
        return self.end(self.start())


Disturb = Callable[[Scene], str]
"""Makes the fault, and says what the command that met it said, or a person had to do."""


@dataclass(frozen=True)
class Case:
    """A kind of fault.

    Attributes:
        disturb: makes it.
        begin: the root before it.
        seed: of the command; that of the prepared root takes all from the cache.
        obstacle: says why it can't be made on this machine, if so.
    """

    disturb: Disturb
    begin: Start = "prepared"
    seed: int = SEED
    obstacle: Callable[[], str | None] = lambda: None


@dataclass(frozen=True)
class Trial:
    """How one try went.

    Attributes:
        said: what the disturbed command said.
        survived: whether the same command, started again, ended as undisturbed, and what is
            served is whole.
        same: whether its figures were the same.
        left: what was left behind.
        trouble: why it did not survive.
    """

    said: str
    survived: bool
    same: bool
    left: Sequence[str] = ()
    trouble: str = ""

    @property
    def well(self) -> bool:
        """Whether all is as if nothing had happened."""
        return self.survived and self.same and not self.left


def attempt(bench: Bench, case: Case, number: int, chance: random.Random) -> Trial:
    """Tries a fault once, in a root that is deleted afterwards."""
    with _scene(bench, case, number, chance) as scene:
        said = case.disturb(scene).replace(str(scene.place), "…")
        again = scene.run()
        expected = bench.references[case.seed]
        trouble = _find_trouble(scene, again)
        return Trial(
            said,
            survived=not trouble,
            same=is_alike(again.figures, expected.figures),
            left=find_left(scene.root),
            trouble=trouble,
        )


def _find_trouble(scene: Scene, again: Ended) -> str:
    expected = scene.bench.references[scene.seed]
    if again.code != expected.code:
        return f"exit code {again.code}: {again.sentence}"
    if again.result is None or again.result.pushed is None:
        return "no model is served"
    flags = ("--root", str(scene.root), "--json")
    for command in (["list"], ["check", again.result.pushed.version]):
        asked = scene.bench.ask(scene.place, "pipeline.serving", *flags, *command)
        if asked.code != 0:
            return f"serving {command[0]}: {(asked.screen or asked.out).strip()[-_TOLD:]}"
        if warnings := json.loads(asked.out).get("warnings"):
            return f"serving {command[0]}: {'; '.join(warnings)}"
    return ""


@contextmanager
def _scene(bench: Bench, case: Case, number: int, chance: random.Random) -> Iterator[Scene]:
    place = Path(tempfile.mkdtemp(dir=bench.scratch))
    try:
        with ExitStack() as until_end:
            scene = Scene(bench, place, case.seed, number, chance, until_end)
            if case.begin == "prepared":
                copy(bench.prepared, scene.root)
            until_end.callback(lambda: send(signal.SIGKILL, find_processes(scene.root)))
            yield scene
    finally:
        shutil.rmtree(place)


def copy(source: Path, target: Path) -> None:
    """Copies a root with all times and links."""
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)


@dataclass(frozen=True)
class Row:
    """All tries of a kind of fault; none, and the reason, where it can't be made."""

    name: str
    trials: Sequence[Trial]
    obstacle: str | None = None

    def to_markdown(self) -> str:
        """The row of the table."""
        if self.obstacle:
            return f"| {self.name} | 0 | not tried: {self.obstacle} | – | – | – |"
        tries = len(self.trials)
        left = sorted({one for trial in self.trials for one in trial.left})
        said = sorted({trial.said for trial in self.trials})
        troubles = sorted({trial.trouble for trial in self.trials if trial.trouble})
        cells = [
            self.name,
            str(tries),
            "; ".join([f"{sum(one.survived for one in self.trials)}", *troubles]),
            str(sum(one.same for one in self.trials)),
            ", ".join(left) or "nothing",
            "; ".join(said),
        ]
        return f"| {' | '.join(_escape(cell) for cell in cells)} |"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


HEAD = """\
| fault | tries | survived | same figures | left behind | what the disturbed run said |
|---|---|---|---|---|---|"""


def measure(bench: Bench, cases: Mapping[str, Case], tries: int, seed: int) -> Iterator[Row]:
    """Yields a row for each case, as soon as it is known."""
    for name, case in cases.items():
        obstacle = case.obstacle()
        # By the name, so that a row alone is what it is among others.
        chances = [random.Random(f"{seed} {name} {number}") for number in range(tries)]
        trials = [] if obstacle else [attempt(bench, case, *one) for one in enumerate(chances)]
        yield Row(name, trials, obstacle)
