"""Warm-up requests: what TensorFlow Serving answers before its first real request.

They travel inside the model. The records hold the answers as well, which a server does not
look at: by them it can be told whether a served model still answers as it was exported.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from trainer_module import features, ordering, served
from trainer_module.signature_calls import call_signature

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
"""Where TensorFlow Serving looks for them below a model: TFRecords of PredictionLog."""

WARMUP_EXAMPLES = 64
"""As many as fill the larger batch that is warmed up."""

_READ_BATCH = 1024


@dataclass(frozen=True)
class Warmup:
    """Requests that were recorded with their answers.

    Attributes:
        examples: serialized, labelled raw `tf.Example`s.
        answers: what `serving_default` answered to them, by output: [N, …] each.
    """

    examples: list[bytes]
    answers: dict[str, np.ndarray]


def read_examples(file_patterns: Sequence[str], count: int = WARMUP_EXAMPLES) -> list[bytes]:
    """Picks raw examples of a split, the same ones however its files have them.

    Args:
        file_patterns: TFRecords, gzipped if the name ends in `.gz`.
        count: at most how many.

    Returns:
        Serialized `tf.Example`s.
    """
    files = sorted(file for pattern in file_patterns for file in tf.io.gfile.glob(pattern))
    records = (record for file in files for record in _read(file))
    return ordering.first_examples(records, count)


def _read(file: str) -> Iterator[bytes]:
    records = tf.data.TFRecordDataset(file, "GZIP" if file.endswith(".gz") else "")
    # In batches, as TensorFlow takes longer to hand one over than to read it.
    for batch in records.batch(_READ_BATCH).as_numpy_iterator():
        yield from batch.tolist()


def write_warmup(directory: Path, examples: Sequence[bytes]) -> None:
    """Calls the classifying signatures of an exported model, and records the calls in it.

    Args:
        directory: the SavedModel's.
        examples: serialized, labelled raw `tf.Example`s, at least one.
    """
    signatures = tf.saved_model.load(str(directory)).signatures
    # A batch of one, as from a person who waits, and a large one; the last is read back.
    logs = [_record(signatures, batch) for batch in (examples[:1], examples)]
    path = directory / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log.SerializeToString(deterministic=True))


def read_warmup(directory: Path) -> Warmup | None:
    """Reads the requests of a SavedModel; None where it has none with an answer."""
    path = directory / WARMUP_FILE
    if not path.exists():
        return None
    *_, last = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    log = prediction_log_pb2.PredictionLog.FromString(last).predict_log
    [examples] = log.request.inputs.values()
    answers = {key: tf.make_ndarray(value) for key, value in log.response.outputs.items()}
    return Warmup(list(tf.make_ndarray(examples)), answers) if answers else None


def make_example(image: np.ndarray) -> bytes:
    """Makes a raw example, labelled 0, of an image: uint8 [28, 28]."""
    example = tf.train.Example()
    png = tf.io.encode_png(image[..., np.newaxis]).numpy()
    example.features.feature[features.IMAGE].bytes_list.value.append(png)
    example.features.feature[features.LABEL].int64_list.value.append(0)
    return example.SerializeToString()


def make_black_example() -> bytes:
    """Makes a labelled raw example of a black image, for a model that brings none."""
    return make_example(np.zeros([features.IMAGE_SIZE, features.IMAGE_SIZE], np.uint8))


def decode_images(examples: Sequence[bytes]) -> np.ndarray:
    """Decodes the images of raw examples, for a signature that takes pixels: uint8 [N, 28, 28]."""
    spec = {features.IMAGE: tf.io.FixedLenFeature([], tf.string)}
    pngs = tf.io.parse_example(tf.constant(examples, tf.string), spec)[features.IMAGE]
    return np.stack([tf.io.decode_png(png, channels=1)[..., 0].numpy() for png in pngs])


def to_plain(answers: Mapping[str, np.ndarray]) -> dict[str, list]:
    """Makes lists of answers: numbers as numbers, bytes as text."""
    return {
        key: [one.decode() for one in value.tolist()] if value.dtype == object else value.tolist()
        for key, value in answers.items()
    }


def _record(signatures: Mapping, examples: Sequence[bytes]) -> prediction_log_pb2.PredictionLog:
    signature = signatures[served.SERVING_DEFAULT]
    [key] = signature.structured_input_signature[1]
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = served.SERVING_DEFAULT
    request.inputs[key].CopyFrom(tf.make_tensor_proto(examples, tf.string))
    response = predict_pb2.PredictResponse()
    for output, value in call_signature(signature, examples).items():
        response.outputs[output].CopyFrom(tf.make_tensor_proto(value))
    return prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request, response=response)
    )
