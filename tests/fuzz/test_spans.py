"""Which span and version are taken, by us and by TFX: the same, or a sentence refuses them."""

import itertools
import json
import shutil
import tempfile
from pathlib import Path

from hypothesis import event, given
from hypothesis import strategies as st
from tfx.components.example_gen import driver
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import standard_component_specs
from tfx.utils import io_utils, proto_utils

from pipeline.data import patterns
from pipeline.errors import UserError

SPLITS = ("train", "eval", "test")

PATTERNS = (
    *("span-{SPAN}/version-{VERSION}/{SPLIT}-*", "span-{SPAN}/{SPLIT}*", "{SPLIT}-{SPAN}"),
    *("{SPAN:2}/{SPLIT}", "{SPAN}/v{VERSION:2}/{SPLIT}", "{SPLIT}-{SPAN}-{VERSION}-*"),
    *(
        "{YYYY}-{MM}-{DD}/{SPLIT}",
        "{YYYY}{MM}{DD}/v{VERSION}/*{SPLIT}",
        "v{VERSION}/s{SPAN}/{SPLIT}",
    ),
    *("{SPLIT}-{VERSION}-of-{SPAN}-*", "a+b({SPAN})/{SPLIT}.gz", "{SPLIT}/*"),
)

numbers = st.one_of(
    st.integers(0, 12).map(str),
    st.integers(0, 12).map("{:02}".format),
    st.integers(0, 101).map("{:03}".format),
    st.sampled_from(["old", "", "1-2", "1x"]),
)
dates = st.sampled_from(
    [
        "2025-01-31",
        "2025-02-01",
        "2024-12-31",
        "1970-01-01",
        "1969-12-31",
        "2025-02-30",
        "0999-01-01",
    ]
)
rest = st.sampled_from(["", "a", "00000-of-00001", ".gz", "1-2"])


@st.composite
def files(draw, pattern):
    """A file that a pattern may mean, of a span, a version and some of the splits."""
    year, month, day = draw(dates).rsplit("-", 2)
    name = pattern
    for placeholder, value in (
        *(("{SPAN}", draw(numbers)), ("{SPAN:2}", draw(numbers))),
        *(("{VERSION}", draw(numbers)), ("{VERSION:2}", draw(numbers))),
        *(("{YYYY}", year), ("{MM}", month), ("{DD}", day), ("*", draw(rest))),
    ):
        name = name.replace(placeholder, value)
    # Mostly all of them: where one is missing, nothing is compared.
    splits = SPLITS if draw(st.integers(0, 9)) else draw(st.sets(st.sampled_from(SPLITS)))
    return [name.replace("{SPLIT}", split) for split in splits]


@st.composite
def directories(draw):
    pattern = draw(st.sampled_from(PATTERNS))
    names = draw(st.lists(files(pattern), min_size=1, max_size=5))
    # What is left out of a pattern may leave the name of a directory.
    return pattern, [name for name in itertools.chain.from_iterable(names) if name[-1] != "/"]


def take_by_tfx(directory, pattern, span):
    """What TFX's ImportExampleGen takes: the files of each split, its span and its version."""
    given_config = example_gen_pb2.Input(
        splits=[
            example_gen_pb2.Input.Split(name=split, pattern=pattern.replace("{SPLIT}", split))
            for split in SPLITS
        ]
    )
    ranged = range_config_pb2.RangeConfig()
    ranged.static_range.start_span_number = ranged.static_range.end_span_number = span or 0
    properties = driver.FileBasedDriver(None).resolve_exec_properties(
        {
            standard_component_specs.INPUT_BASE_KEY: str(directory),
            standard_component_specs.INPUT_CONFIG_KEY: proto_utils.proto_to_json(given_config),
            standard_component_specs.RANGE_CONFIG_KEY: None
            if span is None
            else proto_utils.proto_to_json(ranged),
        },
        None,
        None,
    )
    resolved = json.loads(properties[standard_component_specs.INPUT_CONFIG_KEY])["splits"]
    taken = {
        split["name"]: sorted(map(Path, io_utils.fileio.glob(f"{directory}/{split['pattern']}")))
        for split in resolved
    }
    return taken, (properties["span"], properties["version"] or 0)


@given(directories())
def test_tfx_takes_the_span_and_the_version_that_were_checked(case):
    pattern, names = case
    patterns.check(pattern)
    directory = Path(tempfile.mkdtemp(prefix="spans-"))
    try:
        for name in names:
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).touch()
        try:
            newest = patterns.find_spans(directory, pattern)[-1]
            checked = patterns.find_newest(directory, pattern)
            asked = patterns.ask_for(directory, pattern, newest)
        except UserError:
            event("refused")
            return
        event("taken")
        span = newest.span if patterns.has_spans(pattern) else None
        assert take_by_tfx(directory, asked, span) == (checked, newest.age)
    finally:
        shutil.rmtree(directory)
