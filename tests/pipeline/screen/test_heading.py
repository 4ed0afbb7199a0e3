import io
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.data.kinds import OwnRecords, Sample
from pipeline.screen.heading import print_heading

RUN = Path("root/fashion_mnist/runs/r1")


@pytest.fixture
def heading():
    """The lines that are printed over a run on some data."""

    def heading(source):
        out = io.StringIO()
        print_heading(Console(file=out, width=100), source, RUN)
        return out.getvalue()

    return heading


def test_data_and_log_are_named(heading):
    source = OwnRecords(directory=Path("mine"))
    assert heading(source) == f"TinyVGG on {source.origin}\nlog: {RUN}/pipeline.log\n"


def test_sample_has_a_banner_with_why_it_was_taken(heading):
    said = heading(Sample(fallback_reason="The [network] is away."))
    assert "SAMPLE DATA" in said
    assert "The [network] is away." in said
    assert "root/fashion_mnist" in said


def test_sample_that_was_asked_for_needs_no_reason(heading):
    asked, fallback = (heading(Sample(fallback_reason=why)) for why in ("", "x"))
    assert "SAMPLE DATA" in asked
    assert len(asked.splitlines()) < len(fallback.splitlines())
