import subprocess
import sys
from pathlib import Path

import pytest

from trainer_module import provenance
from trainer_module.provenance import PROVENANCE_FILE, Provenance

TOLD = Provenance(
    settings={"training": {"seed": 3}, "model": {"filters": [4, 4]}},
    dataset="drawn",
    source="0123",
    commit="4567-dirty",
    versions={"keras": "3.0"},
)


def test_what_is_written_into_a_model_is_read_back(tmp_path):
    provenance.write(TOLD, tmp_path)
    assert provenance.read(tmp_path) == TOLD
    assert TOLD.seed == 3


def test_it_lies_where_a_server_passes_by_what_it_does_not_know(tmp_path):
    provenance.write(TOLD, tmp_path)
    assert (tmp_path / "assets.extra" / "provenance.json").exists()


@pytest.mark.parametrize("text", [None, "", "{", "[]", "5", "{}", '{"dataset": "d"}'])
def test_model_that_does_not_tell_is_unknown(tmp_path, text):
    if text is not None:
        (tmp_path / PROVENANCE_FILE).parent.mkdir()
        (tmp_path / PROVENANCE_FILE).write_text(text)
    assert provenance.read(tmp_path) is None


def test_it_is_read_without_tensorflow():
    program = "import sys, trainer_module.provenance; sys.exit('tensorflow' in sys.modules)"
    root = Path(provenance.__file__).parents[1]
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True)
