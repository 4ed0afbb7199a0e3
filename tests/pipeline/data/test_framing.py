import gzip
import hashlib
import os
import struct

import google_crc32c
import pytest
import tensorflow as tf

from pipeline.data import framing

RECORDS = [b"", b"one", bytes(range(256)) * 100]


def frame(record, length=None):
    """A record by TensorFlow's definition; its length being another, if one is given."""

    def masked(content):
        crc = google_crc32c.value(content)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)

    header = struct.pack("<Q", len(record) if length is None else length)
    return header + masked(header) + record + masked(record)


def read(file):
    return list(framing.read_records(file, "write it anew"))


@pytest.mark.parametrize(("name", "compression"), [("a", ""), ("a.tfrecord.gz", "GZIP")])
def test_records_are_read_as_tensorflow_wrote_them(tmp_path, name, compression):
    with tf.io.TFRecordWriter(str(tmp_path / name), compression) as writer:
        for record in RECORDS:
            writer.write(record)
    assert read(tmp_path / name) == RECORDS


@pytest.mark.parametrize(("name", "compression"), [("a", ""), ("a.tfrecord.gz", "GZIP")])
def test_tensorflow_reads_what_is_written(tmp_path, name, compression):
    with framing.new_file(tmp_path / name) as write:
        for record in RECORDS:
            write(record)
    dataset = tf.data.TFRecordDataset(str(tmp_path / name), compression)
    assert list(dataset.as_numpy_iterator()) == RECORDS
    assert read(tmp_path / name) == RECORDS


@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_the_same_records_give_the_same_bytes_whenever_they_are_written(
    tmp_path, name, monkeypatch
):
    files = tmp_path / name, tmp_path / "elsewhere" / f"b{name}"
    files[1].parent.mkdir()
    for number, file in enumerate(files):
        monkeypatch.setattr("time.time", lambda number=number: 1e9 * number)
        with framing.new_file(file) as write:
            write(b"record")
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_what_can_not_be_written_is_raised(tmp_path, name, small_files_only):
    noise = os.urandom(4000)
    with (
        small_files_only(2000),
        pytest.raises(OSError, match="File too large"),
        framing.new_file(tmp_path / name) as write,
    ):
        write(noise)


@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_a_digest_gets_the_file_as_it_is_on_disk(tmp_path, name):
    content = gzip.compress(CONTENT) + gzip.compress(CONTENT) if name == "a.gz" else CONTENT
    (tmp_path / name).write_bytes(content)
    digest = hashlib.sha256()
    found = list(framing.read_records(tmp_path / name, "write it anew", digest))
    assert found == RECORDS * (2 if name == "a.gz" else 1)
    assert digest.hexdigest() == hashlib.sha256(content).hexdigest()


def test_a_gzipped_file_without_records_has_none(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b""))
    assert read(tmp_path / "a.gz") == []


CONTENT = b"".join(frame(record) for record in RECORDS)
FIRST = len(frame(RECORDS[0]))


def change(content, position):
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


@pytest.mark.parametrize("name", ["file", "file.gz"])
@pytest.mark.parametrize(
    ("content", "number", "reason"),
    [
        (CONTENT[:-1], 3, "the file is cut off"),
        (CONTENT[: FIRST + 5], 2, "the file is cut off"),
        (CONTENT[: FIRST + 14], 2, "the file is cut off"),
        (change(CONTENT, FIRST), 2, "the checksum of its length is wrong"),
        (change(CONTENT, FIRST + 12), 2, "its checksum is wrong"),
        (change(CONTENT, -1), 3, "its checksum is wrong"),
        (b"label,image\n1,2,3,4,5\n", 1, "the checksum of its length is wrong"),
        (frame(b"") + frame(b"x", 2**40), 2, "it states 1,099,511,627,776 bytes"),
        (frame(b"x", 2**64 - 1), 1, "it states 18,446,744,073,709,551,615 bytes"),
        (frame(b"x", framing.LONGEST), 1, "the file is cut off"),
    ],
)
def test_a_damaged_record_is_named(tmp_path, refusal, name, content, number, reason):
    file = tmp_path / name
    file.write_bytes(gzip.compress(content) if file.suffix else content)
    with refusal(f"{file} is damaged at record {number}: {reason}", "; write it anew."):
        read(file)


@pytest.mark.parametrize("cut", [3, 12, 100])
def test_a_gzipped_file_that_is_cut_off_is_refused(tmp_path, refusal, cut):
    file = tmp_path / "a.gz"
    file.write_bytes(gzip.compress(CONTENT)[:cut])
    with refusal(f"{file} is damaged at record", ": the file is cut off; write it anew."):
        read(file)


@pytest.mark.parametrize("position", [20, -5])
def test_a_gzipped_file_with_a_changed_byte_is_refused(tmp_path, refusal, position):
    file = tmp_path / "a.gz"
    content = gzip.compress(CONTENT)
    file.write_bytes(change(content, position % len(content)))
    with refusal(f"{file} is damaged at record", "; write it anew."):
        read(file)


def test_a_plain_file_named_as_a_gzipped_one_is_refused(tmp_path, refusal):
    (tmp_path / "a.gz").write_bytes(CONTENT)
    with refusal(f"{tmp_path / 'a.gz'} is not gzipped, though its name ends in .gz: gzip it"):
        read(tmp_path / "a.gz")


def test_a_gzipped_file_named_as_a_plain_one_is_refused(tmp_path, refusal):
    (tmp_path / "a").write_bytes(gzip.compress(CONTENT))
    with refusal(f"{tmp_path / 'a'} is gzipped, and its name does not end in .gz: rename it"):
        read(tmp_path / "a")


@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_a_file_of_no_bytes_is_refused(tmp_path, refusal, name):
    (tmp_path / name).touch()
    with refusal(f"{tmp_path / name} is empty", "write it anew, or remove it"):
        read(tmp_path / name)


def test_a_directory_in_place_of_a_file_is_refused(tmp_path, refusal):
    with refusal(f"{tmp_path} can't be read: Is a directory"):
        read(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path, refusal):
    os.mkfifo(tmp_path / "a")
    with refusal(f"{tmp_path / 'a'} can't be read: Not a regular file"):
        read(tmp_path / "a")
