"""The executor: a copy of each file, record by record, in files of a bounded size."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow as tf

from trainer_module.tfx_internals import (
    Input,
    artifact_utils,
    base_beam_executor,
    examples_utils,
    proto_utils,
    standard_component_specs,
    types,
)

EXAMPLES_PER_FILE = 16_384
"""At most, so that engines that read files side by side have some."""

_GZIP_SUFFIX = ".gz"
# PNGs are packed already: the best compression takes longer, and saves nothing.
_GZIP = tf.io.TFRecordOptions("GZIP", compression_level=1)


@dataclass(frozen=True)
class _Copy:
    """A file, and how the names of the files begin that it is copied to."""

    source: str
    destination: str


class Executor(base_beam_executor.BaseBeamExecutor):
    """Copies the records of each split.

    TFX's shuffles them, for which Beam's local runner holds all of them at once; nothing here
    depends on their order.
    """

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the examples of each split.

        Args:
            input_dict: nothing.
            output_dict: `examples`.
            exec_properties: `input_base` and `input_config`, as the driver resolved them, and the
                formats of the output.
        """
        [examples] = output_dict[standard_component_specs.EXAMPLES_KEY]
        splits = Input()
        proto_utils.json_to_proto(
            exec_properties[standard_component_specs.INPUT_CONFIG_KEY], splits
        )
        names = [split.name for split in splits.splits]
        examples.split_names = artifact_utils.encode_split_names(names)
        copies = [
            copy
            for split in splits.splits
            for copy in _plan(
                Path(exec_properties[standard_component_specs.INPUT_BASE_KEY], split.pattern),
                artifact_utils.get_split_uri([examples], split.name),
            )
        ]
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | "Files" >> beam.Create(copies)
                | "Spread" >> beam.Reshuffle()
                | "Copy" >> beam.Map(_copy)
            )
        examples_utils.set_payload_format(
            examples, exec_properties[standard_component_specs.OUTPUT_DATA_FORMAT_KEY]
        )
        examples_utils.set_file_format(examples, "tfrecords_gzip")


def _plan(pattern: Path, directory: str) -> Iterator[_Copy]:
    for number, file in enumerate(sorted(tf.io.gfile.glob(str(pattern)))):
        yield _Copy(file, str(Path(directory, f"data_tfrecord-{number:05}")))


def _copy(copy: _Copy) -> None:
    # Beam tells what is gzipped by the name, too.
    gzipped = copy.source.endswith(_GZIP_SUFFIX)
    tf.io.gfile.makedirs(str(Path(copy.destination).parent))
    records = tf.data.TFRecordDataset(copy.source, "GZIP" if gzipped else None)
    parts = records.batch(EXAMPLES_PER_FILE).as_numpy_iterator()
    begun = [*itertools.islice(parts, 2)]
    if gzipped and len(begun) == 1:
        # Every record was read, and all are in a file as it would be written.
        tf.io.gfile.copy(copy.source, f"{copy.destination}-00000.gz", overwrite=True)
        return
    for number, examples in enumerate(itertools.chain(begun, parts)):
        with tf.io.TFRecordWriter(f"{copy.destination}-{number:05}.gz", _GZIP) as writer:
            for example in examples:
                writer.write(example)
