"""What is done around each Beam stage: the engine is tried before the first, all are looked at."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import config
from pipeline.engine.beam.arguments import leaves_process, name_engine
from pipeline.engine.beam.outputs import check_outputs
from pipeline.engine.beam.probe import probe
from pipeline.engine.interrupts import Interrupts


class BeamStages:
    """Runs the executors of a run's Beam nodes.

    The engine is tried when the first is to run, and so not where all come from the cache.
    """

    def __init__(
        self,
        settings: config.Config,
        beam_args: Sequence[str],
        root: Path,
        scratch: Path,
        interrupts: Interrupts,
    ) -> None:
        """Prepares for a run.

        Args:
            settings: say where they run.
            beam_args: what Beam is told.
            root: what the workers must share with this machine.
            scratch: what is below it, and goes with the run.
            interrupts: asks to stop.
        """
        self._elsewhere = leaves_process(settings)
        self._engine = name_engine(settings)
        self._workers = settings.engine.workers
        self._beam_args = beam_args
        self._root = root
        self._scratch = scratch
        self._interrupts = interrupts
        self._tried = not self._elsewhere

    def run(self, records: Mapping[str, int], info: Any, execute: Callable[[], Any]) -> Any:  # noqa: ANN401 - TFX's, untyped.
        """Runs an executor, and looks at what it made.

        Args:
            records: how many examples there are to import, by split.
            info: TFX's `ExecutionInfo`.
            execute: runs the executor.

        Returns:
            What it returned, TFX's `ExecutorOutput`.

        Raises:
            UserError: the workers lack something, or what was made is not there.
        """
        if not self._tried:
            probe(
                self._engine,
                self._beam_args,
                self._root,
                self._workers,
                scratch=self._scratch,
                interrupts=self._interrupts,
            )
            self._tried = True
        made = execute()
        check_outputs(info.input_dict, info.output_dict, made, records, self._way_out())
        return made

    def _way_out(self) -> str:
        if not self._elsewhere:
            return "look at the disk, and run again"
        return (
            f"the workers of {self._engine} must see {self._root} under this very path; share it "
            "with them, and run again"
        )
