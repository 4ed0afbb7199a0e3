"""The first half of the graph: the nodes that describe the data, and the gate that judges it."""

from dataclasses import dataclass
from pathlib import Path

import schema
from components.data_gate.component import DataGate
from components.image_statistics.component import ImageStatistics
from components.tfx_public import tfx
from pipeline import comparison, config, nodes
from pipeline.fingerprint import sha256
from trainer_module.tfx_internals import base_component, distribution_validator, types


@dataclass(frozen=True)
class DataNodes:
    """The nodes that describe the data, and judge it.

    Attributes:
        all: every one.
        schema: imports the curated schema.
        statistics: describes the raw examples.
        gate: the last.
    """

    all: list[base_component.BaseComponent]
    schema: base_component.BaseComponent
    statistics: base_component.BaseComponent
    gate: base_component.BaseComponent


def create_data_nodes(settings: config.Config, examples: types.BaseChannel) -> DataNodes:
    """Makes them.

    Args:
        settings: every knob.
        examples: `Examples`, with the splits `train`, `eval` and `test`.
    """
    statistics_gen = tfx.components.StatisticsGen(examples=examples).with_id(nodes.STATISTICS_GEN)
    statistics = statistics_gen.outputs["statistics"]
    schema_gen = tfx.components.SchemaGen(statistics=statistics).with_id(nodes.SCHEMA_GEN)
    curated = _import_schema(schema.SCHEMA_FILE).with_id(nodes.IMPORT_SCHEMA_GEN)
    example_validator = tfx.components.ExampleValidator(
        statistics=statistics, schema=curated.outputs["schema"]
    ).with_id(nodes.EXAMPLE_VALIDATOR)
    images = ImageStatistics(examples=examples).with_id(nodes.IMAGE_STATISTICS)
    measures = images.outputs["statistics"]
    image_schema = _import_schema(schema.IMAGES_FILE).with_id(nodes.IMPORT_IMAGE_SCHEMA)
    image_validator = tfx.components.ExampleValidator(
        statistics=measures, schema=image_schema.outputs["schema"]
    ).with_id(nodes.IMAGE_VALIDATOR)
    skew_validator = distribution_validator.DistributionValidator(
        statistics=measures,
        baseline_statistics=measures,
        config=comparison.build_comparison(settings.data_gate.max_skew),
        include_split_pairs=comparison.SKEWED_PAIRS,
    ).with_id(nodes.SKEW_VALIDATOR)
    gate = DataGate(
        settings.data_gate.model_dump(mode="json", exclude={"max_skew", "max_drift"}),
        examples=examples,
        image_statistics=measures,
        image_findings=images.outputs["anomalies"],
        anomalies=example_validator.outputs["anomalies"],
        image_anomalies=image_validator.outputs["anomalies"],
        skew=skew_validator.outputs["anomalies"],
    ).with_id(nodes.DATA_GATE)
    described = [statistics_gen, schema_gen, curated, example_validator]
    looked_at = [images, image_schema, image_validator, skew_validator]
    return DataNodes([*described, *looked_at, gate], curated, statistics_gen, gate)


def _import_schema(file: Path) -> "tfx.components.ImportSchemaGen":
    importer = tfx.components.ImportSchemaGen(schema_file=str(file))
    # TFX knows the file by its path alone: this makes an edited schema be read again.
    importer.exec_properties["sha256"] = sha256(file)
    return importer
