"""The modules of TFX that it does not publish in `tfx.v1`, and that this project cannot do without.

TFX may change them with any version. So they are imported from here alone, by their names here, and
`tests/test_tfx_internals.py` holds what is used of each: it is what to look at when TFX is updated.
What `tfx.v1` has is imported from there.

There is one such module, in the lowest package, so that all packages share it. It imports nothing
until it is asked: of these modules, the Trainer needs three, and the heaviest take seconds.
"""

import importlib
from typing import Any

MODULES = {
    # Artifacts and files.
    "artifact_utils": "tfx.types.artifact_utils",
    "examples_utils": "tfx.components.util.examples_utils",
    "io_utils": "tfx.utils.io_utils",
    "json_utils": "tfx.utils.json_utils",
    "model_utils": "tfx.components.util.model_utils",
    "path_utils": "tfx.utils.path_utils",
    "proto_utils": "tfx.utils.proto_utils",
    "tfxio_utils": "tfx.components.util.tfxio_utils",
    "types": "tfx.types",
    # Components of our own, and executors of TFX's components.
    "base_beam_component": "tfx.dsl.components.base.base_beam_component",
    "base_beam_executor": "tfx.dsl.components.base.base_beam_executor",
    "base_component": "tfx.dsl.components.base.base_component",
    "base_executor": "tfx.dsl.components.base.base_executor",
    "component_spec": "tfx.types.component_spec",
    "distribution_validator": "tfx.components.distribution_validator.component",
    "evaluator_constants": "tfx.components.evaluator.constants",
    "evaluator_executor": "tfx.components.evaluator.executor",
    "executor_spec": "tfx.dsl.components.base.executor_spec",
    "infra_validator_executor": "tfx.components.infra_validator.executor",
    "pusher_executor": "tfx.components.pusher.executor",
    "statistics_gen_executor": "tfx.components.statistics_gen.executor",
    "standard_component_specs": "tfx.types.standard_component_specs",
    # Running a graph.
    "cache_utils": "tfx.orchestration.portable.cache_utils",
    "compiler_constants": "tfx.dsl.compiler.constants",
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
    """Imports one of `MODULES` when it is first asked for.

    Raises:
        ImportError: this TFX does not have it, or lacks what it needs itself.
    """
    if name not in MODULES:
        raise AttributeError(f"{__name__} has no {name}")
    try:
        return importlib.import_module(MODULES[name])
    except ImportError as error:
        raise ImportError(
            f"{MODULES[name]} can't be imported ({error}): it is internal to TFX, so find it in "
            f"the installed version, and mend {__file__}"
        ) from error
