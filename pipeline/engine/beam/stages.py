"""What is done around each Beam stage: the engine is tried before the first, all are looked at."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline import config
from pipeline.engine.beam.outputs import check_outputs


class BeamStages:
    """Runs the executors of a run's Beam nodes.

    Nothing is tried where all of them come from the cache.
    """

    def __init__(
        self, engine: config.Engine, root: Path, records: Mapping[str, int], probe: Callable[[], None]
    ) -> None:
        """Prepares for a run.

        Args:
            engine: where they run.
            root: what the workers must share with this machine.
            records: how many examples there are to import, by split.
            probe: tries the engine, where it is not this machine, and raises what it found.
        """
        self._engine = engine
        self._root = root
        self._records = records
        self._probe = probe
        self._tried = engine.name == "local"

    def run(self, info: Any, run: Callable[[], Any]) -> Any:  # noqa: ANN401 - TFX's, untyped.
        """Runs an executor, and looks at what it made.

        Args:
            info: TFX's `ExecutionInfo`.
            run: runs the executor.

        Returns:
            What it returned, TFX's `ExecutorOutput`.

        Raises:
            UserError: the engine can't run it, or what it made is not there.
        """
        if not self._tried:
            self._probe()
            self._tried = True
        made = run()
        check_outputs(info.input_dict, info.output_dict, made, self._records, self._way_out())
        return made

    def _way_out(self) -> str:
        if self._engine.name == "local":
            return "look at the disk, and run again"
        return (
            f"the workers of {self._engine.name} must see {self._root} under this path, and so "
            "must whoever reads what they write; share it with them, and run again"
        )
