import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from pipeline.data import garment
from tests import pngs

DARK = np.random.default_rng(1).integers(0, 100, (28, 28)).astype(np.uint8)


@pytest.fixture
def read(tmp_path):
    """Saves a picture and reads it back as the classifier takes it."""

    def read(picture, suffix=".png", **options):
        file = tmp_path / f"picture{suffix}"
        picture.save(file, **options)
        return garment.read_garment(file).pixels

    return read


def ellipse(background, foreground, mode="L", size=(120, 90)):
    """A picture of something in the middle."""
    picture = Image.new(mode, size, background)
    picture.paste(foreground, (40, 30, size[0] - 40, size[1] - 30))
    return picture


@pytest.mark.parametrize("pixels", [DARK, 255 - DARK], ids=["dark", "bright"])
def test_picture_like_those_of_the_set_is_taken_as_it_is(read, pixels):
    np.testing.assert_array_equal(read(Image.fromarray(pixels)), pixels)


@pytest.mark.parametrize(
    ("mode", "background", "foreground"),
    [("RGB", (255, 255, 255), (180, 20, 20)), ("L", 230, 40), ("RGB", (0, 0, 0), (90, 200, 90))],
)
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_garment_is_bright_on_black_whatever_it_was_taken_before(
    read, mode, background, foreground, suffix
):
    pixels = read(ellipse(background, foreground, mode), suffix)
    assert (pixels.shape, pixels.dtype) == ((28, 28), np.uint8)
    assert pixels[:4].max() < 10
    assert pixels[14, 14] > 120


@pytest.mark.parametrize(("size", "empty"), [((280, 140), np.s_[:7]), ((10, 20), np.s_[:, :7])])
def test_picture_keeps_its_proportions_and_is_centred_on_black(read, size, empty):
    pixels = read(Image.new("L", size, 100))
    assert pixels[empty].max() == 0
    assert pixels[::-1, ::-1][empty].max() == 0
    assert pixels[14, 14] == 100


def test_grey_goes_by_the_weights_of_itu_r_601(read):
    assert read(Image.new("RGB", (28, 28), (0, 200, 0)))[14, 14] == round(0.587 * 200)


def free(value, opaque=255):
    """A garment of a grey value, in the middle of what is transparent and of any colour."""
    picture = Image.new("RGBA", (60, 60), (255, 0, 255, 0))
    picture.paste((value, value, value, opaque), (20, 20, 40, 40))
    return picture


@pytest.mark.parametrize(("value", "seen"), [(0, 255), (40, 215), (200, 200), (255, 255)])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_garment_that_stands_free_is_bright_on_black_whatever_it_is_itself(read, mode, value, seen):
    pixels = read(free(value).convert(mode))
    assert pixels[:6].max() == 0
    assert pixels[14, 14] == seen


def test_garment_is_the_same_free_as_before_white(read):
    white = Image.new("RGB", (60, 60), "white")
    white.paste((40, 40, 40), (20, 20, 40, 40))
    np.testing.assert_array_equal(read(white), read(free(40)))


@pytest.mark.parametrize(("ground", "seen"), [(255, 0), (0, 0)])
def test_hole_is_like_the_edge_around_it(read, ground, seen):
    picture = Image.new("RGBA", (56, 56), (ground, ground, ground, 255))
    picture.paste((90, 90, 90, 255), (10, 10, 46, 46))
    picture.paste((90, 90, 90, 0), (24, 24, 32, 32))
    assert read(picture)[14, 14] == seen


@pytest.mark.parametrize("value", [90, 200])
def test_transparency_of_a_palette_is_seen(read, value):
    picture = Image.new("P", (60, 60), 0)
    picture.putpalette([255, 255, 255, value, value, value])
    picture.paste(1, (20, 20, 40, 40))
    pixels = read(picture, transparency=0)
    assert pixels[0, 0] == 0
    assert pixels[14, 14] == max(value, 255 - value)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_grey_value_that_is_transparent_is_seen_at_every_depth(tmp_path, depth):
    highest = 2**depth - 1
    samples = np.full((60, 60, 1), highest // 2 + 1)
    samples[20:40, 20:40] = 0
    file = tmp_path / "picture.png"
    file.write_bytes(pngs.encode(pngs.Kind(pngs.GREY, depth, True, False), samples))
    pixels = garment.read_garment(file).pixels
    assert pixels[0, 0] == 0
    assert pixels[14, 14] == 255


@pytest.mark.parametrize("kind", pngs.KINDS, ids=str)
def test_png_of_every_kind_is_read(tmp_path, kind):
    file = tmp_path / "picture.png"
    file.write_bytes(pngs.encode(kind, pngs.make_samples(kind)))
    found = garment.read_garment(file)
    assert (found.pixels.shape, found.pixels.dtype) == ((28, 28), np.uint8)
    # Of the two values of one bit, one is transparent and leaves nothing to see.
    bare = (kind.colour, kind.depth, kind.transparent) == (pngs.GREY, 1, True)
    assert found.blank == bare


@pytest.mark.parametrize(
    "kind",
    [one for one in pngs.KINDS if one.colour == pngs.GREY and not one.transparent],
    ids=str,
)
def test_grey_picture_of_the_size_is_what_the_network_reads_pixel_for_pixel(tmp_path, kind):
    from trainer_module.preprocessing import decode_image

    png = pngs.encode(kind, pngs.make_samples(kind))
    (tmp_path / "picture.png").write_bytes(png)
    pixels = garment.read_garment(tmp_path / "picture.png").pixels
    np.testing.assert_array_equal(pixels, decode_image(png).numpy()[..., 0])


@pytest.mark.parametrize("size", [(5000, 10), (1, 2000), (3000, 1), (29, 1), (1, 1)])
def test_of_a_very_thin_picture_a_line_stays(read, size):
    pixels = read(Image.new("L", size, 100))
    assert pixels.max() == 100
    assert (pixels > 0).any(1).sum() == max(1, round(28 * size[1] / max(size)))
    assert (pixels > 0).any(0).sum() == max(1, round(28 * size[0] / max(size)))


def with_a_thing(mode):
    picture = Image.new("L", (60, 60), 20)
    picture.paste(200, (20, 20, 40, 40))
    return picture.convert(mode)


@pytest.mark.parametrize(
    ("picture", "suffix", "blank"),
    [
        (Image.new("RGB", (90, 50), "white"), ".png", True),
        (Image.new("RGB", (90, 50), (200, 30, 90)), ".jpg", True),
        (Image.new("L", (28, 28)), ".png", True),
        (Image.new("RGBA", (40, 40), (9, 200, 9, 0)), ".png", True),
        (Image.fromarray(np.full((40, 40), 40000, np.uint16)), ".png", True),
        (free(0, opaque=4), ".png", True),
        (free(0), ".png", False),
        (free(255), ".png", False),
        (with_a_thing("L"), ".png", False),
        (with_a_thing("CMYK"), ".jpg", False),
    ],
)
def test_blank_picture_is_told_from_one_that_shows_something(tmp_path, picture, suffix, blank):
    picture.save(tmp_path / f"picture{suffix}")
    assert garment.read_garment(tmp_path / f"picture{suffix}").blank == blank


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "CMYK"])
def test_garment_is_bright_in_every_mode_of_a_jpeg_or_png(read, mode):
    pixels = read(with_a_thing(mode), ".jpg" if mode == "CMYK" else ".png")
    assert pixels[14, 14] > 190
    assert pixels[1, 1] < 40


def test_of_an_animation_the_first_picture_is_taken(read):
    first, second = with_a_thing("L"), Image.new("L", (60, 60), 255)
    pixels = read(first, save_all=True, append_images=[second])
    np.testing.assert_array_equal(pixels, read(first))


def test_picture_with_too_many_pixels_is_a_sentence(tmp_path, monkeypatch, refusal):
    Image.new("L", (300, 300)).save(tmp_path / "large.png")
    monkeypatch.setattr(garment, "_MOST_PIXELS", 300 * 300 - 1)
    with refusal("large.png has more than 89,999 pixels, 300 × 300: scale it down first"):
        garment.read_garment(tmp_path / "large.png")


def make_bomb(file, side):
    """A PNG of zeros, a thousandth as large as its pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, pngs.GREY, 0, 0, 0)
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(side + 1)) for _ in range(side)) + packer.flush()
    chunks = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(pngs.chunk(*one) for one in chunks))


def test_picture_that_unpacks_to_more_than_is_taken_is_refused_by_its_header(
    tmp_path, monkeypatch, refusal
):
    make_bomb(tmp_path / "bomb.png", 8001)
    monkeypatch.setattr(PngImageFile, "load", lambda picture: pytest.fail("it was decoded"))
    with refusal("bomb.png has more than 64,000,000 pixels, 8001 × 8001: scale it down first"):
        garment.read_garment(tmp_path / "bomb.png")


@pytest.mark.parametrize("side", [0, 2**15, 2**31 - 1])
def test_header_of_no_or_of_countless_pixels_is_a_sentence(tmp_path, refusal, side):
    png = bytearray(pngs.encode(pngs.KINDS[0], pngs.make_samples(pngs.KINDS[0])))
    png[16:24] = struct.pack(">II", side, side)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    (tmp_path / "picture.png").write_bytes(png)
    with refusal("picture.png", "scale it down first" if side else "name one that"):
        garment.read_garment(tmp_path / "picture.png")


@pytest.mark.parametrize("make", [os.mkfifo, lambda file: file.symlink_to("/dev/zero")])
def test_pipe_or_device_is_refused_at_once(tmp_path, refusal, make):
    make(tmp_path / "picture.png")
    with refusal("picture.png can't be read as a PNG or JPEG (Not a regular file)"):
        garment.read_garment(tmp_path / "picture.png")


def test_error_of_any_kind_in_a_decoder_is_a_sentence(tmp_path, monkeypatch, refusal):
    Image.new("L", (9, 9)).save(tmp_path / "picture.png")
    monkeypatch.setattr(PngImageFile, "load", lambda picture: {}["a chunk"])
    with refusal("picture.png can't be read as a PNG or JPEG ('a chunk')"):
        garment.read_garment(tmp_path / "picture.png")


def test_picture_with_many_pixels_is_read_without_a_warning(read, monkeypatch, recwarn):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60 * 60 - 1)
    assert read(with_a_thing("L")).any()
    assert not recwarn.list


def test_picture_is_turned_as_the_camera_says(read):
    picture = Image.new("RGB", (40, 40))
    picture.paste((100, 100, 100), (0, 0, 40, 20))
    turned = Image.Exif()
    turned[0x0112] = 3
    pixels = read(picture, ".jpg", exif=turned)
    assert pixels[:10].max() < 10
    assert pixels[-10:].min() > 90


def test_sixteen_bits_are_seen_as_eight(read):
    assert read(Image.fromarray(np.full((50, 50), 100 << 8, np.uint16)))[14, 14] == 100


def test_missing_picture_is_a_sentence(tmp_path, refusal):
    with refusal("nothing.png is not there"):
        garment.read_garment(tmp_path / "nothing.png")


@pytest.mark.parametrize("content", [b"", b"a text", b"\x89PNG\r\n\x1a\nbroken", b"GIF89a"])
def test_what_is_no_picture_is_a_sentence(tmp_path, refusal, content):
    file = tmp_path / "picture.png"
    file.write_bytes(content)
    with refusal("picture.png is neither a PNG nor a JPEG"):
        garment.read_garment(file)


def test_truncated_picture_is_a_sentence(tmp_path, refusal):
    file = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99), np.uint8)).save(file)
    file.write_bytes(file.read_bytes()[:4000])
    with refusal("picture.png can't be read"):
        garment.read_garment(file)


def test_directory_is_a_sentence(tmp_path, refusal):
    with refusal("can't be read"):
        garment.read_garment(tmp_path)
