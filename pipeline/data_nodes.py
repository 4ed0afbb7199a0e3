"""The first half of the graph: the nodes that describe the data, and the gate that judges it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tensorflow_data_validation as tfdv

import schema
from components.bounded_import.component import BoundedImport
from components.data_gate.component import DataGate
from components.image_statistics.component import ImageStatistics
from pipeline import comparison, config, nodes
from pipeline.data.preparation import SPLITS, Prepared
from pipeline.fingerprint import sha256
from pipeline.span_nodes import create_drift_nodes
from trainer_module.tfx_internals import (
    DistributionValidator,
    ExampleValidator,
    ImportSchemaGen,
    Input,
    RangeConfig,
    SchemaGen,
    StatisticsGen,
    base_component,
    types,
)


@dataclass(frozen=True)
class DataNodes:
    """The nodes that describe the data, and judge it.

    Attributes:
        all: every one.
        schema: imports the curated schema.
        gate: the last.
        told: what the report tells of the data, by the names of its inputs.
    """

    all: list[base_component.BaseComponent]
    schema: base_component.BaseComponent
    gate: base_component.BaseComponent
    told: Mapping[str, types.BaseChannel]


def create_example_gen(data: Prepared) -> BoundedImport:
    """Makes the one that reads the records.

    Args:
        data: the TFRecords.
    """
    splits = [Input.Split(name=name, pattern=data.pattern_of(name)) for name in SPLITS]
    span = {"start_span_number": data.span, "end_span_number": data.span}
    example_gen = BoundedImport(
        input_base=str(data.directory),
        input_config=Input(splits=splits),
        # The one that was checked: TFX would look for the newest again.
        range_config=RangeConfig(static_range=span) if data.span is not None else None,
    ).with_id(nodes.IMPORT_EXAMPLE_GEN)
    if data.content:
        # The cache knows files by size and second of change: labels that were corrected keep both.
        example_gen.exec_properties["sha256"] = data.content
    return example_gen


def create_data_nodes(
    settings: config.Config, examples: types.BaseChannel, *, drifting: bool
) -> DataNodes:
    """Makes them.

    Args:
        settings: every knob.
        examples: `Examples`, with the splits `train`, `eval` and `test`.
        drifting: whether there is a span before it to be compared with.
    """
    statistics_gen = StatisticsGen(
        # TFDV would count how often each PNG occurs, and hold all of them for that.
        examples=examples,
        stats_options=tfdv.StatsOptions(use_sketch_based_topk_uniques=True),
    ).with_id(nodes.STATISTICS_GEN)
    statistics = statistics_gen.outputs["statistics"]
    schema_gen = SchemaGen(statistics=statistics).with_id(nodes.SCHEMA_GEN)
    curated = _import_schema(schema.SCHEMA_FILE).with_id(nodes.IMPORT_SCHEMA_GEN)
    example_validator = ExampleValidator(
        statistics=statistics, schema=curated.outputs["schema"]
    ).with_id(nodes.EXAMPLE_VALIDATOR)
    images = ImageStatistics(examples=examples).with_id(nodes.IMAGE_STATISTICS)
    measures = images.outputs["statistics"]
    image_schema = _import_schema(schema.IMAGES_FILE).with_id(nodes.IMPORT_IMAGE_SCHEMA)
    image_validator = ExampleValidator(
        statistics=measures, schema=image_schema.outputs["schema"]
    ).with_id(nodes.IMAGE_VALIDATOR)
    skew_validator = DistributionValidator(
        statistics=measures,
        baseline_statistics=measures,
        config=comparison.build_comparison(settings.data_gate.max_skew),
        include_split_pairs=comparison.SKEWED_PAIRS,
    ).with_id(nodes.SKEW_VALIDATOR)
    drift = create_drift_nodes(settings.data_gate, examples, measures) if drifting else []
    gate = DataGate(
        settings.data_gate.model_dump(mode="json", exclude={"max_skew", "max_drift"}),
        examples=examples,
        image_statistics=measures,
        image_findings=images.outputs["anomalies"],
        anomalies=example_validator.outputs["anomalies"],
        image_anomalies=image_validator.outputs["anomalies"],
        skew=skew_validator.outputs["anomalies"],
        drift=drift[-1].outputs["anomalies"] if drift else None,
    ).with_id(nodes.DATA_GATE)
    described = [statistics_gen, schema_gen, curated, example_validator]
    looked_at = [images, image_schema, image_validator, skew_validator]
    told = {
        "statistics": statistics,
        "image_statistics": measures,
        "skew": skew_validator.outputs["anomalies"],
        **({"drift": drift[-1].outputs["anomalies"]} if drift else {}),
        "data_blessing": gate.outputs["blessing"],
    }
    return DataNodes([*described, *looked_at, *drift, gate], curated, gate, told)


def _import_schema(file: Path) -> ImportSchemaGen:
    importer = ImportSchemaGen(schema_file=str(file))
    # TFX knows the file by its path alone: this makes an edited schema be read again.
    importer.exec_properties["sha256"] = sha256(file)
    return importer
