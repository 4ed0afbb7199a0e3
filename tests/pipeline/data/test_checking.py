import io
import os
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.data import checking
from tests import pngs

WAY_OUT = "write it anew"


def picture(mode="L", size=(28, 28), form="PNG", dtype=None):
    file = io.BytesIO()
    image = Image.new(mode, size)
    if dtype:
        image = Image.fromarray(np.zeros(size, dtype))
    image.save(file, form)
    return file.getvalue()


PNG = picture()
ROWS = (b"\0" + bytes(28)) * 28
PIXELS = 41
"""Where the pixels begin, behind the header and the name of their chunk."""


def change(content, position):
    content = bytearray(content)
    content[position] ^= 1
    return bytes(content)


def with_rows(rows):
    pixels = pngs.chunk(b"IDAT", zlib.compress(rows))
    return PNG[:33] + pixels + pngs.chunk(b"IEND", b"")


def count(splits):
    return checking.count_examples(splits, WAY_OUT)


def test_examples_are_counted_by_split_and_class(tmp_path, write_records):
    files = [tmp_path / "a.gz", tmp_path / "b"]
    write_records(files[0], [0, 9, 9])
    write_records(files[1], [1])
    counts = count({"train": files, "test": files[1:]})
    assert {name: n for name, n in counts["train"].items() if n} == {
        "T-shirt/top": 1,
        "Trouser": 1,
        "Ankle boot": 2,
    }
    assert sum(counts["test"].values()) == 1
    assert len(counts["test"]) == 10


@pytest.mark.parametrize(
    ("example", "found"),
    [
        ({"label": 1}, "nothing (there is label) as 'image' instead of a bytes_list"),
        ({}, "nothing as 'image' instead of a bytes_list"),
        ({"image": PNG}, "nothing (there is image) as 'label' instead of an int64_list"),
        ({"image": 7, "label": 1}, "an int64_list as 'image' instead of a bytes_list"),
        ({"image": PNG, "label": 1.0}, "a float_list as 'label' instead of an int64_list"),
        ({"image": PNG, "label": b"1"}, "a bytes_list as 'label' instead of an int64_list"),
        ({"image": PNG, "label": 10}, "the label 10"),
        ({"image": PNG, "label": -1}, "the label -1"),
        ({"image": b"", "label": 1}, "no bytes as 'image'"),
        ({"image": b"a picture", "label": 1}, "9 bytes that are no PNG as 'image'"),
        ({"image": PNG[:20], "label": 1}, "20 bytes that are no PNG as 'image'"),
        ({"image": PNG[:40], "label": 1}, "a PNG that is cut off as 'image'"),
        ({"image": picture(form="JPEG"), "label": 1}, "a JPEG as 'image'"),
        ({"image": picture(form="GIF"), "label": 1}, "a GIF as 'image'"),
        ({"image": picture(size=(32, 28)), "label": 1}, "a PNG of 32×28 pixels, 8-bit grey"),
        ({"image": picture("RGB"), "label": 1}, "a PNG of 28×28 pixels, 8-bit RGB"),
        ({"image": picture("LA"), "label": 1}, "a PNG of 28×28 pixels, 8-bit grey and transparent"),
        ({"image": picture("P"), "label": 1}, "a PNG of 28×28 pixels, 1-bit palette"),
        ({"image": picture(dtype=np.uint16), "label": 1}, "a PNG of 28×28 pixels, 16-bit grey"),
        ({"image": picture("1"), "label": 1}, "a PNG of 28×28 pixels, 1-bit grey"),
    ],
)
def test_an_example_that_breaks_the_contract_is_named(
    tmp_path, write_records, refusal, example, found
):
    files = [tmp_path / "a.gz", tmp_path / "b"]
    write_records(files[0], [1, 2])
    write_records(files[1], [3, example, 4])
    with refusal(
        "1 of 7 examples is not what examples must be, and the first, "
        f"record 2 of {files[1]}, has {found}",
        ": write it anew, so that 'image' is a PNG of 28×28 pixels, 8-bit grey, and 'label' an "
        "int64 from 0 to 9.",
    ):
        count({"train": files, "eval": files[:1]})


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda png: change(png, PIXELS + 3), id="a changed pixel"),
        pytest.param(lambda png: change(png, -14), id="a checksum"),
        pytest.param(lambda png: change(png, 30), id="the header's checksum"),
        pytest.param(lambda png: with_rows(b"\5" + ROWS[1:]), id="an unknown filter"),
        pytest.param(lambda png: with_rows(ROWS[:-1]), id="too few pixels"),
        pytest.param(lambda png: png[:33] + pngs.chunk(b"IEND", b""), id="no pixels"),
        pytest.param(lambda png: png[:33] + b"\xff" * 8 + png[33:], id="a chunk without an end"),
    ],
)
def test_a_png_with_the_right_header_and_broken_pixels_is_named(
    tmp_path, write_records, refusal, spoil
):
    write_records(tmp_path / "a", [{"image": spoil(PNG), "label": 1}])
    with refusal(f"record 1 of {tmp_path / 'a'}, has a PNG with pixels that can't be decoded"):
        count({"train": [tmp_path / "a"]})


def test_a_png_of_another_make_is_decoded_to_see_whether_it_is_one(tmp_path, write_records):
    kind = pngs.Kind(pngs.GREY, 8, transparent=False, interlaced=True)
    images = [
        pngs.encode(kind, pngs.make_samples(kind)),
        PNG[:33] + pngs.chunk(b"tEXt", b"Title\0a bag") + PNG[33:],
        with_rows(ROWS + b"more"),
        PNG + b"more",
    ]
    write_records(tmp_path / "a", [{"image": image, "label": 1} for image in images])
    assert count({"train": [tmp_path / "a"]})["train"]["Trouser"] == 4


def test_all_examples_that_break_the_contract_are_counted(tmp_path, write_records, refusal):
    write_records(tmp_path / "a", [{"image": PNG, "label": label} for label in (1, 12, 3, 11)])
    with refusal("2 of 4 examples are not", f"record 2 of {tmp_path / 'a'}, has the label 12"):
        count({"train": [tmp_path / "a"]})


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("label", tf.train.Int64List(value=[1, 2]), "2 values as 'label' instead of one"),
        ("label", tf.train.Int64List(), "0 values as 'label' instead of one"),
    ],
)
def test_a_feature_has_one_value(tmp_path, refusal, name, values, found):
    image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[PNG]))
    feature = {"image": image, name: tf.train.Feature(int64_list=values)}
    message = tf.train.Example(features=tf.train.Features(feature=feature))
    with tf.io.TFRecordWriter(str(tmp_path / "a")) as writer:
        writer.write(message.SerializeToString())
    with refusal(f"record 1 of {tmp_path / 'a'}, has {found}"):
        count({"train": [tmp_path / "a"]})


def test_a_record_that_is_no_example_is_named(tmp_path, refusal):
    with tf.io.TFRecordWriter(str(tmp_path / "a")) as writer:
        writer.write(b"\xff\xff no message")
    with refusal(f"record 1 of {tmp_path / 'a'}, has bytes that are no tf.Example"):
        count({"train": [tmp_path / "a"]})


def test_a_split_without_examples_is_refused(tmp_path, write_records, refusal):
    write_records(tmp_path / "a.gz", [])
    write_records(tmp_path / "b.gz", [])
    with refusal(f"{tmp_path / 'a.gz'} holds no example of eval: write it anew."):
        count({"eval": [tmp_path / "a.gz"]})
    with refusal(f"{tmp_path / 'a.gz'}, or any of 2 files, holds no example of eval"):
        count({"eval": [tmp_path / "a.gz", tmp_path / "b.gz"]})


def test_a_name_that_tensorflow_could_not_read_is_refused(tmp_path, write_records, refusal):
    write_records(tmp_path / "a", [1])
    file = tmp_path / os.fsdecode(b"a\xff")
    (tmp_path / "a").rename(file)
    with refusal(f"{tmp_path}/a\\udcff has a name that is not UTF-8: rename it."):
        count({"train": [file]})


def test_a_file_that_is_damaged_is_refused(tmp_path, refusal):
    (tmp_path / "a").write_bytes(b"not a record at all")
    with refusal(f"{tmp_path / 'a'} is damaged at record 1", WAY_OUT):
        count({"train": [tmp_path / "a"]})
