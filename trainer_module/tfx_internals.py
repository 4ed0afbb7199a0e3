"""What this project uses of TFX, each from the module in which TFX defines it.

`tfx.v1`, where TFX publishes a part of it, imports Vertex AI and all else that TFX can do, which
takes as long as TensorFlow itself. And what TFX does not publish may change with any version. So
all of TFX is imported from here alone, by its name here, and `tests/test_tfx_internals.py` holds
what is used of each: it is what to look at when TFX is updated.

There is one such module, in the lowest package, so that all packages share it. It imports nothing
until it is asked: of these modules, the Trainer needs four, and the heaviest take seconds.
"""

import importlib
from typing import Any

PUBLISHED = {
    # Components, and what they are told.
    "DistributionValidator": "tfx.components.distribution_validator.component",
    "DistributionValidatorConfig": "tfx.proto.distribution_validator_pb2",
    "EvalArgs": "tfx.proto.trainer_pb2",
    "Evaluator": "tfx.components.evaluator.component",
    "ExampleValidator": "tfx.components.example_validator.component",
    "ImportExampleGen": "tfx.components.example_gen.import_example_gen.component",
    "ImportSchemaGen": "tfx.components.schema_gen.import_schema_gen.component",
    "InfraValidator": "tfx.components.infra_validator.component",
    "Input": "tfx.proto.example_gen_pb2",
    "PushDestination": "tfx.proto.pusher_pb2",
    "Pusher": "tfx.components.pusher.component",
    "RangeConfig": "tfx.proto.range_config_pb2",
    "SchemaGen": "tfx.components.schema_gen.component",
    "SplitsConfig": "tfx.proto.transform_pb2",
    "StatisticsGen": "tfx.components.statistics_gen.component",
    "TrainArgs": "tfx.proto.trainer_pb2",
    "Trainer": "tfx.components.trainer.component",
    "Transform": "tfx.components.transform.component",
    # What the Trainer passes.
    "DataAccessor": "tfx.components.trainer.fn_args_utils",
    "FnArgs": "tfx.components.trainer.fn_args_utils",
    # The graph, and components and resolvers of our own.
    "InputArtifact": "tfx.dsl.component.experimental.annotations",
    "LatestBlessedModelStrategy": (
        "tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy"
    ),
    "OutputArtifact": "tfx.dsl.component.experimental.annotations",
    "Parameter": "tfx.dsl.component.experimental.annotations",
    "Pipeline": "tfx.orchestration.pipeline",
    "Resolver": "tfx.dsl.components.common.resolver",
    "ResolverStrategy": "tfx.dsl.components.common.resolver",
    "component": "tfx.dsl.component.experimental.decorators",
}
"""By its name, the module in which TFX has each."""

MODULES = {
    # Artifacts and files.
    "artifact_utils": "tfx.types.artifact_utils",
    "examples_utils": "tfx.components.util.examples_utils",
    "io_utils": "tfx.utils.io_utils",
    "json_utils": "tfx.utils.json_utils",
    "model_utils": "tfx.components.util.model_utils",
    "path_utils": "tfx.utils.path_utils",
    "proto_utils": "tfx.utils.proto_utils",
    "standard_artifacts": "tfx.types.standard_artifacts",
    "tfxio_utils": "tfx.components.util.tfxio_utils",
    "types": "tfx.types",
    # Components of our own, and executors of TFX's components.
    "base_beam_component": "tfx.dsl.components.base.base_beam_component",
    "base_beam_executor": "tfx.dsl.components.base.base_beam_executor",
    "base_component": "tfx.dsl.components.base.base_component",
    "base_executor": "tfx.dsl.components.base.base_executor",
    "component_spec": "tfx.types.component_spec",
    "evaluator_constants": "tfx.components.evaluator.constants",
    "evaluator_executor": "tfx.components.evaluator.executor",
    "executor_spec": "tfx.dsl.components.base.executor_spec",
    "infra_validator_executor": "tfx.components.infra_validator.executor",
    "infra_validator_pb2": "tfx.proto.infra_validator_pb2",
    "pusher_executor": "tfx.components.pusher.executor",
    "statistics_gen_executor": "tfx.components.statistics_gen.executor",
    "standard_component_specs": "tfx.types.standard_component_specs",
    # Running a graph.
    "cache_utils": "tfx.orchestration.portable.cache_utils",
    "compiler_constants": "tfx.dsl.compiler.constants",
    "data_types": "tfx.orchestration.portable.data_types",
    "launcher": "tfx.orchestration.portable.launcher",
    "metadata": "tfx.orchestration.metadata",
    "partial_run_utils": "tfx.orchestration.portable.partial_run_utils",
    "pipeline_pb2": "tfx.proto.orchestration.pipeline_pb2",
    "runner_utils": "tfx.orchestration.local.runner_utils",
    "runtime_parameter_utils": "tfx.orchestration.portable.runtime_parameter_utils",
    "tfx_pipeline": "tfx.orchestration.pipeline",
    "tfx_runner": "tfx.orchestration.portable.tfx_runner",
}
"""By its name here, where TFX has each."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - TFX's modules are without types.
    """Imports one of `PUBLISHED` or `MODULES` when it is first asked for.

    Raises:
        ImportError: this TFX does not have it, or lacks what it needs itself.
    """
    if name in PUBLISHED:
        return getattr(_import(PUBLISHED[name]), name)
    if name in MODULES:
        return _import(MODULES[name])
    raise AttributeError(f"{__name__} has no {name}")


def _import(module: str) -> Any:  # noqa: ANN401 - as above.
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{module} can't be imported ({error}): it is internal to TFX, so install what `make "
            f"setup` locks, or find it in the installed version, and mend {__file__}"
        ) from error
