"""The image statistics' executor: one Beam pipeline that reads the examples once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf

from components.image_statistics import duplicates, tallies
from components.image_statistics.duplicates import Found, Key
from components.image_statistics.reading import parse, read_serialized
from components.image_statistics.writing import Destination, write_all
from trainer_module.tfx_internals import (
    artifact_utils,
    base_beam_executor,
    io_utils,
    standard_component_specs,
    types,
)

_TALLIES, _ROWS = "tallies", "rows"


@dataclass(frozen=True)
class _File:
    """A file of examples, with its number among all, and that of its split."""

    path: str
    number: int
    split: int


class Executor(base_beam_executor.BaseBeamExecutor):
    """Measures images, and looks for those that are damaged or there more than once."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes statistics and anomalies of each split, and the findings.

        Args:
            input_dict: `examples`.
            output_dict: `statistics` and `anomalies`.
            exec_properties: none of its own.
        """
        [examples] = input_dict[standard_component_specs.EXAMPLES_KEY]
        [statistics] = output_dict[standard_component_specs.STATISTICS_KEY]
        [anomalies] = output_dict[standard_component_specs.ANOMALIES_KEY]
        for output in (statistics, anomalies):
            output.split_names, output.span = examples.split_names, examples.span
        splits = artifact_utils.decode_split_names(examples.split_names)
        files = list(_list_files(examples, splits))
        destination = Destination(
            splits=splits,
            statistics=[artifact_utils.get_split_uri([statistics], split) for split in splits],
            anomalies=[artifact_utils.get_split_uri([anomalies], split) for split in splits],
            findings=anomalies.uri,
        )
        with self._make_beam_pipeline() as pipeline:
            read = (
                pipeline
                | "Files" >> beam.Create(files)
                | "Spread" >> beam.Reshuffle()
                | "Read" >> beam.ParDo(_Read()).with_outputs(_ROWS, main=_TALLIES)
            )
            counted = (
                read[_TALLIES]
                | "Merge" >> beam.CombinePerKey(tallies.merge)
                | "Tallies" >> beam.combiners.ToDict()
            )
            found = (
                read[_ROWS]
                | "Bucket" >> beam.GroupByKey()
                | "Buckets" >> beam.Values()
                | "Find" >> beam.Map(_find, len(splits))
                | "Found" >> beam.CombineGlobally(duplicates.merge)
            )
            _ = counted | "Write" >> beam.Map(
                write_all,
                beam.pvalue.AsSingleton(found),
                [file.path for file in files],
                destination,
            )


def _list_files(examples: types.Artifact, splits: list[str]) -> Iterator[_File]:
    paths = (
        (number, path)
        for number, split in enumerate(splits)
        for path in sorted(
            tf.io.gfile.glob(
                io_utils.all_files_pattern(artifact_utils.get_split_uri([examples], split))
            )
        )
    )
    for number, (split, path) in enumerate(paths):
        yield _File(path, number, split)


class _Read(beam.DoFn):
    """Reads a file: a tally of its split for each batch, and the rows for each bucket."""

    # Beam takes a precise type for that of each output.
    def process(self, file: _File) -> Iterator[Any]:
        first = 0
        for examples in read_serialized(file.path):
            batch = parse(examples)
            yield file.split, tallies.count(batch)
            rows = duplicates.describe(batch, file.split, file.number, first)
            for bucket in duplicates.split_into_buckets(rows):
                yield beam.pvalue.TaggedOutput(_ROWS, bucket)
            first += len(rows)


def _find(bucket: Iterable[np.ndarray], splits: int) -> dict[Key, Found]:
    return duplicates.find(np.concatenate(list(bucket)), splits)
