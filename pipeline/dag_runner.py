"""Runs the graph on this machine, node by node, and tells an observer about each.

TFX's LocalDagRunner does the same but tells nobody: it is followed here step by step.
"""

from collections.abc import Callable, Collection

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import (
    launcher,
    partial_run_utils,
    runtime_parameter_utils,
    tfx_runner,
)
from tfx.proto.orchestration import pipeline_pb2

from pipeline.errors import UserError
from pipeline.results import NodeState

Observer = Callable[[str, NodeState], None]
"""Called with a node's name when it starts, and again when it ends."""

_ENDED_WELL: dict[int, NodeState] = {
    metadata_store_pb2.Execution.COMPLETE: "done",
    metadata_store_pb2.Execution.CACHED: "cached",
}


class NodeFailedError(Exception):
    """A node failed; the cause, where there is one, is its `__cause__`."""

    def __init__(self, node: str):
        """Takes the node's name."""
        super().__init__(node)
        self.node = node


class ObservedDagRunner(tfx_runner.IrBasedRunner):
    """A local runner with an observer."""

    def __init__(self, run_id: str, observe: Observer, *, cache: bool = True):
        """Prepares a run.

        Args:
            run_id: names the run in ML Metadata; must be new.
            observe: told of each node as it starts and ends.
            cache: whether unchanged nodes may be taken from the cache.
        """
        self._run_id = run_id
        self._observe = observe
        self._cache = cache

    def run_with_ir(
        self,
        pipeline: pipeline_pb2.Pipeline,
        run_options: pipeline_pb2.RunOptions | None = None,
    ) -> None:
        """Runs the compiled pipeline, or the part of it that the options select.

        Raises:
            NodeFailedError: a node failed; those behind it did not run.
            UserError: a part was selected that needs what no earlier run made.
        """
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: self._run_id}
        )
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        connection = getattr(
            deployment.metadata_connection_config,
            deployment.metadata_connection_config.WhichOneof("connection_config"),
        )
        if run_options:
            _select(pipeline, run_options.partial_run)
        for node in (wrapper.pipeline_node for wrapper in pipeline.nodes):
            name = node.node_info.id
            if node.execution_options.HasField("skip"):
                self._observe(name, "left out")
                continue
            if not self._cache:
                node.execution_options.caching_options.enable_cache = False
            if node.execution_options.run.perform_snapshot:
                _take_over_earlier_outputs(pipeline, connection)
            self._observe(name, "running")
            try:
                state = self._launch(node, pipeline, deployment, connection)
            except Exception as error:
                self._observe(name, "failed")
                raise NodeFailedError(name) from error
            self._observe(name, state)
            if state == "failed":
                raise NodeFailedError(name)

    def _launch(self, node, pipeline, deployment, connection) -> NodeState:
        name = node.node_info.id
        node_launcher = launcher.Launcher(
            pipeline_node=node,
            mlmd_connection=metadata.Metadata(connection),
            pipeline_info=pipeline.pipeline_info,
            pipeline_runtime_spec=pipeline.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, name),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
        )
        execution = node_launcher.launch()
        # The launcher publishes a failure to resolve inputs, and returns as if all were well.
        if execution is None or not execution.execution_id:
            return "failed"
        with metadata.Metadata(connection) as handle:
            [record] = handle.store.get_executions_by_id([execution.execution_id])
        return _ENDED_WELL.get(record.last_known_state, "failed")


def _select(pipeline: pipeline_pb2.Pipeline, options: pipeline_pb2.PartialRun) -> None:
    partial_run_utils.mark_pipeline(
        pipeline,
        from_nodes=_or_none(options.from_nodes),
        to_nodes=_or_none(options.to_nodes),
        snapshot_settings=options.snapshot_settings,
    )


def _take_over_earlier_outputs(pipeline, connection) -> None:
    """Gives the nodes that are left out what they put out in the run before."""
    try:
        with metadata.Metadata(connection) as handle:
            partial_run_utils.snapshot(handle, pipeline)
    except LookupError as error:
        raise UserError(
            f"The nodes left out have no outputs of an earlier run ({error}): run the pipeline "
            "without --from-node first."
        ) from error


def _or_none(names: Collection[str]) -> Collection[str] | None:
    return names or None
