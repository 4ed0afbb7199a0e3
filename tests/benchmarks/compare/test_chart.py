import pytest
from PIL import Image

from benchmarks.compare import chart
from benchmarks.compare.figures import Interval, Measured, Run
from benchmarks.compare.process import Usage
from pipeline import nodes

RESOLVER, TRAINER = Interval("Resolver", 1.0, 2.0), Interval(nodes.TRAINER, 2.0, 6.0)
PIPELINE = Run(Usage(10.0, 20.0, 1500.0), [RESOLVER, TRAINER])
# Components that ran side by side.
CROWDED = Run(Usage(6.0, 12.0, 1500.0), [TRAINER, Interval(nodes.TRANSFORM, 2.0, 6.0)])
LOOP = Run(Usage(10.0, 20.0, 1500.0), epochs_s=[4.0])


@pytest.mark.parametrize(
    "runs",
    [
        {"textbook": [PIPELINE, PIPELINE], "lean": [CROWDED], "keras": [LOOP], "import": [LOOP]},
        {"lean": [PIPELINE]},
        {"keras": [LOOP]},
        {},
    ],
    ids=["all", "one pipeline", "one loop", "nothing"],
)
def test_whatever_was_measured_is_drawn(runs, tmp_path):
    titles = {side: side.upper() for side in runs}
    chart.draw(Measured({}, {}, titles, runs), tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as picture:
        assert picture.width > 1000


def test_parts_of_a_bar_are_as_long_as_the_run_together():
    parts = chart._part([CROWDED])
    assert parts["training"] == parts["transform"] == parts["start and end"] == 2.0
    assert sum(parts.values()) == CROWDED.wall
