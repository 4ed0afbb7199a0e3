from tensorflow_metadata.proto.v0 import statistics_pb2

from components.report.contents import FeatureStatistics
from components.report.data import read_statistics


def write(directory, split, file, message):
    path = directory / f"Split-{split}"
    path.mkdir()
    (path / file).write_bytes(message.SerializeToString())


def test_statistics_are_a_row_for_each_feature_of_each_split_in_order(tmp_path):
    for split in ("test", "eval", "train"):
        message = statistics_pb2.DatasetFeatureStatisticsList()
        dataset = message.datasets.add(num_examples=10)
        label = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.INT)
        label.path.step.append("label")
        label.num_stats.min, label.num_stats.max, label.num_stats.mean = 0, 9, 4.5
        label.num_stats.common_stats.num_non_missing = 8
        write(tmp_path, split, "FeatureStats.pb", message)
    rows = read_statistics(tmp_path)
    assert [row.split for row in rows] == ["train", "eval", "test"]
    assert rows[0] == FeatureStatistics("train", "label", "int", 10, 2, "0 to 9, mean 4.5")


def test_text_is_told_by_how_much_of_it_is_distinct(tmp_path):
    message = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = message.datasets.add(num_examples=2000)
    image = dataset.features.add(name="image", type=statistics_pb2.FeatureNameStatistics.STRING)
    image.string_stats.unique, image.string_stats.avg_length = 1999, 507.3
    image.string_stats.common_stats.num_non_missing = 2000
    write(tmp_path, "test", "FeatureStats.pb", message)
    [row] = read_statistics(tmp_path)
    assert (row.missing, row.detail) == (0, "1,999 distinct, 507 bytes on average")
