"""Spoils TFRecords of real images in many ways, and says what the command makes of each.

    python -m benchmarks.broken_inputs [NAME …]

It prints a table in Markdown: the input, the exit code, the sentence, and what is left in the root
besides the run's own log and result.
"""

import argparse
import gzip
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.real_images import read_splits
from pipeline.data.examples import to_example
from pipeline.data.idx import LabelledImages
from trainer_module import features

_EXAMPLES = 600
"""Of each split: as many as the bounds of the data gate take to be enough."""

_SIDE = features.IMAGE_SIZE

Spoil = Callable[[Path, Mapping[str, LabelledImages]], None]
"""Spoils the version of the span, of which the splits were written as they are."""


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these (default: all)")
    names = parser.parse_args().names
    splits = read_splits(_EXAMPLES)
    print("| input | exit code | sentence | written |\n|---|---|---|---|")
    for name, (spoil, flags) in CASES.items():
        if not names or name in names:
            print(_to_row(name, _try(splits, spoil, flags)), flush=True)


@dataclass(frozen=True)
class _Answer:
    code: int
    sentence: str
    written: Sequence[str]


def _try(splits: Mapping[str, LabelledImages], spoil: Spoil, flags: Sequence[str]) -> _Answer:
    with tempfile.TemporaryDirectory() as directory:
        data, root = Path(directory, "data"), Path(directory, "root")
        version = data / "span-1" / "version-1"
        version.mkdir(parents=True)
        for name, split in splits.items():
            write(version / f"{name}-0.tfrecord.gz", to_examples(split))
        spoil(version, splits)
        command = [sys.executable, "-m", "pipeline.local_runner", "--json", "--config", "smoke"]
        place = ["--root", str(root), "--data-dir", str(data), "--to-node", "DataGate"]
        ended = subprocess.run(
            [*command, *place, *flags], capture_output=True, text=True, check=False
        )
        result = json.loads(ended.stdout.splitlines()[-1])
        failure = result["failure"]
        reasons = result["verdict"]["reasons"] or ([failure["cause"]] if failure else [])
        found = sorted(one.name for one in root.iterdir()) if root.exists() else []
        warnings = [one["found"] for one in result["data_findings"] if one["severity"] == "warn"]
        sentence = "; ".join(reasons or warnings) or "–"
        return _Answer(ended.returncode, sentence.replace(str(directory), "…"), found)


def _to_row(name: str, answer: _Answer) -> str:
    sentence = answer.sentence.replace("|", "\\|").replace("\n", " ")
    return f"| {name} | {answer.code} | {sentence} | {', '.join(answer.written) or 'nothing'} |"


def write(file: Path, examples: Sequence[bytes]) -> None:
    """Writes gzipped TFRecords."""
    from tensorflow import io as tf_io

    with tf_io.TFRecordWriter(str(file), tf_io.TFRecordOptions("GZIP")) as writer:
        for example in examples:
            writer.write(example)


def to_examples(split: LabelledImages) -> list[bytes]:
    """Serializes a split as it should be."""
    pairs = zip(split.images, split.labels, strict=True)
    return [to_example(image, int(label)) for image, label in pairs]


def _rewrite(name: str, change: Callable[[LabelledImages], list[bytes]]) -> Spoil:
    """Writes a split anew."""

    def spoil(version: Path, splits: Mapping[str, LabelledImages]) -> None:
        write(version / f"{name}-0.tfrecord.gz", change(splits[name]))

    return spoil


def _change_images(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    def spoil(split: LabelledImages) -> list[bytes]:
        return to_examples(LabelledImages(change(split.images), split.labels))

    return _rewrite(name, spoil)


def _change_labels(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    def spoil(split: LabelledImages) -> list[bytes]:
        return to_examples(LabelledImages(split.images, change(split.labels)))

    return _rewrite(name, spoil)


def _keep(name: str, mask: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    """Keeps the examples with some labels."""

    def spoil(split: LabelledImages) -> list[bytes]:
        kept = mask(split.labels)
        return to_examples(LabelledImages(split.images[kept], split.labels[kept]))

    return _rewrite(name, spoil)


def _first(name: str, **given: object) -> Spoil:
    """Gives the first example of a split other features; None leaves one out."""

    def spoil(split: LabelledImages) -> list[bytes]:
        examples = to_examples(split)
        return [_with(examples[0], given), *examples[1:]]

    return _rewrite(name, spoil)


def _with(example: bytes, given: Mapping[str, object]) -> bytes:
    from tensorflow import train

    changed = train.Example.FromString(example)
    for name, value in given.items():
        feature = changed.features.feature[name]
        feature.Clear()
        if value is None:
            del changed.features.feature[name]
        elif isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        elif isinstance(value, int):
            feature.int64_list.value.append(value)
        else:
            feature.float_list.value.extend(np.asarray(value, float).reshape(-1))
    return changed.SerializeToString()


def _picture(mode: str = "L", form: str = "PNG", width: int = _SIDE) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (width, _SIDE), 1).save(stream, form)
    return stream.getvalue()


def _broken_pixels() -> bytes:
    png = bytearray(_picture())
    start = png.index(b"IDAT") + 6
    png[start : start + 4] = b"\xff" * 4
    return bytes(png)


def _file(name: str, change: Callable[[bytes], bytes]) -> Spoil:
    def spoil(version: Path, splits: Mapping[str, LabelledImages]) -> None:
        file = version / f"{name}-0.tfrecord.gz"
        file.write_bytes(change(file.read_bytes()))

    return spoil


def _inside(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Changes what is in a gzipped file."""
    return lambda content: gzip.compress(change(gzip.decompress(content)))


def _flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _remove(name: str) -> Spoil:
    return lambda version, splits: (version / f"{name}-0.tfrecord.gz").unlink()


def _lose_a_shard(version: Path, splits: Mapping[str, LabelledImages]) -> None:
    file = version / "train-0.tfrecord.gz"
    file.rename(version / "train-00000-of-00002.tfrecord.gz")


def _copy_train(version: Path, splits: Mapping[str, LabelledImages]) -> None:
    content = (version / "train-0.tfrecord.gz").read_bytes()
    (version / "test-0.tfrecord.gz").write_bytes(content)


def _nothing(version: Path, splits: Mapping[str, LabelledImages]) -> None:
    pass


def _pattern(pattern: str) -> tuple[Spoil, Sequence[str]]:
    return _nothing, ["--set", f"dataset.pattern={pattern}"]


def _cases() -> Iterator[tuple[str, tuple[Spoil, Sequence[str]]]]:
    yield "as it should be", (_nothing, ())
    yield "pattern without {SPLIT}", _pattern("span-1/version-1/*.gz")
    yield "unknown placeholder", _pattern("{SPLIT}/{WEEK}/*")
    yield from ((name, (spoil, ())) for name, spoil in _spoils().items())


def _spoils() -> dict[str, Spoil]:
    image, label = features.IMAGE, features.LABEL
    last = features.NUM_CLASSES - 1
    return {
        "no eval": _remove("eval"),
        "lost shard": _lose_a_shard,
        "plain bytes named .gz": _file("train", gzip.decompress),
        "no bytes": _file("train", lambda content: b""),
        "gzip cut off": _file("train", lambda content: content[:-99]),
        "record cut off": _file("train", _inside(lambda content: content[:-9])),
        "flipped bit": _file("train", _inside(_flip)),
        "no record": _file("eval", _inside(lambda content: b"")),
        "no tf.Example": _rewrite("train", lambda split: [b"\xff"]),
        "label 10": _first("train", **{label: last + 1}),
        "label -1": _first("test", **{label: -1}),
        "no label": _first("test", **{label: None}),
        "one-hot label": _first("train", **{label: np.eye(last + 1)[0]}),
        "no image": _first("train", **{image: None}),
        "empty image": _first("train", **{image: b""}),
        "pixels for a PNG": _first("train", **{image: np.zeros((_SIDE, _SIDE))}),
        "RGB": _first("train", **{image: _picture("RGB")}),
        "16 bits": _first("train", **{image: _picture("I;16")}),
        "JPEG": _first("train", **{image: _picture(form="JPEG")}),
        "GIF": _first("train", **{image: _picture(form="GIF")}),
        "too narrow": _first("train", **{image: _picture(width=_SIDE - 1)}),
        "broken pixels": _first("train", **{image: _broken_pixels()}),
        "extra feature": _first("train", extra=1),
        "all black": _change_images("train", np.zeros_like),
        "one blank image": _first("train", **{image: _picture()}),
        "inverted test": _change_images("test", lambda images: 255 - images),
        "darker test": _change_images("test", lambda images: images // 2),
        "one class": _change_labels("train", np.zeros_like),
        "class missing in eval": _keep("eval", lambda labels: labels != last),
        "shifted mix in test": _keep("test", lambda labels: (labels > 1) | (labels == 0)),
        "one example": _keep("eval", lambda labels: np.arange(len(labels)) == 0),
        "test = train": _copy_train,
        "5 % wrong labels": _change_labels(
            "train", lambda labels: np.where(np.arange(len(labels)) % 20, labels, labels[::-1])
        ),
    }


CASES = dict(_cases())
"""How data is spoilt, and flags of the command, by name."""

if __name__ == "__main__":
    main()
