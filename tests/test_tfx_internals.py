"""What this project uses of TFX, and what it relies on in each.

A failure here after TFX, TFMA or Beam was updated says what to look at, and where it is used.
"""

import ast
import importlib
import inspect
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainer_module import tfx_internals

CHECKOUT = Path(__file__).resolve().parents[1]
ADAPTER = "trainer_module.tfx_internals"
WHOLE = "tfx"
"""What the adapter is called where it is imported as a whole."""

TEXTBOOK = CHECKOUT / "benchmarks" / "compare" / "textbook"
"""Is written as TFX's own examples are, by `tfx.v1`."""

FILES = [
    file
    for package in ("benchmarks", "components", "deploy", "pipeline", "schema", "trainer_module")
    for file in sorted((CHECKOUT / package).rglob("*.py"))
    if TEXTBOOK not in file.parents
]

PUBLIC = ("tfx_bsl.public", "apache_beam")
"""What may be imported of these libraries from anywhere, with what is in it."""

PRIVATE = ("apache_beam.runners", "apache_beam.internal", "apache_beam.portability")

PROTOCOL = ("apache_beam.portability.api",)
"""What engines in any language speak; it is among the private ones, and as stable as they need."""


def call(*positional: str, **keywords: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """How something is called."""
    return positional, keywords


def names(*keywords: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """A call with arguments by name alone."""
    return (), dict.fromkeys(keywords, "")


CALLS = {
    "DataAccessor": call("factory", "record_batch_factory", "layout"),
    "DistributionValidator": names(
        "statistics", "baseline_statistics", "config", "include_split_pairs"
    ),
    "Evaluator": names(
        *("examples", "model", "baseline_model", "schema", "example_splits", "eval_config"),
        "module_path",
    ),
    "ExampleValidator": names("statistics", "schema"),
    "ImportExampleGen": names("input_base", "input_config", "range_config"),
    "ImportSchemaGen": names("schema_file"),
    "InfraValidator": names("model", "examples", "serving_spec", "request_spec", "validation_spec"),
    "Resolver": names("strategy_class", "config", "examples"),
    "SchemaGen": names("statistics"),
    "StatisticsGen": names("examples"),
    "Trainer": names(
        *("run_fn", "examples", "transform_graph", "schema", "train_args", "eval_args"),
        *("hyperparameters", "custom_config"),
    ),
    "Transform": names(
        *("examples", "schema", "preprocessing_fn", "splits_config", "materialize"),
        *("disable_statistics", "disable_analyzer_cache"),
    ),
    "artifact_utils.decode_split_names": call("names"),
    "artifact_utils.deserialize_artifacts": call("artifact_type", "artifacts"),
    "artifact_utils.encode_split_names": call("splits"),
    "artifact_utils.get_split_uri": call("artifacts", "split"),
    "artifact_utils.get_split_uris": call("artifacts", "split"),
    "base_beam_component.BaseBeamComponent": names("spec"),
    "base_beam_executor.BaseBeamExecutor.Context": names(
        "beam_pipeline_args", "tmp_dir", "unique_id"
    ),
    "base_component.BaseComponent": names("spec"),
    # In both, the handle's name is relied on as well.
    "cache_utils.get_cache_context": names(
        *("metadata_handle", "pipeline_node", "pipeline_info", "executor_spec"),
        *("input_artifacts", "output_artifacts", "parameters"),
    ),
    "cache_utils.get_cached_outputs": names("metadata_handle", "cache_context"),
    "component_spec.ChannelParameter": names("type", "optional"),
    "component_spec.ExecutionParameter": names("type"),
    "data_types.ExecutionInfo.from_proto": call("info"),
    "evaluator_executor.Executor": call("context"),
    "examples_utils.set_file_format": call("examples", "format"),
    "examples_utils.set_payload_format": call("examples", "format"),
    "executor_spec.BeamExecutorSpec": call("executor_class"),
    "executor_spec.ExecutorClassSpec": call("executor_class"),
    "io_utils.all_files_pattern": call("directory"),
    "io_utils.copy_dir": call("source", "target"),
    "io_utils.write_bytes_file": call("file", "content"),
    "io_utils.write_string_file": call("file", "text"),
    "json_utils.dumps": call("value"),
    "launcher.Launcher": names(
        *("pipeline_node", "mlmd_connection", "pipeline_info", "pipeline_runtime_spec"),
        *("executor_spec", "custom_driver_spec", "custom_executor_operators"),
    ),
    "metadata.Metadata": call("connection"),
    "metadata.sqlite_metadata_connection_config": call("file"),
    "model_utils.is_model_blessed": call("blessing"),
    "partial_run_utils.mark_pipeline": call("pipeline", from_nodes="", to_nodes=""),
    "partial_run_utils.snapshot": call("handle", "pipeline", "base_run"),
    "path_utils.is_old_model_artifact": call("model"),
    "path_utils.serving_model_path": call("uri", "is_old"),
    "proto_utils.json_to_proto": call("text", "message"),
    "runner_utils.extract_custom_driver_spec": call("deployment", "node"),
    "runner_utils.extract_executor_spec": call("deployment", "node"),
    "runner_utils.extract_local_deployment_config": call("pipeline"),
    "runtime_parameter_utils.substitute_runtime_parameter": call("pipeline", "bindings"),
    "statistics_gen_executor.Executor": call("context"),
    "Pipeline": names(
        *("pipeline_name", "pipeline_root", "components", "enable_cache"),
        *("metadata_connection_config", "beam_pipeline_args"),
    ),
    "tfx_pipeline.RunOptions": names("from_nodes", "to_nodes"),
    "tfxio_utils.get_tf_dataset_factory_from_artifact": call("artifacts", "descriptors"),
    "types.Channel": names("type", "producer_component_id", "output_key"),
}
"""What is called, and how: positional arguments in their order, and the names of the others."""

TEXTS = {
    "compiler_constants.PIPELINE_RUN_ID_PARAMETER_NAME",
    "evaluator_constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY",
    "evaluator_constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY",
    *(
        f"standard_component_specs.{name}_KEY"
        for name in (
            *("ANOMALIES", "BLESSING", "CUSTOM_CONFIG", "EVALUATION", "EXAMPLES"),
            *("INFRA_BLESSING", "MODEL", "MODEL_BLESSING", "PUSHED_MODEL", "PUSH_DESTINATION"),
            *("INPUT_BASE", "INPUT_CONFIG", "OUTPUT_DATA_FORMAT", "STATISTICS"),
        )
    ),
}
"""Constants that are text."""

ARTIFACTS = {
    f"standard_artifacts.{name}"
    for name in (
        *("ExampleAnomalies", "ExampleStatistics", "Examples", "HyperParameters", "InfraBlessing"),
        *("Model", "ModelBlessing", "ModelEvaluation", "ModelRun", "PushedModel", "Schema"),
        *("TransformGraph", "TunerResults"),
    )
}
"""The types of what components hand on."""

OTHERS = {
    **dict.fromkeys(
        (
            *("DistributionValidatorConfig", "EvalArgs", "Input", "Input.Split", "RangeConfig"),
            *("PushDestination", "PushDestination.Filesystem", "SplitsConfig", "TrainArgs"),
        ),
        "test_components_are_told_by_these_fields",
    ),
    **dict.fromkeys(
        ("InputArtifact", "OutputArtifact", "Parameter", "component"),
        "test_a_function_of_ours_becomes_a_component",
    ),
    **dict.fromkeys(
        (
            f"infra_validator_pb2.{name}"
            for name in (
                *("LocalDockerConfig", "RequestSpec", "ServingSpec", "TensorFlowServing"),
                *("TensorFlowServingRequestSpec", "ValidationSpec"),
            )
        ),
        "test_the_infra_validator_is_told_by_these_fields",
    ),
    "FnArgs": "test_the_trainer_passes_these_arguments",
    "LatestBlessedModelStrategy": "test_a_strategy_of_ours_resolves_artifacts",
    "Pusher": "test_the_pusher_has_no_state_but_its_spec",
    "ResolverStrategy": "test_a_strategy_of_ours_resolves_artifacts",
    "base_executor.BaseExecutor": "test_an_executor_knows_its_run",
    "component_spec.ComponentSpec": "test_a_component_of_ours_is_made_of_its_spec",
    "infra_validator_executor.Executor": "test_an_executor_does_its_work_by_the_same_arguments",
    "launcher.DEFAULT_EXECUTOR_OPERATORS.items": "test_an_operator_runs_the_executor",
    "pipeline_pb2.IntermediateDeploymentConfig": "test_the_deployment_knows_the_connection",
    "pipeline_pb2.NodeExecutionOptions.Skip.NEVER": "test_the_compiled_graph_has_what_is_set_in_it",
    "pipeline_pb2.Pipeline": "test_the_compiled_graph_has_what_is_set_in_it",
    "pipeline_pb2.PipelineNode": "test_the_compiled_graph_has_what_is_set_in_it",
    "pipeline_pb2.RunOptions": "test_the_compiled_graph_has_what_is_set_in_it",
    "pusher_executor.Executor": "test_the_pusher_marks_what_it_pushed",
    "standard_component_specs.PusherSpec": "test_the_pusher_has_no_state_but_its_spec",
    "standard_component_specs.PusherSpec.INPUTS": "test_the_pusher_has_no_state_but_its_spec",
    "tfx_runner.IrBasedRunner": "test_a_runner_is_handed_the_compiled_graph",
    "types.Artifact": "test_a_component_of_ours_is_made_of_its_spec",
    "types.BaseChannel": "test_a_component_of_ours_is_made_of_its_spec",
}
"""The rest, by the test of what is relied on."""


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(f"{module}.".startswith(f"{package}.") for package in packages)


def test_internals_are_imported_through_the_adapter_alone():
    strays = {
        (str(file.relative_to(CHECKOUT)), module)
        for file in FILES
        for module in imported(parse(file))
        if is_in(module, ("tfx", "tfx_bsl", "apache_beam"))
        and (not is_in(module, PUBLIC) or is_in(module, PRIVATE))
        and not is_in(module, PROTOCOL)
    }
    assert not strays


def dotted(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Attribute) and (before := dotted(node.value)):
        return [*before, node.attr]
    return [node.id] if isinstance(node, ast.Name) else []


def used() -> dict[str, set[str]]:
    """What is used of all in the adapter, the longest names alone, and by which files."""
    found = defaultdict(set)
    for file in FILES:
        tree = parse(file)
        modules = {
            alias.asname or alias.name: alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == ADAPTER
            for alias in node.names
        }
        inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree):
            name = [] if id(node) in inner else dotted(node)
            if name[:1] == [WHOLE] and name[1:]:
                found[".".join(name[1:])].add(file.name)
            elif name and name[0] in modules:
                found[".".join([modules[name[0]], *name[1:]])].add(file.name)
    return found


def test_all_that_is_used_is_in_the_contract_and_no_more():
    contract = {*CALLS, *TEXTS, *ARTIFACTS, *OTHERS}
    # A class that others are made of is relied on by what is relied on in them.
    assert {*used()} - {"base_beam_executor.BaseBeamExecutor"} == contract
    named = {*tfx_internals.PUBLISHED, *tfx_internals.MODULES}
    assert {name.partition(".")[0] for name in contract} == named
    assert {*OTHERS.values()} <= {*globals()}


def find(name: str):
    first, *rest = name.split(".")
    found = getattr(tfx_internals, first)
    for one in rest:
        assert hasattr(found, one), f"TFX has no {name}: look at {used()[name]}"
        found = getattr(found, one)
    return found


@pytest.mark.parametrize("name", CALLS)
def test_what_is_called_takes_these_arguments(name):
    positional, keywords = CALLS[name]
    try:
        inspect.signature(find(name)).bind(*positional, **keywords)
    except TypeError as error:
        pytest.fail(f"{name} is called otherwise ({error}): look at {used()[name]}")


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_constant_is_a_text(name):
    assert isinstance(find(name), str)


@pytest.mark.parametrize("name", sorted(ARTIFACTS))
def test_an_artifact_is_called_by_its_type(name):
    assert issubclass(find(name), find("types.Artifact"))
    assert name.partition(".")[2] == find(name).TYPE_NAME


@pytest.mark.parametrize("name", tfx_internals.PUBLISHED)
def test_what_is_published_is_what_is_taken_from_its_own_module(name):
    """Newer versions publish None in the place of a component that can't be imported."""
    from tfx import v1 as tfx

    rooms = (tfx.components, tfx.dsl, tfx.dsl.components, tfx.dsl.experimental, tfx.proto)
    published = [getattr(room, name) for room in rooms if hasattr(room, name)]
    # It does not publish this one.
    assert published or name == "DistributionValidator"
    assert all(one is find(name) for one in published)


def test_module_that_tfx_no_longer_has_is_named_with_what_to_mend(monkeypatch):
    monkeypatch.setitem(tfx_internals.MODULES, "io_utils", "tfx.utils.absent")
    with pytest.raises(ImportError, match=r"tfx\.utils\.absent can't be .*No module.* mend .*\.py"):
        from trainer_module.tfx_internals import io_utils  # noqa: F401
    with pytest.raises(ImportError, match="another"):
        from trainer_module.tfx_internals import another  # noqa: F401


def test_an_executor_knows_its_run():
    executor = find("base_executor.BaseExecutor")
    context = executor.Context(pipeline_run_id="run-1")
    assert type("Own", (executor,), {"Do": None})(context)._context.pipeline_run_id == "run-1"


def test_a_beam_executor_makes_its_pipeline():
    executor = find("base_beam_executor.BaseBeamExecutor")
    assert issubclass(executor, find("base_executor.BaseExecutor"))
    inspect.signature(executor._make_beam_pipeline).bind("self")


def test_how_a_beam_executor_is_run_has_its_arguments_and_where_it_is():
    """`pipeline/engine/cache.py` leaves the former out of what a node is cached by."""
    executor = find("base_beam_executor.BaseBeamExecutor")
    spec = find("executor_spec.BeamExecutorSpec")(executor)
    bare = spec.encode()
    spec.add_beam_pipeline_args(["--runner=FlinkRunner"])
    told = spec.encode()
    assert [*told.beam_pipeline_args] == ["--runner=FlinkRunner"]
    assert told.python_executor_spec == bare.python_executor_spec
    assert told != bare


@pytest.mark.parametrize("module", ["base_executor", "infra_validator_executor", "pusher_executor"])
def test_an_executor_does_its_work_by_the_same_arguments(module):
    kind = find(f"{module}.{'BaseExecutor' if module == 'base_executor' else 'Executor'}")
    assert [*inspect.signature(kind.Do).parameters] == [
        *("self", "input_dict", "output_dict", "exec_properties")
    ]


def test_the_pusher_marks_what_it_pushed():
    pusher = find("pusher_executor.Executor")()
    pushed = find("standard_artifacts.PushedModel")()
    pusher._MarkNotPushed(pushed)
    assert pushed.get_int_custom_property("pushed") == 0
    pusher._MarkPushed(pushed, "/serving/3", "3")
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_destination") == "/serving/3"
    assert pushed.get_string_custom_property("pushed_version") == "3"
    model = find("standard_artifacts.Model")()
    model.uri = "/model"
    assert pusher.GetModelPath({"model": [model]}) == "/model/Format-Serving"


def test_the_pusher_has_no_state_but_its_spec():
    """AtomicPusher leaves the Pusher's own constructor out."""
    pusher = find("Pusher")
    assert pusher.__bases__ == (find("base_component.BaseComponent"),)
    assert {"model", "model_blessing", "infra_blessing"} <= {
        *find("standard_component_specs.PusherSpec.INPUTS")
    }
    constructor = ast.parse(textwrap.dedent(inspect.getsource(pusher.__init__)))
    kept = [
        ast.unparse(node)
        for node in ast.walk(constructor)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    ]
    assert not kept


def test_a_component_of_ours_is_made_of_its_spec():
    channel_parameter = find("component_spec.ChannelParameter")
    kind = type("Page", (find("types.Artifact"),), {"TYPE_NAME": "Page"})
    fields = {
        "PARAMETERS": {"config": find("component_spec.ExecutionParameter")(type=str)},
        "INPUTS": {"given": channel_parameter(type=kind, optional=True)},
        "OUTPUTS": {"page": channel_parameter(type=kind)},
    }
    spec = type("Spec", (find("component_spec.ComponentSpec"),), fields)
    executor = type("Own", (find("base_executor.BaseExecutor"),), {"Do": lambda *_: None})
    executor_spec = find("executor_spec.ExecutorClassSpec")(executor)
    component = type(
        "Own",
        (find("base_component.BaseComponent"),),
        {"SPEC_CLASS": spec, "EXECUTOR_SPEC": executor_spec},
    )
    page = find("types.Channel")(type=kind)
    assert issubclass(find("types.Channel"), find("types.BaseChannel"))
    made = component(spec=spec(config="{}", page=page))
    assert made.exec_properties == {"config": "{}"}
    assert [*made.outputs] == ["page"]


def test_the_compiled_graph_has_what_is_set_in_it():
    pipeline_pb2 = find("pipeline_pb2.Pipeline") and tfx_internals.pipeline_pb2
    node = pipeline_pb2.PipelineNode()
    node.execution_options.caching_options.enable_cache = False
    skip = find("pipeline_pb2.NodeExecutionOptions.Skip.NEVER")
    node.execution_options.skip.reuse_artifacts_mode = skip
    assert node.execution_options.HasField("skip")
    assert not node.execution_options.run.perform_snapshot
    assert not node.parameters.parameters
    assert not node.node_info.id
    assert not node.upstream_nodes
    options = pipeline_pb2.RunOptions().partial_run
    assert [*options.from_nodes, *options.to_nodes] == []
    pipeline = pipeline_pb2.Pipeline()
    pipeline.nodes.add().pipeline_node.CopyFrom(node)
    assert pipeline.nodes[0].pipeline_node == node
    assert {"pipeline_info", "runtime_spec", "deployment_config"} <= {
        *pipeline.DESCRIPTOR.fields_by_name
    }


def test_a_runner_is_handed_the_compiled_graph():
    kind = find("tfx_runner.IrBasedRunner")
    assert [*inspect.signature(kind.run_with_ir).parameters][:3] == [
        *("self", "pipeline", "run_options")
    ]
    inspect.signature(kind.run).bind("self", "pipeline", run_options=None)


def test_the_launcher_launches():
    assert [*inspect.signature(find("launcher.Launcher").launch).parameters] == ["self"]


def test_an_operator_runs_the_executor():
    for operator in find("launcher.DEFAULT_EXECUTOR_OPERATORS").values():
        inspect.signature(operator.run_executor).bind("self", "execution_info")
        # As it is made in another process, by what its own has of these.
        inspect.signature(operator).bind("executor_spec")
    assert "self._executor_spec = executor_spec" in inspect.getsource(operator.__mro__[1])


def test_what_an_executor_is_told_goes_through_a_message():
    kind = find("data_types.ExecutionInfo")
    info = kind(execution_id=7, input_dict={}, output_dict={}, exec_properties={"config": "{}"})
    again = kind.from_proto(info.to_proto())
    assert (again.execution_id, again.exec_properties) == (7, {"config": "{}"})


def test_the_launcher_asks_the_cache_by_the_names_of_its_arguments():
    """`pipeline/engine/cache.py` stands in for both functions, in their module."""
    source = inspect.getsource(importlib.import_module(tfx_internals.MODULES["launcher"]))
    calls = {
        node.func.attr: {keyword.arg for keyword in node.keywords}
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and dotted(node.func)[:1] == ["cache_utils"]
    }
    functions = ("get_cache_context", "get_cached_outputs")
    assert calls == {name: {*CALLS[f"cache_utils.{name}"][1]} for name in functions}


def test_the_metadata_handle_is_a_context_with_a_store():
    kind = find("metadata.Metadata")
    assert {"__enter__", "__exit__", "store"} <= {*dir(kind)}


def test_the_deployment_knows_the_connection():
    assert find("pipeline_pb2.IntermediateDeploymentConfig")
    deployment = find("runner_utils.extract_local_deployment_config")
    returned = inspect.get_annotations(deployment)["return"]
    kinds = returned().metadata_connection_config.DESCRIPTOR.oneofs_by_name
    assert "database_connection_config" in {one.name for one in kinds["connection_config"].fields}


def test_the_trainer_reads_by_three_factories():
    assert find("DataAccessor")("factory", None, None).tf_dataset_factory == "factory"


def test_the_trainer_passes_these_arguments():
    passed = {
        *("custom_config", "data_accessor", "eval_files", "hyperparameters", "model_run_dir"),
        *("serving_model_dir", "train_files", "transform_output"),
    }
    assert passed <= {*inspect.signature(find("FnArgs")).parameters}


def test_components_are_told_by_these_fields():
    split = find("Input.Split")(name="train", pattern="train/*")
    assert find("Input")(splits=[split]).splits[0] == split
    span = {"start_span_number": 3, "end_span_number": 3}
    assert find("RangeConfig")(static_range=span).static_range.end_span_number == 3
    assert find("SplitsConfig")(analyze=["train"], transform=[]).analyze == ["train"]
    for name in ("TrainArgs", "EvalArgs"):
        assert find(name)(splits=["train"]).splits == ["train"]
    filesystem = find("PushDestination.Filesystem")(base_directory="/serving")
    pushed = find("PushDestination")(filesystem=filesystem)
    assert pushed.filesystem.base_directory == "/serving"
    config = find("DistributionValidatorConfig")()
    compared = config.default_slice_config.feature.add()
    compared.path.step.append("ink")
    compared.distribution_comparator.jensen_shannon_divergence.threshold = 0.5
    assert config.default_slice_config.feature[0] == compared


def test_the_infra_validator_is_told_by_these_fields():
    messages = {name: find(name) for name in OTHERS if name.startswith("infra_validator_pb2.")}
    fields = {
        "RequestSpec": {"tensorflow_serving", "split_name", "num_examples"},
        "ServingSpec": {"tensorflow_serving", "local_docker"},
        "TensorFlowServing": {"tags"},
        "TensorFlowServingRequestSpec": {"signature_names"},
        "ValidationSpec": {"max_loading_time_seconds", "num_tries"},
        "LocalDockerConfig": set(),
    }
    for name, message in messages.items():
        assert fields[name.partition(".")[2]] <= {*message.DESCRIPTOR.fields_by_name}


def test_a_function_of_ours_becomes_a_component():
    model, output = find("standard_artifacts.Model"), find("OutputArtifact")

    def own(
        given: find("InputArtifact")[list[model]], made: output[model], text: find("Parameter")[str]
    ) -> None:
        pass

    # As TFX demands of what it is to find again.
    own.__qualname__ = "own"
    made = find("component")(own)(given=find("types.Channel")(type=model), text="told")
    assert made.exec_properties == {"text": "told"}
    assert [*made.outputs] == ["made"]


def test_a_strategy_of_ours_resolves_artifacts():
    for name in ("ResolverStrategy", "LatestBlessedModelStrategy"):
        resolve = find(name).resolve_artifacts
        assert [*inspect.signature(resolve).parameters] == ["self", "store", "input_dict"]


def test_tfma_unbatches_in_a_stage_of_its_own():
    """`components/evaluation/extractors.py` puts a stage before it, found by its name."""
    import tensorflow_model_analysis as tfma
    from tensorflow_model_analysis.extractors import unbatch_extractor

    inspect.signature(tfma.default_extractors).bind(
        eval_shared_model=None, eval_config=None, tensor_adapter_config=None
    )
    stage = unbatch_extractor.UnbatchExtractor()
    assert stage.stage_name == unbatch_extractor.UNBATCH_EXTRACTOR_STAGE_NAME
    assert {"stage_name", "ptransform"} <= {*stage._fields}


def test_a_job_server_says_what_it_takes():
    import grpc
    from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

    assert beam_job_api_pb2.DescribePipelineOptionsRequest() is not None
    response = beam_job_api_pb2.DescribePipelineOptionsResponse()
    response.options.add().name = "object_reuse"
    with grpc.insecure_channel("localhost:1") as channel:
        stub = beam_job_api_pb2_grpc.JobServiceStub(channel)
        assert callable(stub.DescribePipelineOptions)


def test_beam_has_the_runner_that_the_configuration_names():
    from apache_beam.runners.runner import PipelineRunner

    from pipeline.config import Config
    from pipeline.engine.beam.arguments import make_arguments

    [flag] = [one for one in make_arguments(Config()) if one.startswith("--runner=")]
    module, _, name = flag.removeprefix("--runner=").rpartition(".")
    assert issubclass(getattr(importlib.import_module(module), name), PipelineRunner)
