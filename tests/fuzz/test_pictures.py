"""Whatever a picture holds is 28 × 28 pixels, or one sentence."""

import io
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.data import garment
from pipeline.errors import UserError
from tests import pngs
from tests.fuzz import spoiling
from trainer_module import features


def save(mode, **options):
    """A small picture in a mode."""
    picture = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) * 5).convert(mode)
    written = io.BytesIO()
    picture.save(written, **options)
    return written.getvalue()


EXIF = Image.Exif()
EXIF[0x0112] = 6
JPEGS = [
    *(save(mode, format="JPEG") for mode in ("L", "RGB", "CMYK")),
    save("RGB", format="JPEG", progressive=True, exif=EXIF, dpi=(72, 72)),
]
PNGS = [
    *(pngs.encode(kind, pngs.make_samples(kind, 5)) for kind in pngs.KINDS),
    save("L", format="PNG", save_all=True, append_images=[Image.new("L", (8, 6), 9)]),
    save("RGB", format="PNG", exif=EXIF, dpi=(72, 72)),
]


def seal(png):
    """Makes the checksums of a PNG's chunks right again, so that its decoder looks further."""
    sealed, place = bytearray(png[:8]), 8
    while place + 8 <= len(png):
        (length,) = struct.unpack_from(">I", png, place)
        sealed += pngs.chunk(png[place + 4 : place + 8], png[place + 8 : place + 8 + length])
        place += 12 + length
    return bytes(sealed)


CONTENTS = st.one_of(
    spoiling.files(st.sampled_from(PNGS)),
    spoiling.files(st.sampled_from(JPEGS)),
    spoiling.damaged(st.sampled_from(PNGS)).map(seal),
)


@given(content=CONTENTS)
def test_a_picture_is_read_or_refused(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "picture"
    file.write_bytes(content)
    try:
        found = garment.read_garment(file)
    except UserError as error:
        str(error).encode()
        return
    side = features.IMAGE_SIZE
    assert (found.pixels.shape, found.pixels.dtype) == ((side, side), np.uint8)
