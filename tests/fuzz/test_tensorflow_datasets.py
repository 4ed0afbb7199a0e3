"""Whatever `dataset_info.json` holds, it tells the sizes of splits, or is refused in a sentence."""

from hypothesis import given

from pipeline.data.kinds import TensorFlowDatasets
from pipeline.errors import UserError
from tests.fuzz import spoiling

INFO = {
    "name": "fashion_mnist",
    "splits": [
        {"name": "train", "shardLengths": ["60000"], "numBytes": "1"},
        {"name": "test", "shardLengths": [5000, "5000"]},
    ],
}


@given(content=spoiling.json_files(INFO, {}))
def test_a_description_is_read_or_refused(tmp_path_factory, content):
    directory = tmp_path_factory.getbasetemp()
    (directory / "dataset_info.json").write_bytes(content)
    try:
        sizes = TensorFlowDatasets(directory)._read_sizes()
    except UserError as error:
        str(error).encode()
        return
    for split, size in sizes.items():
        f"{split} {size:,}".encode()
        assert size >= 0
