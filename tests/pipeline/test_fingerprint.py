from types import SimpleNamespace

import pytest

from pipeline.fingerprint import fingerprint, sha256


def write_package(directory):
    """A package of three modules, one of them deeper down, and a template beside it."""
    (directory / "weave").mkdir(parents=True)
    (directory / "__init__.py").write_text('"""Looms."""\n')
    (directory / "loom.py").write_text("WIDTH = 28\n")
    (directory / "weave" / "twill.py").write_text("STEP = 1\n")
    (directory / "weave" / "cloth.html").write_text("<p>Cloth</p>\n")
    return directory


def take(directory):
    return fingerprint(SimpleNamespace(__file__=str(directory / "__init__.py")))


@pytest.fixture
def package(tmp_path):
    return write_package(tmp_path / "looms")


def test_is_sixteen_hexadecimal_digits(package):
    assert len(take(package)) == 16
    assert int(take(package), base=16)


def test_is_the_same_wherever_the_package_lies(package, tmp_path):
    assert take(write_package(tmp_path / "other" / "place")) == take(package)


EDITS = {
    "content": lambda root: (root / "loom.py").write_text("WIDTH = 29\n"),
    "content_deeper_down": lambda root: (root / "weave" / "twill.py").write_text("STEP = 2\n"),
    "template": lambda root: (root / "weave" / "cloth.html").write_text("<p>Silk</p>\n"),
    "name": lambda root: (root / "loom.py").rename(root / "jenny.py"),
    "directory": lambda root: (root / "weave").rename(root / "knit"),
    "added": lambda root: (root / "spindle.py").write_text("SPEED = 1\n"),
    "added_empty": lambda root: (root / "spindle.py").touch(),
    "removed": lambda root: (root / "loom.py").unlink(),
    "moved_between_files": lambda root: (
        (root / "__init__.py").write_text(""),
        (root / "loom.py").write_text('"""Looms."""\nWIDTH = 28\n'),
    ),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_changes_with_the_source(package, edit):
    before = take(package)
    edit(package)
    assert take(package) != before


@pytest.mark.parametrize(
    "path", ["__pycache__/loom.cpython-310.pyc", "loom.pyc", "README.md", "weave/pattern.toml"]
)
def test_does_not_change_with_other_files(package, path):
    before = take(package)
    (package / path).parent.mkdir(exist_ok=True)
    (package / path).write_text("anything")
    assert take(package) == before


def test_does_not_change_when_a_file_is_only_touched(package):
    before = take(package)
    (package / "loom.py").touch()
    assert take(package) == before


def test_a_sum_is_that_of_the_bytes(tmp_path):
    # The example of FIPS 180-2; the file is longer than a block.
    (tmp_path / "file").write_bytes(b"a" * 1_000_000)
    expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    assert sha256(tmp_path / "file") == expected
