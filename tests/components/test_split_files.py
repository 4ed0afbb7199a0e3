from tensorflow_metadata.proto.v0 import statistics_pb2

from components.split_files import PAIR, STATISTICS_FILE, find_splits, read_datasets, sort_splits


def test_splits_come_in_the_order_in_which_people_name_them():
    assert sort_splits(["test", "extra", "eval", "train", "a"]) == [
        *("train", "eval", "test", "a", "extra")
    ]


def test_pairs_come_by_their_first():
    names = ["test_train", "eval_train", "train_test", "train_eval"]
    assert sort_splits(names) == ["train_eval", "train_test", "eval_train", "test_train"]


def test_directories_of_splits_and_of_pairs_are_told_apart(tmp_path):
    for name in ("Split-test", "Split-train", "SplitPair-eval_train", "findings.json"):
        (tmp_path / name).mkdir()
    assert [*find_splits(tmp_path)] == ["train", "test"]
    assert find_splits(tmp_path, PAIR) == {"eval_train": tmp_path / "SplitPair-eval_train"}


def test_statistics_are_read_by_split(tmp_path):
    for count, split in enumerate(("test", "train"), start=1):
        message = statistics_pb2.DatasetFeatureStatisticsList()
        message.datasets.add(num_examples=count)
        (tmp_path / f"Split-{split}").mkdir()
        (tmp_path / f"Split-{split}" / STATISTICS_FILE).write_bytes(message.SerializeToString())
    found = read_datasets(tmp_path)
    assert {split: one.num_examples for split, one in found.items()} == {"train": 2, "test": 1}
