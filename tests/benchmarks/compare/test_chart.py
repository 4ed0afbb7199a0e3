import pytest
from PIL import Image

from benchmarks.compare import chart
from benchmarks.compare.figures import Measured, Run
from benchmarks.compare.process import Usage
from pipeline import nodes

PIPELINE = Run(Usage(10.0, 20.0, 1500.0), {"Resolver": 1.0, nodes.TRAINER: 4.0})
# Components that ran side by side.
CROWDED = Run(Usage(3.0, 6.0, 1500.0), {nodes.TRAINER: 2.0, nodes.TRANSFORM: 2.0})
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
