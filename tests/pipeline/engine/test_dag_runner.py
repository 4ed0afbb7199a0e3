import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import apache_beam as beam
import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import BeamComponentParameter
from tfx.dsl.components.base import base_node
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import RunOptions
from tfx.orchestration.portable import launcher, partial_run_utils
from tfx.types import standard_artifacts

from components.properties import SKIPPED
from pipeline.engine.beside import NodeFailedError
from pipeline.engine.dag_runner import ObservedDagRunner
from pipeline.engine.interrupts import InterruptedRunError, Interrupts
from pipeline.errors import UserError

Execution = metadata_store_pb2.Execution
Model = standard_artifacts.Model
Input = tfx.dsl.components.InputArtifact
Output = tfx.dsl.components.OutputArtifact
Parameter = tfx.dsl.components.Parameter

BREAK_DOWNS = {
    "broken": lambda: _raise(RuntimeError("the loom broke")),
    "interrupted": lambda: _raise(KeyboardInterrupt()),
    "terminated": lambda: signal.raise_signal(signal.SIGTERM),
    "deaf": lambda: _swallow(lambda: signal.raise_signal(signal.SIGTERM)),
}


def _raise(error: BaseException) -> None:
    raise error


def _swallow(call: Callable[[], None]) -> None:
    with suppress(BaseException):
        call()


def work(directory: str, node: str, target: Model) -> None:
    """Notes that a node ran; breaks down if there is a file that says how."""
    with (Path(directory) / "ran").open("a") as log:
        log.write(f"{node}\n")
    for name, break_down in BREAK_DOWNS.items():
        if (Path(directory) / f"{node}.{name}").exists():
            break_down()
    Path(target.uri).mkdir(parents=True, exist_ok=True)
    (Path(target.uri) / "from").write_text(node)


@tfx.dsl.components.component
def Spin(directory: Parameter[str], thread: Parameter[int], yarn: Output[Model]):  # noqa: N802
    work(directory, "Spin", yarn)


@tfx.dsl.components.component
def Weave(directory: Parameter[str], yarn: Input[Model], cloth: Output[Model]):  # noqa: N802
    assert (Path(yarn.uri) / "from").read_text() == "Spin"
    work(directory, "Weave", cloth)


@tfx.dsl.components.component
def Sew(directory: Parameter[str], cloth: Input[Model], dress: Output[Model]):  # noqa: N802
    assert (Path(cloth.uri) / "from").read_text() == "Weave"
    work(directory, "Sew", dress)


@tfx.dsl.components.component(use_beam=True)
def Dye(  # noqa: N802
    directory: Parameter[str],
    yarn: Output[Model],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
):
    work(directory, "Dye", yarn)


class NothingStrategy(tfx.dsl.experimental.LatestArtifactStrategy):
    """Resolves to nothing, as if there were no such artifact."""

    def resolve_artifacts(self, store, input_dict):
        return {key: [] for key in input_dict}


class Mill:
    """A root directory in which pipelines run: Spin, then Weave, then Sew."""

    def __init__(self, root: Path):
        self.root = root
        self.connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(root / "metadata.db")
        )
        self.seen: list[tuple[str, str]] = []
        self.notes: dict[str, str] = {}
        self.find_changes = lambda store, run_id: {}
        self.interrupts = Interrupts()
        self.guard = lambda info, execute: execute()

    def components(self, thread: int = 1) -> list[base_node.BaseNode]:
        spin = Spin(directory=str(self.root), thread=thread)
        weave = Weave(directory=str(self.root), yarn=spin.outputs["yarn"])
        sew = Sew(directory=str(self.root), cloth=weave.outputs["cloth"])
        return [spin, weave, sew]

    def run(self, run_id, components=None, *, cache=True, **part) -> None:
        """Runs the pipeline; `seen` holds what the observer was told."""
        self.seen, self.notes = [], {}
        (self.root / "ran").write_text("")
        pipeline = tfx.dsl.Pipeline(
            pipeline_name="mill",
            pipeline_root=str(self.root / "artifacts"),
            components=components or self.components(),
            enable_cache=True,
            metadata_connection_config=self.connection,
        )
        runner = ObservedDagRunner(
            run_id,
            self._observe,
            cache=cache,
            find_changes=self.find_changes,
            interrupts=self.interrupts,
            guard=self.guard,
        )
        runner.run(pipeline, run_options=RunOptions(**part) if part else None)

    def _observe(self, node, state, note):
        self.seen.append((node, state))
        if note:
            self.notes[node] = note

    @property
    def ended(self) -> dict[str, str]:
        """The last that the observer was told of each node."""
        return dict(self.seen)

    @property
    def ran(self) -> list[str]:
        """The nodes whose code ran, in order."""
        return (self.root / "ran").read_text().split()

    def break_down(self, node: str, how: str = "broken") -> None:
        (self.root / f"{node}.{how}").touch()

    def mend(self, node: str) -> None:
        for file in self.root.glob(f"{node}.*"):
            file.unlink()

    def recorded(self, run_id: str) -> dict[str, int]:
        """The state of each execution of a run in ML Metadata, by node."""
        with metadata.Metadata(self.connection) as handle:
            run = handle.store.get_context_by_type_and_name("pipeline_run", run_id)
            return {
                next(
                    context.name.removeprefix("mill.")
                    for context in handle.store.get_contexts_by_execution(execution.id)
                    if context.type == "node"
                ): execution.last_known_state
                for execution in handle.store.get_executions_by_context(run.id)
            }


@pytest.fixture
def mill(tmp_path):
    return Mill(tmp_path)


@pytest.fixture
def used_mill(mill):
    """One in which a run went well."""
    mill.run("first")
    return mill


def test_observer_is_told_of_each_node_as_it_starts_and_ends(mill):
    mill.run("first")
    assert mill.ran == ["Spin", "Weave", "Sew"]
    assert mill.seen == [
        ("Spin", "running"),
        ("Spin", "done"),
        ("Weave", "running"),
        ("Weave", "done"),
        ("Sew", "running"),
        ("Sew", "done"),
    ]


def test_run_is_recorded_under_its_id(used_mill):
    assert used_mill.recorded("first") == dict.fromkeys(
        ("Spin", "Weave", "Sew"), Execution.COMPLETE
    )


def test_unchanged_nodes_come_from_the_cache(used_mill):
    used_mill.run("second")
    assert used_mill.ran == []
    assert used_mill.ended == {"Spin": "cached", "Weave": "cached", "Sew": "cached"}


def test_without_cache_every_node_runs_again(used_mill):
    used_mill.run("second", cache=False)
    assert used_mill.ran == ["Spin", "Weave", "Sew"]
    assert used_mill.ended == {"Spin": "done", "Weave": "done", "Sew": "done"}


def test_failing_node_is_named_with_its_cause_and_ends_the_run(mill):
    mill.break_down("Weave")
    with pytest.raises(NodeFailedError) as failure:
        mill.run("first")
    assert failure.value.node == "Weave"
    assert isinstance(failure.value.__cause__, RuntimeError)
    assert str(failure.value.__cause__) == "the loom broke"
    assert mill.seen[-2:] == [("Weave", "running"), ("Weave", "failed")]
    assert mill.ran == ["Spin", "Weave"]


def test_run_after_a_failure_starts_where_it_stopped(mill):
    mill.break_down("Weave")
    with pytest.raises(NodeFailedError):
        mill.run("first")
    assert mill.recorded("first") == {"Spin": Execution.COMPLETE, "Weave": Execution.FAILED}
    mill.mend("Weave")
    mill.run("second")
    assert mill.ended == {"Spin": "cached", "Weave": "done", "Sew": "done"}


def test_run_after_an_interrupt_starts_where_it_stopped(mill):
    mill.break_down("Weave", "interrupted")
    with pytest.raises(KeyboardInterrupt):
        mill.run("first")
    assert "Sew" not in mill.ended
    mill.mend("Weave")
    mill.run("second")
    assert mill.ended == {"Spin": "cached", "Weave": "done", "Sew": "done"}


@pytest.fixture
def interrupted(mill):
    """Has SIGTERM interrupt the runs, without what would end the tests' process."""
    before = signal.signal(signal.SIGTERM, mill.interrupts._handle)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("interrupted")
def test_node_of_a_worker_that_is_terminated_is_recorded_as_failed(mill):
    mill.break_down("Weave", "terminated")
    with pytest.raises(NodeFailedError) as failure:
        mill.run("first")
    assert failure.value.node == "Weave"
    assert isinstance(failure.value.__cause__, InterruptedRunError)
    assert mill.seen[-1] == ("Weave", "interrupted")
    assert mill.recorded("first")["Weave"] == Execution.FAILED
    # Nor does half of what it made stay behind.
    assert not list((mill.root / "artifacts" / "Weave" / "cloth").iterdir())


@pytest.mark.usefixtures("interrupted")
def test_node_after_one_that_swallowed_the_interrupt_does_not_start(mill):
    mill.break_down("Weave", "deaf")
    with pytest.raises(InterruptedRunError):
        mill.run("first")
    assert mill.seen == [
        *(("Spin", "running"), ("Spin", "done")),
        *(("Weave", "running"), ("Weave", "done")),
    ]
    # It came to its end, and that counts.
    assert mill.recorded("first") == {"Spin": Execution.COMPLETE, "Weave": Execution.COMPLETE}


@pytest.mark.usefixtures("interrupted")
def test_run_whose_last_node_swallowed_the_interrupt_has_come_to_its_end(mill):
    mill.break_down("Sew", "deaf")
    mill.run("first")
    assert mill.ended == {"Spin": "done", "Weave": "done", "Sew": "done"}


@pytest.mark.usefixtures("interrupted")
def test_interrupt_while_tfx_writes_its_books_does_not_break_in(mill, monkeypatch):
    publish = launcher.Launcher._publish_successful_execution

    def publish_interrupted(*arguments):
        signal.raise_signal(signal.SIGTERM)
        return publish(*arguments)

    monkeypatch.setattr(launcher.Launcher, "_publish_successful_execution", publish_interrupted)
    with pytest.raises(InterruptedRunError):
        mill.run("first")
    assert mill.recorded("first") == {"Spin": Execution.COMPLETE}


def test_part_takes_over_what_the_run_before_made(used_mill):
    used_mill.run("second", from_nodes=["Weave"], to_nodes=["Weave"], cache=False)
    assert used_mill.seen == [
        ("Spin", "left out"),
        ("Weave", "running"),
        ("Weave", "done"),
        ("Sew", "left out"),
    ]
    assert used_mill.ran == ["Weave"]
    # Sew is not taken over: what it made was made of other cloth.
    assert used_mill.recorded("second") == {"Spin": Execution.CACHED, "Weave": Execution.COMPLETE}


def test_what_a_part_takes_over_is_asked_of_ml_metadata_itself(used_mill, monkeypatch):
    """TFX asks from several threads at once, which the lean store is not made for."""
    asked, snapshot = [], partial_run_utils.snapshot

    def spy(handle, *arguments):
        asked.append(handle.store)
        return snapshot(handle, *arguments)

    monkeypatch.setattr(partial_run_utils, "snapshot", spy)
    used_mill.run("second", from_nodes=["Weave"])
    assert [type(store) for store in asked] == [mlmd.MetadataStore]


def test_part_that_ends_early_needs_no_run_before(mill):
    mill.run("first", to_nodes=["Weave"])
    assert mill.ended == {"Spin": "done", "Weave": "done", "Sew": "left out"}
    assert mill.ran == ["Spin", "Weave"]


def test_part_can_follow_a_part(mill):
    mill.run("first", to_nodes=["Weave"])
    mill.run("second", from_nodes=["Sew"])
    assert mill.ended == {"Spin": "left out", "Weave": "left out", "Sew": "done"}


@pytest.mark.parametrize(
    ("stopped", "said"),
    [
        (False, "there was no run before; leave out --from-node."),
        (True, "the run before, first, did not finish it; start with --from-node Weave."),
    ],
    ids=["no_run", "a_run_that_stopped_before"],
)
def test_part_without_what_it_needs_is_a_user_error(mill, stopped, said):
    if stopped:
        mill.break_down("Weave")
        with pytest.raises(NodeFailedError):
            mill.run("first")
        mill.mend("Weave")
    with pytest.raises(UserError, match=said) as error:
        mill.run("second", from_nodes=["Sew"])
    assert "\n" not in str(error.value)
    assert mill.ran == []
    assert "running" not in mill.ended.values()


def test_inputs_that_can_not_be_resolved_are_a_failure(mill):
    spin, weave, sew = mill.components()
    nothing = tfx.dsl.Resolver(strategy_class=NothingStrategy, yarn=spin.outputs["yarn"])
    weave = Weave(directory=str(mill.root), yarn=nothing.outputs["yarn"])
    sew = Sew(directory=str(mill.root), cloth=weave.outputs["cloth"])
    with pytest.raises(NodeFailedError) as failure:
        mill.run("first", [spin, nothing, weave, sew])
    assert failure.value.node == "Weave"
    assert failure.value.__cause__ is None
    assert mill.ended["Weave"] == "failed"
    assert mill.ran == ["Spin"]


@tfx.dsl.components.component
def Iron(cloth: Input[Model], dress: Output[Model]):  # noqa: N802
    dress.set_string_custom_property(SKIPPED, "it has no creases")


def test_node_that_did_nothing_is_told_as_skipped_and_why_also_from_the_cache(mill):
    def run(run_id):
        spin, weave, _ = mill.components()
        iron = Iron(cloth=weave.outputs["cloth"])
        mill.run(run_id, [spin, weave, iron])
        return mill.ended

    assert run("first") == {"Spin": "done", "Weave": "done", "Iron": "skipped"}
    assert mill.notes == {"Iron": "it has no creases"}
    assert run("second") == {"Spin": "cached", "Weave": "cached", "Iron": "skipped"}
    assert mill.notes == {"Iron": "it has no creases"}


def test_refused_part_is_not_the_run_before(used_mill):
    """What it would leave in the books would be all that the next part finds."""
    used_mill.break_down("Weave")
    with pytest.raises(NodeFailedError):
        used_mill.run("second", cache=False)
    for run_id in ("third", "fourth"):
        with pytest.raises(UserError, match="the run before, second, did not finish it"):
            used_mill.run(run_id, from_nodes=["Sew"])


def test_part_with_other_settings_for_what_it_leaves_out_is_refused(used_mill):
    with pytest.raises(UserError, match="Spin makes: thread = 3, where the run before had 1; "):
        used_mill.run("second", used_mill.components(thread=3), from_nodes=["Weave"])
    used_mill.run("third", used_mill.components(thread=3), from_nodes=["Spin"])
    used_mill.run("fourth", used_mill.components(thread=3), from_nodes=["Sew"])
    # By way of the cache, and of a part, it is the same execution that made it.
    with pytest.raises(UserError, match="Spin makes: thread = 1, where the run before had 3; "):
        used_mill.run("fifth", from_nodes=["Sew"])


def test_part_whose_input_was_deleted_is_refused(used_mill):
    shutil.rmtree(used_mill.root / "artifacts" / "Weave")
    with pytest.raises(UserError, match="what it made in the run before, first, is gone"):
        used_mill.run("second", from_nodes=["Sew"])


def test_part_is_refused_for_what_has_changed_since(used_mill):
    used_mill.find_changes = lambda store, run_id: {"Spin": [f"the sheep of {run_id} is gone"]}
    with pytest.raises(UserError, match="needs what Spin makes: the sheep of first is gone; "):
        used_mill.run("second", from_nodes=["Weave"])
    used_mill.run("third", to_nodes=["Weave"])


def test_node_that_tfx_skips_does_not_pass_as_done(mill):
    spin, *_ = mill.components()
    with tfx.dsl.Cond(spin.outputs["yarn"].future()[0].uri == "elsewhere"):
        weave = Weave(directory=str(mill.root), yarn=spin.outputs["yarn"])
    with pytest.raises(NodeFailedError) as failure:
        mill.run("first", [spin, weave])
    assert failure.value.node == "Weave"
    assert mill.seen[-1] == ("Weave", "failed")
    assert mill.ran == ["Spin"]


def test_guard_runs_the_executors_of_beam_and_no_others(mill):
    guarded = []

    def guard(info, execute):
        guarded.append(info.pipeline_node.node_info.id)
        assert mill.ran == []
        made = execute()
        assert mill.ran == ["Dye"]
        return made

    mill.guard = guard
    mill.run("first", [Dye(directory=str(mill.root))])
    mill.run("second", [Spin(directory=str(mill.root), thread=1)])
    assert guarded == ["Dye"]


def test_node_whose_output_a_guard_refuses_failed_and_is_not_taken_from_the_cache(mill):
    def refuse(info, execute):
        execute()
        raise UserError("there is no yarn")

    mill.guard = refuse
    with pytest.raises(NodeFailedError) as failure:
        mill.run("first", [Dye(directory=str(mill.root))])
    assert str(failure.value.__cause__) == "there is no yarn"
    assert mill.recorded("first") == {"Dye": Execution.FAILED}
    mill.guard = lambda info, execute: execute()
    mill.run("second", [Dye(directory=str(mill.root))])
    assert mill.ended == {"Dye": "done"}
    mill.run("third", [Dye(directory=str(mill.root))])
    assert mill.ended == {"Dye": "cached"}
