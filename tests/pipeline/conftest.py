"""Small data: four files that pass for the official ones, and TFRecords."""

import gzip
import hashlib
import io
import re
import resource
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline import config, workspace
from pipeline.data import idx, kinds, sources
from pipeline.data.preparation import SPLITS
from pipeline.errors import UserError
from pipeline.workspace import Workspace
from tests.conftest import require
from trainer_module import features
from trainer_module.facts import OfficialFile


@pytest.fixture(scope="session")
def official_dir(fashion_mnist) -> Path:
    """Fashion-MNIST itself, where this machine has it."""
    if not isinstance(fashion_mnist, kinds.OfficialFiles):
        require("the official files of Fashion-MNIST", f"there is {fashion_mnist.origin} instead")
    return fashion_mnist.directory


@pytest.fixture
def refusal() -> Callable[..., AbstractContextManager]:
    """Expects a `UserError` with these parts, in order, in the form that a person can read."""

    @contextmanager
    def refusal(*parts: object) -> Iterator[pytest.ExceptionInfo]:
        pattern = ".*".join(re.escape(str(part)) for part in parts)
        with pytest.raises(UserError, match=pattern) as caught:
            yield caught
        text = str(caught.value)
        assert re.fullmatch(r"(?:(?![.!?] [A-Z]).)+\.", text), f"not one sentence: {text}"
        assert "{{" not in text, f"nodes of TensorFlow: {text}"

    return refusal


@pytest.fixture
def small_files_only() -> Callable[[int], AbstractContextManager]:
    """Stands for a disk that is full: within it, no file grows beyond a size in bytes."""

    @contextmanager
    def small_files_only(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return small_files_only


def _write_idx(
    file: Path, values: np.ndarray, magic: int | None = None, shape: Sequence[int] | None = None
) -> None:
    shape = values.shape if shape is None else shape
    header = struct.pack(f">{1 + len(shape)}I", magic or 0x0800 + len(shape), *shape)
    file.write_bytes(gzip.compress(header + values.tobytes(), compresslevel=1, mtime=0))


@pytest.fixture
def write_idx() -> Callable[..., None]:
    """Writes bytes as IDX, its header telling the truth if not told otherwise."""
    return _write_idx


@pytest.fixture
def make_official(tmp_path, monkeypatch) -> Callable[..., Path]:
    """Takes the labels of a training and a test set; returns a directory of official files."""

    def make_official(train_labels: Sequence[int], test_labels: Sequence[int]) -> Path:
        directory = tmp_path / "official"
        directory.mkdir()
        random = np.random.default_rng(7)
        for prefix, labels in (("train", train_labels), ("t10k", test_labels)):
            # Noise: no two images are the same, and the files are longer than a download's block.
            images = random.integers(0, 256, (len(labels), 28, 28), np.uint8)
            _write_idx(directory / f"{prefix}-images-idx3-ubyte.gz", images)
            _write_idx(directory / f"{prefix}-labels-idx1-ubyte.gz", np.array(labels, np.uint8))
        files = tuple(
            OfficialFile(
                name,
                (directory / name).stat().st_size,
                hashlib.sha256((directory / name).read_bytes()).hexdigest(),
                hashlib.sha256(gzip.decompress((directory / name).read_bytes())).hexdigest(),
            )
            for name in (file.name for file in idx.OFFICIAL_FILES)
        )
        monkeypatch.setattr(idx, "OFFICIAL_FILES", files)
        return directory

    return make_official


@pytest.fixture
def small_official(make_official) -> Path:
    """Twelve training and four test images of each class."""
    return make_official([*range(10)] * 12, [*range(10)] * 4)


@pytest.fixture(scope="session")
def encode_png() -> Callable[[np.ndarray], bytes]:
    def encode_png(image: np.ndarray) -> bytes:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        return file.getvalue()

    return encode_png


@pytest.fixture(scope="session")
def write_records(encode_png) -> Callable[..., None]:
    """Writes TFRecords of such features, bytes, int or float; a label alone gets an image."""
    import tensorflow as tf

    def to_feature(value: bytes | int | float) -> tf.train.Feature:
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        if isinstance(value, float):
            return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    def write_records(file: Path, examples: Sequence[dict | int]) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(file), "GZIP" if file.suffix == ".gz" else "") as writer:
            for one in examples:
                example = one
                if isinstance(one, int):
                    png = encode_png(np.full((28, 28), one, np.uint8))
                    example = {features.IMAGE: png, features.LABEL: one}
                feature = {name: to_feature(value) for name, value in example.items()}
                message = tf.train.Example(features=tf.train.Features(feature=feature))
                writer.write(message.SerializeToString())

    return write_records


@pytest.fixture(scope="session")
def read_records() -> Callable[..., list[tuple[bytes, int]]]:
    """Reads gzipped TFRecords: the bytes of each image's PNG, and its label."""
    import tensorflow as tf

    def read_records(files: Sequence[Path]) -> list[tuple[bytes, int]]:
        names = [str(file) for file in sorted(files)]
        records = tf.data.TFRecordDataset(names, "GZIP").as_numpy_iterator()
        parsed = [tf.train.Example.FromString(record).features.feature for record in records]
        return [
            (
                example[features.IMAGE].bytes_list.value[0],
                example[features.LABEL].int64_list.value[0],
            )
            for example in parsed
        ]

    return read_records


@pytest.fixture
def official(small_official) -> kinds.OfficialFiles:
    """Twelve training and four test images of each class."""
    return kinds.OfficialFiles(small_official)


@pytest.fixture
def tfds(tmp_path, write_records) -> kinds.TensorFlowDatasets:
    """What TensorFlow Datasets makes: 40 training and 20 test images."""
    version = tmp_path / "fashion_mnist" / "3.0.1"
    for split, labels in (("train", [*range(10)] * 4), ("test", [*range(9, -1, -1)] * 2)):
        write_records(version / f"fashion_mnist-{split}.tfrecord-00000-of-00001", labels)
    (version / "dataset_info.json").write_text("{}")
    return sources.find(config.Dataset(dir=tmp_path), lambda *_: None)


@pytest.fixture
def own(tmp_path, write_records) -> kinds.OwnRecords:
    """TFRecords of one's own, in the default pattern."""
    directory = tmp_path / "own"
    for split in SPLITS:
        write_records(directory / "span-2" / "version-3" / f"{split}-00000.tfrecord.gz", [1, 2])
    return kinds.OwnRecords(directory)


@pytest.fixture
def small_sample(monkeypatch) -> kinds.Sample:
    """The sample, of 70 images."""
    monkeypatch.setattr(kinds, "_SAMPLE_SIZES", {"train": 40, "eval": 20, "test": 10})
    return kinds.Sample()


@pytest.fixture
def keep_data(record_run) -> Callable[..., dict[str, Path]]:
    """Leaves a run in a root, with what some nodes put out on the data; returns where that is.

    That of SchemaGen is a text; of other nodes, the values of each example by feature.
    """
    from tests.pipeline import measuring

    def keep_data(place: Workspace, run_id: str, outputs: dict[str, Any]) -> dict[str, Path]:
        place.run_dir(run_id).mkdir(parents=True)
        (place.run_dir(run_id) / workspace.LOG_FILE).touch()
        made = {node: place.artifacts / node / run_id for node in outputs}
        for node, output in outputs.items():
            if isinstance(output, str):
                made[node].mkdir(parents=True)
                (made[node] / "schema.pbtxt").write_text(output)
            else:
                measuring.write(made[node], {"train": measuring.measure(output)})
        keys = {
            (node, "schema" if isinstance(output, str) else "statistics"): made[node]
            for node, output in outputs.items()
        }
        states = dict.fromkeys(outputs, "COMPLETE")
        record_run(place.metadata, run_id, states, outputs=keys)
        return made

    return keep_data


@pytest.fixture
def keep_described(record_run) -> Callable[..., dict[tuple[str, str], Path]]:
    """Leaves a run of a span in a place, with what was found in its data, see `describing`."""
    from tests.pipeline import describing

    def keep_described(
        place: Workspace, run_id: str, splits: Mapping[str, Any], *, span: int = 1, **found: Any
    ) -> dict[tuple[str, str], Path]:
        place.run_dir(run_id).mkdir(parents=True)
        (place.run_dir(run_id) / workspace.LOG_FILE).touch()
        outputs = describing.write_outputs(place.artifacts / run_id, splits, **found)
        states = dict.fromkeys((node for node, _ in outputs), "COMPLETE")
        edition = {"span": span, "version": 2}
        record_run(place.metadata, run_id, states, outputs=outputs, edition=edition)
        return outputs

    return keep_described


@pytest.fixture
def record_run() -> Callable[..., None]:
    """Writes a run into ML Metadata as TFX does: nodes by state, and what some put out.

    `edition` has the numbers of span and version of its examples.
    """
    import ml_metadata as mlmd
    from ml_metadata.proto import metadata_store_pb2 as pb

    def record_run(
        file: Path,
        run_id: str,
        states: dict[str, str],
        *,
        pushed: str = "",
        evaluation: str = "",
        outputs: Mapping[tuple[str, str], Path] | None = None,
        edition: Mapping[str, int] | None = None,
    ) -> None:
        connection = pb.ConnectionConfig()
        connection.sqlite.filename_uri = str(file)
        connection.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        store = mlmd.MetadataStore(connection)

        def put_context(type_name: str, name: str) -> pb.Context:
            context = pb.Context(
                type_id=store.put_context_type(pb.ContextType(name=type_name)), name=name
            )
            [context.id] = store.put_contexts([context])
            return context

        def make_output(type_name: str, key: str, uri: str = "") -> tuple[pb.Artifact, pb.Event]:
            type_id = store.put_artifact_type(pb.ArtifactType(name=type_name))
            event = pb.Event(type=pb.Event.OUTPUT)
            event.path.steps.add(key=key)
            return pb.Artifact(type_id=type_id, uri=uri, state=pb.Artifact.LIVE), event

        run = put_context("pipeline_run", run_id)
        for node, state in states.items():
            execution = pb.Execution(
                type_id=store.put_execution_type(pb.ExecutionType(name=node)),
                last_known_state=pb.Execution.State.Value(state),
            )
            made = [
                make_output(key, key, str(uri))
                for (maker, key), uri in (outputs or {}).items()
                if maker == node
            ]
            for artifact, _ in made if node == "ImportExampleGen" else ():
                for name, number in (edition or {}).items():
                    artifact.custom_properties[name].int_value = number
            if node == "Pusher":
                model, event = make_output("PushedModel", "pushed_model")
                model.custom_properties["pushed"].int_value = int(bool(pushed))
                model.custom_properties["pushed_destination"].string_value = f"/served/{pushed}"
                model.custom_properties["pushed_version"].string_value = pushed
                made.append((model, event))
            elif node == "Evaluator" and evaluation:
                made.append(make_output("ModelEvaluation", "evaluation", evaluation))
            contexts = [run, put_context("node", f"fashion_mnist.{run_id}.{node}")]
            store.put_execution(execution, made, contexts)

    return record_run
