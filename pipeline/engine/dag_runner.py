"""Runs the graph on this machine, node by node, and tells an observer about each.

TFX's LocalDagRunner does the same but tells nobody: it is followed here step by step. And it runs
one node at a time, where here some have another beside them.
"""

import inspect
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import ml_metadata as mlmd
from google.protobuf import message
from ml_metadata.proto import metadata_store_pb2

from components.properties import SKIPPED
from pipeline.engine import earlier
from pipeline.engine.beam.jobs import Jobs
from pipeline.engine.beside import Forked, NodeFailedError, SideLane
from pipeline.engine.cache import remember_files
from pipeline.engine.interrupts import InterruptedRunError, Interrupts
from pipeline.engine.lean_store import LeanMetadata
from pipeline.engine.part import Faults, Part, decide
from pipeline.errors import UserError
from pipeline.runs.metadata import outputs, text_property
from pipeline.runs.run_result import NodeState
from trainer_module.tfx_internals import (
    compiler_constants,
    data_types,
    launcher,
    metadata,
    partial_run_utils,
    pipeline_pb2,
    runner_utils,
    runtime_parameter_utils,
    tfx_runner,
)

Observer = Callable[[str, NodeState, str], None]
"""Called with a node's name when it starts, and again when it ends, and why it did nothing."""

FindChanges = Callable[[mlmd.MetadataStore, str], Faults]
"""Takes the run before; says what of it no longer holds, as `part.decide` takes it."""

Guard = Callable[[Any, Callable[[], Any]], Any]
"""Runs the executor of a Beam node, as `beam.stages.BeamStages.run` does."""

_NEVER = pipeline_pb2.NodeExecutionOptions.Skip.NEVER

_ENDED_WELL: dict[int, NodeState] = {
    metadata_store_pb2.Execution.COMPLETE: "done",
    metadata_store_pb2.Execution.CACHED: "cached",
}


class ObservedDagRunner(tfx_runner.IrBasedRunner):
    """A local runner with an observer."""

    def __init__(
        self,
        run_id: str,
        observe: Observer,
        *,
        cache: bool = True,
        find_changes: FindChanges = lambda store, run_id: {},
        interrupts: Interrupts | None = None,
        guard: Guard = lambda info, run: run(),
        beside: Collection[str] = (),
    ) -> None:
        """Prepares a run.

        Args:
            run_id: names the run in ML Metadata; must be new.
            observe: told of each node as it starts and ends.
            cache: whether unchanged nodes may be taken from the cache.
            find_changes: says what a part may not take over.
            interrupts: asks to stop; None where nobody does.
            guard: runs the executors of Beam nodes.
            beside: nodes that may run beside those behind them which do not wait for them.
        """
        self._run_id = run_id
        self._observe = observe
        self._cache = cache
        self._find_changes = find_changes
        self._interrupts = interrupts or Interrupts()
        self._guard = guard
        self._beside = frozenset(beside)

    def run_with_ir(
        self,
        pipeline: pipeline_pb2.Pipeline,
        run_options: pipeline_pb2.RunOptions | None = None,
    ) -> None:
        """Runs the compiled pipeline, or the part of it that the options select.

        Raises:
            NodeFailedError: a node failed, or was broken off; those behind it did not run.
            InterruptedRunError: the run was asked to stop between two nodes.
            StoppedRunError: it was, for a reason.
            UserError: a part was selected that needs what the run before did not leave; nothing
                ran.
        """
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {compiler_constants.PIPELINE_RUN_ID_PARAMETER_NAME: self._run_id}
        )
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        connection = getattr(
            deployment.metadata_connection_config,
            deployment.metadata_connection_config.WhichOneof("connection_config"),
        )
        base = None
        if run_options:
            part, base = self._decide(pipeline, run_options.partial_run, connection)
            _mark(pipeline, part)
        nodes = [wrapper.pipeline_node for wrapper in pipeline.nodes]
        run = {node.node_info.id for node in nodes if not node.execution_options.HasField("skip")}
        # Before anything was computed.
        lane = SideLane(self._beside & run, self._interrupts)
        try:
            for node in nodes:
                name = node.node_info.id
                if name not in run:
                    self._observe(name, "left out", "")
                    continue
                if not self._cache:
                    node.execution_options.caching_options.enable_cache = False
                if node.execution_options.run.perform_snapshot:
                    # Which asks the store from several threads; before any node runs.
                    with metadata.Metadata(connection) as handle:
                        partial_run_utils.snapshot(handle, pipeline, base)
                lane.wait_for(node.upstream_nodes)
                # One that was swallowed by the node before.
                self._interrupts.check()
                run_node = partial(self._run_node, node, pipeline, deployment, connection)
                if lane.takes(name):
                    lane.start(name, run_node)
                else:
                    run_node()
            lane.wait_for(run)
        except NodeFailedError:
            # Which the node here may have been broken off for.
            lane.check()
            raise
        finally:
            lane.end()

    def _decide(
        self,
        pipeline: pipeline_pb2.Pipeline,
        options: pipeline_pb2.RunOptions,
        connection: metadata_store_pb2.ConnectionConfig,
    ) -> tuple[Part, str | None]:
        """Decides on the part, and which run it takes over from."""
        graph = {
            wrapper.pipeline_node.node_info.id: wrapper.pipeline_node.upstream_nodes
            for wrapper in pipeline.nodes
        }
        [from_node, to_node] = [
            next(iter(names), None) for names in (options.from_nodes, options.to_nodes)
        ]
        with metadata.Metadata(connection) as handle:
            refusals = []
            bases: list[earlier.Base | None] = [*earlier.find_bases(handle.store)]
            for base in bases or [None]:
                changes = self._find_changes(handle.store, base.run_id) if base else {}
                faults = {**changes, **earlier.find_faults(handle.store, base, pipeline)}
                try:
                    part = decide(graph, from_node, to_node, faults)
                    return part, base.run_id if base else None
                except UserError as error:
                    refusals.append(error)
        # By the last run, which is the one that a person has in mind.
        raise refusals[0]

    def _run_node(
        self,
        node: pipeline_pb2.PipelineNode,
        pipeline: pipeline_pb2.Pipeline,
        deployment: pipeline_pb2.IntermediateDeploymentConfig,
        connection: metadata_store_pb2.ConnectionConfig,
        forked: Forked | None = None,
    ) -> None:
        """Runs a node, its executor in another process where there is one; tells the observer.

        Raises:
            NodeFailedError: it failed, or was broken off.
        """
        name = node.node_info.id
        self._observe(name, "running", "")
        try:
            state, note = self._launch(node, pipeline, deployment, connection, forked)
        except Exception as error:
            interrupted = isinstance(error, InterruptedRunError)
            self._observe(name, "interrupted" if interrupted else "failed", "")
            raise NodeFailedError(name) from error
        self._observe(name, state, note)
        if state == "failed":
            raise NodeFailedError(name)

    def _launch(
        self,
        node: pipeline_pb2.PipelineNode,
        pipeline: pipeline_pb2.Pipeline,
        deployment: pipeline_pb2.IntermediateDeploymentConfig,
        connection: metadata_store_pb2.ConnectionConfig,
        forked: Forked | None,
    ) -> tuple[NodeState, str]:
        """Runs a node; returns how it ended, and why it did nothing, if it did."""
        name = node.node_info.id
        node_launcher = launcher.Launcher(
            pipeline_node=node,
            mlmd_connection=LeanMetadata(connection),
            pipeline_info=pipeline.pipeline_info,
            pipeline_runtime_spec=pipeline.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, name),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
            custom_executor_operators={
                spec: (
                    _make_operator_elsewhere(operator, forked, self._guard)
                    if forked
                    else _make_operator(operator, self._interrupts, self._guard)
                )
                for spec, operator in launcher.DEFAULT_EXECUTOR_OPERATORS.items()
            },
        )
        execution = node_launcher.launch()
        # The launcher publishes a failure to resolve inputs, and returns as if all were well.
        if execution is None or not execution.execution_id:
            return "failed", ""
        with LeanMetadata(connection) as handle:
            [record] = handle.store.get_executions_by_id([execution.execution_id])
            made = outputs(handle.store, record)
            state = _ENDED_WELL.get(record.last_known_state, "failed")
            if state == "done":
                remember_files(handle.store, made)
        note = next(filter(None, (text_property(one, SKIPPED) for one in made)), "")
        return ("skipped" if note else state), note


def _mark(pipeline: pipeline_pb2.Pipeline, part: Part) -> None:
    """Tells TFX what to run and what to take over."""
    runs = sorted(part.runs)
    partial_run_utils.mark_pipeline(pipeline, from_nodes=runs, to_nodes=runs)
    for node in (wrapper.pipeline_node for wrapper in pipeline.nodes):
        if node.node_info.id not in part.runs | part.takes:
            node.execution_options.skip.reuse_artifacts_mode = _NEVER


def _make_operator(operator: Any, interrupts: Interrupts, guard: Guard) -> Any:  # noqa: ANN401 - TFX's, untyped.
    """Has an executor broken off where the run is to stop, and nothing that TFX does around it.

    So that TFX cleans up after it, and what one has made is not lost from the books. What it has
    begun on an engine is ended before. What a guard raises makes the node fail.
    """
    of_beam = _is_of_beam(operator)

    def run_executor(self: Any, execution_info: object) -> object:  # noqa: ANN401 - as above.
        jobs = Jobs(interrupts)
        execute = partial(operator.run_executor, self, execution_info)
        if of_beam:
            make = lambda: jobs.make_pipeline(self.beam_pipeline_args)  # noqa: E731
            execute = partial(guard, execution_info, partial(execute, make_beam_pipeline_fn=make))
        try:
            return interrupts.breakable(execute)
        except BaseException:
            jobs.cancel()
            raise

    return type(operator.__name__, (operator,), {"run_executor": run_executor})


def _make_operator_elsewhere(operator: Any, forked: Forked, guard: Guard) -> Any:  # noqa: ANN401 - TFX's, untyped.
    """Has an executor run in another process."""

    def run_executor(self: Any, execution_info: Any) -> object:  # noqa: ANN401 - as above.
        told = (operator, self._executor_spec, execution_info.to_proto())
        execute = partial(forked.call, _run_executor, *told)
        return guard(execution_info, execute) if _is_of_beam(operator) else execute()

    return type(operator.__name__, (operator,), {"run_executor": run_executor})


def _run_executor(operator: Any, spec: message.Message, info: message.Message) -> object:  # noqa: ANN401 - as above.
    return operator(spec).run_executor(data_types.ExecutionInfo.from_proto(info))


def _is_of_beam(operator: Any) -> bool:  # noqa: ANN401 - as above.
    return "make_beam_pipeline_fn" in inspect.signature(operator.run_executor).parameters
