import io

import numpy as np
import pytest
from PIL import Image

from pipeline.data.forms import checking
from tests import pngs


def name(index):
    return f"Image {index}"


def encode(picture, kind="PNG"):
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


@pytest.fixture
def grey():
    return np.random.default_rng(0).integers(0, 256, checking.SIZE, np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, object])
def test_pixels_may_be_numbers_of_any_type(dtype):
    found = checking.to_pixels(np.array([[0, 255], [7, 8]], dtype), name)
    assert found.dtype == np.uint8
    assert found.tolist() == [[0, 255], [7, 8]]


@pytest.mark.parametrize(
    ("value", "said", "cure"),
    [
        (-1, "-1", "mend it"),
        (256, "256", "mend it"),
        (0.5, "0.5", "multiply them by 255"),
        (1.5, "1.5", "mend it"),
        (np.nan, "nan", "mend it"),
        ("x" * 99, f"'{'x' * 30}…'", "mend it"),
        ("1_0", "'1_0'", "mend it"),
        (True, "True", "mend it"),
    ],
)
def test_what_is_no_pixel_is_refused(value, said, cure, refusal):
    values = np.array([[0, 0], [0, value]], object if isinstance(value, str | bool) else None)
    with refusal(f"Image 1 has {said} as a pixel instead of a whole number from 0 to 255", cure):
        checking.to_pixels(values, name)


def test_labels_are_whole_numbers_of_classes():
    found = checking.to_labels(np.array([0.0, 9.0]), name)
    assert (found.dtype, found.tolist()) == (np.int64, [0, 9])


@pytest.mark.parametrize("label", [-1, 10, 2.5])
def test_another_label_is_refused(label, refusal):
    with refusal(f"Image 2 has {label} as its label instead of a whole number from 0 to 9"):
        checking.to_labels(np.array([0, 1, label], object), name)


def test_a_channel_and_equal_channels_are_taken_as_grey(grey):
    for image in (grey, grey[..., np.newaxis], np.stack([grey] * 3, axis=-1)):
        found = checking.drop_equal_channels(image[np.newaxis], name)
        assert np.array_equal(found, grey[np.newaxis])


@pytest.mark.parametrize(
    ("shape", "said"), [((784,), "784"), ((28, 27), "28×27"), ((28, 28, 2), "28×28×2"), ((), "no")]
)
def test_arrays_of_another_shape_are_refused(shape, said, refusal):
    with refusal(f"Image 0 has {said} pixels instead of 28×28 grey pixels"):
        checking.drop_equal_channels(np.zeros([2, *shape]), name)


def test_channels_that_differ_are_refused(grey, refusal):
    images = np.zeros([3, *checking.SIZE, 3])
    images[2, 5, 5, 1] = 1
    with refusal("Image 2 has colours instead of 28×28 grey pixels"):
        checking.drop_equal_channels(images, name)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_picture_that_is_grey_in_any_mode_is_read_as_it_is(grey, mode):
    picture = encode(Image.fromarray(grey).convert(mode))
    found = checking.read_picture(picture, "One")
    assert found.dtype == np.uint8
    assert np.array_equal(found, grey)


def test_picture_is_read_from_a_file_too(grey, tmp_path):
    (tmp_path / "one.png").write_bytes(encode(Image.fromarray(grey)))
    assert np.array_equal(checking.read_picture(tmp_path / "one.png", "One"), grey)


def test_black_and_white_is_0_and_255():
    picture = Image.fromarray(np.eye(28, dtype=bool))
    found = checking.read_picture(encode(picture), "One")
    assert np.array_equal(found, np.eye(28) * 255)


def test_grey_jpeg_is_taken():
    picture = Image.new("RGB", checking.SIZE, (90, 90, 90))
    assert (checking.read_picture(encode(picture, "JPEG"), "One") == 90).all()


def make_coloured():
    return encode(Image.new("RGB", checking.SIZE, (1, 2, 3)))


def make_transparent():
    return encode(Image.new("LA", checking.SIZE, (7, 254)))


def make_keyed():
    kind = pngs.Kind(pngs.GREY, 8, transparent=True, interlaced=False)
    return pngs.encode(kind, pngs.make_samples(kind))


def make_deep():
    return encode(Image.fromarray(np.zeros(checking.SIZE, np.uint16)))


def make_wide():
    return encode(Image.new("L", (30, 28)))


def make_short():
    noise = np.random.default_rng(0).integers(0, 256, checking.SIZE, np.uint8)
    return encode(Image.fromarray(noise))[:300]


def make_gif():
    return encode(Image.new("L", checking.SIZE), "GIF")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (make_coloured, "has colours instead of 28×28 grey pixels"),
        (make_transparent, "is transparent"),
        (make_keyed, "is transparent"),
        (make_deep, "has 16 bits to a pixel instead of 8"),
        (make_wide, "has 30×28 pixels instead of 28×28 grey pixels"),
        (make_short, "can't be read ("),
        (make_gif, "is neither a PNG nor a JPEG"),
    ],
)
def test_another_picture_is_refused(make, said, refusal):
    with refusal(f"Row 3 of it {said}"):
        checking.read_picture(make(), "Row 3 of it")
