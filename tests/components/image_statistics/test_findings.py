import json

import pytest

from components.image_statistics.findings import (
    CONFLICT,
    KINDS,
    LEAK,
    Finding,
    Sample,
    read_findings,
    to_json,
)
from components.image_statistics.labels import NO_LABEL, name_class

LEAKED = Finding(
    LEAK, "test", "train", 12, 10_000, (Sample("0a", "iVBO", ("Coat",), ("Coat", "Shirt")),)
)


def test_what_is_written_is_read_back(tmp_path):
    findings = [LEAKED, Finding(CONFLICT, "train", None, 1, 5, ())]
    (tmp_path / "findings.json").write_text(to_json(findings))
    assert read_findings(tmp_path) == findings


def test_the_file_names_what_it_has():
    [leaked] = json.loads(to_json([LEAKED]))
    assert leaked["kind"] == "leak"
    assert leaked["samples"][0]["other_classes"] == ["Coat", "Shirt"]


def test_a_leak_is_said_in_a_sentence():
    assert LEAKED.fraction == 0.0012
    assert LEAKED.describe() == (
        "12 of 10,000 examples in test (0.12 %) have an image that is in train too, pixel for pixel"
    )


def test_a_conflict_within_a_split_names_that_split():
    said = Finding(CONFLICT, "train", None, 2, 4, ()).describe()
    assert said.endswith("have an image that has another label in train")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_said_with_number_and_split(kind):
    said = Finding(kind, "eval", None, 3, 300, ()).describe()
    assert said.startswith("3 of 300 examples in eval (1.00 %) ")


@pytest.mark.parametrize(
    ("label", "name"), [(0, "T-shirt/top"), (9, "Ankle boot"), (10, "10"), (-1, "-1")]
)
def test_a_label_is_called_by_its_class_and_else_by_its_number(label, name):
    assert name_class(label) == name


def test_no_label_is_called_so():
    assert name_class(NO_LABEL) == "no label"
