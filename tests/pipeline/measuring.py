"""Statistics as TFDV takes them of examples, and where TFX would leave them."""

import pyarrow as pa
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_data_validation.statistics.stats_options import StatsOptions
from tensorflow_metadata.proto.v0 import statistics_pb2

from trainer_module import features

EXAMPLES = 200


def raw():
    return {
        features.IMAGE: [[b"%d" % number] for number in range(EXAMPLES)],
        features.LABEL: [[number % features.NUM_CLASSES] for number in range(EXAMPLES)],
    }


def images():
    classes = [features.CLASS_NAMES[label] for [label] in raw()[features.LABEL]]
    share = [1 / features.NUM_CLASSES] * features.NUM_CLASSES
    return {
        "ink": [[0.1], [0.9]] * (EXAMPLES // 2),
        "brightness": [[0.02], [0.7]] * (EXAMPLES // 2),
        "class": [[name] for name in classes],
        "class_share": [share, *[None] * (EXAMPLES - 1)],
    }


GOOD = {"schema.pbtxt": raw, "images.pbtxt": images}
"""What makes columns that are as curated, by schema."""


def measure(columns):
    """Takes the values of each example, or None, by feature; returns the statistics of a split."""
    batch = pa.RecordBatch.from_arrays([pa.array(one) for one in columns.values()], [*columns])
    [dataset] = stats_impl.generate_statistics_in_memory(batch, StatsOptions()).datasets
    return dataset


def to_list(dataset):
    return statistics_pb2.DatasetFeatureStatisticsList(datasets=[dataset])


def write(directory, splits):
    """Writes statistics by split as StatisticsGen does."""
    for split, dataset in splits.items():
        file = directory / f"Split-{split}" / "FeatureStats.pb"
        file.parent.mkdir(parents=True)
        file.write_bytes(to_list(dataset).SerializeToString())
