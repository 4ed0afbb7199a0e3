from tfx.v1.types import standard_artifacts

from components.image_statistics.component import ImageStatistics
from trainer_module.tfx_internals import types


def test_component_puts_out_standard_artifacts():
    examples = types.Channel(type=standard_artifacts.Examples)
    component = ImageStatistics(examples)
    assert {name: channel.type for name, channel in component.outputs.items()} == {
        "statistics": standard_artifacts.ExampleStatistics,
        "anomalies": standard_artifacts.ExampleAnomalies,
    }
    assert component.inputs["examples"] == examples


def test_component_hands_beams_arguments_to_its_executor():
    examples = types.Channel(type=standard_artifacts.Examples)
    component = ImageStatistics(examples).with_beam_pipeline_args(["--runner=FlinkRunner"])
    [argument] = component.executor_spec.encode().beam_pipeline_args
    assert argument == "--runner=FlinkRunner"
