import io
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from pipeline.screen import pictures

PIXELS = np.zeros((28, 28), np.uint8)
PIXELS[:14, 7:21] = 255
PIXELS[14, 7:21] = 100


def draw(**options):
    text = io.StringIO()
    pictures.draw(Console(file=text, width=80, **options), PIXELS)
    return text.getvalue().splitlines()


def test_drawing_without_colours_has_a_character_for_two_pixels():
    assert draw() == [*[" " * 7 + "@" * 14] * 7, " " * 7 + "." * 14, *[""] * 6]


def test_drawing_with_colours_has_the_grey_of_every_pixel():
    lines = draw(force_terminal=True, color_system="truecolor")
    assert [line.count("▀") for line in lines] == [28] * 14
    assert lines[0].count("38;2;255;255;255;48;2;255;255;255") == 14
    assert lines[7].count("38;2;100;100;100;48;2;0;0;0") == 14
    assert lines[13].count("38;2;0;0;0;48;2;0;0;0") == 28


def test_pictures_are_saved_under_names_of_their_own(tmp_path):
    files = [Path("here/a coat.jpg"), Path("there/a coat.png"), Path("dress.png")]
    pictures.save(tmp_path / "new" / "seen", files, [PIXELS, PIXELS // 2, PIXELS // 4])
    saved = {file.name: np.asarray(Image.open(file)) for file in (tmp_path / "new/seen").iterdir()}
    assert saved.keys() == {"a coat-28x28.png", "a coat-28x28-2.png", "dress-28x28.png"}
    np.testing.assert_array_equal(saved["a coat-28x28.png"], PIXELS)
    np.testing.assert_array_equal(saved["a coat-28x28-2.png"], PIXELS // 2)


def test_what_was_read_is_not_overwritten(tmp_path):
    (tmp_path / "coat.png").write_text("the picture itself")
    pictures.save(tmp_path, [tmp_path / "coat.png"], [PIXELS])
    assert (tmp_path / "coat.png").read_text() == "the picture itself"


def test_directory_that_is_a_file_is_a_sentence(tmp_path, refusal):
    (tmp_path / "file").touch()
    with refusal("file can't be written to", "--save"):
        pictures.save(tmp_path / "file", [Path("coat.png")], [PIXELS])


def test_full_disk_is_a_sentence_and_leaves_no_part_of_a_picture(
    tmp_path, refusal, small_files_only
):
    noise = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    with small_files_only(100), refusal("seen can't be written to (File too large)", "--save"):
        pictures.save(tmp_path / "seen", [Path("coat.png")], [noise])
    assert list((tmp_path / "seen").iterdir()) == []
