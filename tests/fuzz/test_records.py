"""Whatever TFRecords hold is read, set aside or refused in a sentence, and nothing is half done."""

import gzip
import shutil
import struct
import zlib

import google_crc32c
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from pipeline import config
from pipeline.data import checking, framing, quarantine, records
from pipeline.data.kinds import OwnRecords
from pipeline.data.preparation import SPLITS
from pipeline.errors import UserError
from tests import pngs
from tests.fuzz import spoiling
from trainer_module import features
from trainer_module.preprocessing import decode_image

GREY = pngs.Kind(pngs.GREY, 8, transparent=False, interlaced=False)
SAMPLES = pngs.make_samples(GREY)
PNG = pngs.encode(GREY, SAMPLES)
SPEC = {
    features.IMAGE: tf.io.FixedLenFeature([], tf.string),
    features.LABEL: tf.io.FixedLenFeature([], tf.int64),
}


def checksum(content):
    crc = google_crc32c.value(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)


def frame(record, length=None):
    header = struct.pack("<Q", len(record) if length is None else length)
    return header + checksum(header) + record + checksum(record)


LENGTHS = st.one_of(st.none(), st.integers(0, 99), st.sampled_from([2**24, 2**24 + 1, 2**64 - 1]))
FRAMED = st.lists(st.builds(frame, st.binary(max_size=60), LENGTHS), max_size=4).map(b"".join)


@pytest.mark.parametrize("name", ["file", "file.gz"])
@given(data=st.data())
def test_a_file_of_tfrecords_is_read_or_refused(tmp_path_factory, name, data):
    packed = FRAMED.map(lambda content: gzip.compress(content, mtime=0))
    content = data.draw(spoiling.files(packed if name.endswith(".gz") else FRAMED))
    file = tmp_path_factory.getbasetemp() / name
    file.write_bytes(content)
    try:
        found = list(framing.read_records(file, "write it anew"))
    except UserError as error:
        str(error).encode()
        return
    inside = gzip.decompress(content) if name.endswith(".gz") else content
    assert inside == b"".join(map(frame, found))


def rows(filters):
    """The pixels in a PNG: each row behind the number of its filter, or whatever else."""
    return b"".join(
        bytes([one]) + row.tobytes()
        for one, row in zip(filters, SAMPLES[..., 0].astype(np.uint8), strict=False)
    )


PIXELS = st.one_of(
    st.lists(st.integers(0, 6), min_size=26, max_size=28).map(rows),
    st.binary(max_size=900),
    spoiling.damaged(st.just(rows([0] * 28))),
)
CHUNKS = st.lists(
    st.builds(
        pngs.chunk,
        st.sampled_from([b"IDAT", b"IEND", b"tEXt", b"tRNS", b"PLTE", b"IHDR", b"ABCD"]),
        st.one_of(PIXELS.map(zlib.compress), st.binary(max_size=30)),
    ),
    max_size=4,
)
# The header, the chunks, and perhaps an end; each with the right checksum.
BUILT = st.builds(
    lambda header, chunks, end: header + b"".join(chunks) + end,
    st.sampled_from([PNG[:33], PNG[:8] + pngs.chunk(b"IHDR", PNG[16:28] + b"\1")]),
    st.one_of(CHUNKS, PIXELS.map(lambda some: [pngs.chunk(b"IDAT", zlib.compress(some))])),
    st.sampled_from([pngs.chunk(b"IEND", b""), b"", pngs.chunk(b"IEND", b"") + b"more"]),
)
PICTURES = st.one_of(BUILT, spoiling.damaged(st.just(PNG)), st.just(PNG))


def example(image, label):
    image_feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
    label_feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
    feature = {features.IMAGE: image_feature, features.LABEL: label_feature}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(
        deterministic=True
    )


LABELS = st.one_of(st.integers(0, 9), st.integers(-1, 10), st.integers(-(2**63), 2**63 - 1))
EXAMPLES = st.one_of(
    st.builds(example, PICTURES, LABELS),
    spoiling.damaged(st.builds(example, st.just(PNG), st.integers(0, 9))),
    st.binary(max_size=60),
)


@given(image=PICTURES)
def test_an_image_that_passes_can_be_decoded_by_transform_and_no_other_can(tmp_path_factory, image):
    file = tmp_path_factory.getbasetemp() / "image"
    file.write_bytes(frame(example(image, 1)))
    checked = checking.check_examples({"train": [file]}, "write it anew", keep=1)
    try:
        decoded = decode_image(tf.constant(image)).shape == [28, 28, 1]
    except tf.errors.OpError:
        decoded = False
    # TensorFlow would make grey of colours, too.
    assert decoded if not checked.bad_in_all else not (decoded and image[:33] == PNG[:33])


@given(contents=st.lists(EXAMPLES, min_size=1, max_size=4))
def test_examples_are_counted_or_set_aside_and_all_that_pass_can_be_parsed(
    tmp_path_factory, contents
):
    base = tmp_path_factory.getbasetemp() / "own"
    parent = tmp_path_factory.getbasetemp() / "records"
    shutil.rmtree(parent, ignore_errors=True)
    (base / "span-1" / "version-1").mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        content = map(frame, [example(PNG, 3), *(contents if split == "train" else ())])
        (base / "span-1" / "version-1" / f"{split}-0").write_bytes(b"".join(content))
    settings = config.Dataset(bad_examples="set_aside", max_bad_fraction=1.0, max_bad_examples=3)
    try:
        prepared = OwnRecords(base).prepare(settings, parent)
    except UserError as error:
        str(error).encode()
        assert len(contents) == 4
        assert not parent.exists()
        return
    file = prepared.directory / "span-1" / "version-1" / "train-0"
    good = list(framing.read_records(file, "write it anew"))
    parsed = tf.io.parse_example(good, SPEC)
    assert len(good) == sum(prepared.examples["train"].values())
    assert all(0 <= label <= 9 for label in parsed[features.LABEL].numpy())
    for image in parsed[features.IMAGE]:
        decode_image(image)
    bad = []
    if prepared.set_aside:
        _, entries = quarantine.read(prepared.directory)
        bad = records_of(prepared.directory / quarantine.RECORDS_FILE)
        assert len(bad) == len(entries) == prepared.set_aside.examples
        assert [path.name for path in parent.iterdir()] == [prepared.directory.name]
    assert sorted([*good, *bad]) == sorted([example(PNG, 3), *contents])


def records_of(file):
    return list(framing.read_records(file, "write it anew"))


CLASSES = dict.fromkeys(features.CLASS_NAMES, 1)
WRITTEN = {"examples": dict.fromkeys(SPLITS, CLASSES), "sha256": {}}
EARLIER = {"examples": dict.fromkeys(SPLITS, CLASSES)}


@given(content=spoiling.json_files(WRITTEN, EARLIER))
def test_what_was_prepared_is_taken_or_prepared_anew(tmp_path_factory, content):
    directory = tmp_path_factory.getbasetemp() / "prepared"
    version = directory / "span-1" / "version-1"
    version.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        (version / f"{split}-0-of-1").touch()
    (directory / records.MANIFEST_FILE).write_bytes(content)
    counts = records.read_counts(directory, SPLITS)
    if counts is not None:
        assert set(counts) == set(SPLITS)
        for split in counts.values():
            assert set(split) == set(features.CLASS_NAMES)
            assert min(split.values()) >= 0


KEPT = {"source": "/data", "of": 60, "sha256": {"a": "0" * 64}}
ENTRY = {"split": "train", "file": "/data/a", "record": 1, "reason": "the label 11"}
LINES = st.lists(spoiling.json_files(ENTRY), max_size=3).map(b"\n".join)


@given(manifest=spoiling.json_files(KEPT), lines=LINES)
def test_a_quarantine_is_read_or_refused(tmp_path_factory, manifest, lines):
    directory = tmp_path_factory.getbasetemp() / "quarantine"
    directory.mkdir(exist_ok=True)
    (directory / records.MANIFEST_FILE).write_bytes(manifest)
    (directory / quarantine.QUARANTINE_FILE).write_bytes(lines)
    try:
        kept, entries = quarantine.read(directory)
    except UserError as error:
        str(error).encode()
        return
    assert len(entries) == len(lines.splitlines())
    # As `dataset quarantine` prints it.
    "".join([kept.source, *(one.file + one.reason for one in entries)]).encode()
