import numpy as np
import pytest
from PIL import Image

from pipeline import garment

DARK = np.random.default_rng(1).integers(0, 100, (28, 28)).astype(np.uint8)


@pytest.fixture
def read(tmp_path):
    """Saves a picture and reads it back as the classifier takes it."""

    def read(picture, suffix=".png", **options):
        file = tmp_path / f"picture{suffix}"
        picture.save(file, **options)
        return garment.read_garment(file)

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


def test_what_is_transparent_is_black(read):
    picture = Image.new("RGBA", (60, 60), (255, 255, 255, 0))
    picture.paste((200, 200, 200, 255), (20, 20, 40, 40))
    pixels = read(picture)
    assert pixels[:6].max() == 0
    assert pixels[14, 14] == 200


def test_transparency_of_a_palette_is_black_as_well(read):
    picture = Image.new("P", (60, 60), 0)
    picture.putpalette([255, 255, 255, 90, 90, 90])
    picture.paste(1, (20, 20, 40, 40))
    pixels = read(picture, transparency=0)
    assert pixels[0, 0] == 0
    assert pixels[14, 14] == 90


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
    with refusal("picture.png can't be read as a PNG or JPEG"):
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
