"""Whatever a shared `models.config` holds, what is written into it a server can read."""

from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_serving.config import model_server_config_pb2

from components.model_store import models_config
from components.model_store.models_config import Entry, ForeignFormError
from tests.fuzz import spoiling

CONFIGS = [
    b"",
    b"# nothing yet\n",
    b"""# ours
model_config_list {
  config {
    name: "tinyvgg"  # the model
    base_path: '/models/tinyvgg'
    model_type: TENSORFLOW
    model_version_policy { specific { versions: 1 } }
    version_labels { key: "live" value: 1 }
    logging_config { sampling_config { sampling_rate: 0.5 } }
  }
  config: < name: "other" base_path: "/models/other" model_platform: "tensorflow" >
}
""",
    b'model_config_list: { config { name: "other"; base_path: "/o"; } }',
]
ENTRIES = st.builds(
    Entry,
    name=st.sampled_from(["tinyvgg", 'a "quoted" name']),
    base_path=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map("/".__add__),
    versions=st.lists(st.integers(1, 9), unique=True, max_size=3).map(sorted),
    pinned=st.one_of(st.none(), st.integers(1, 2**63 - 1)),
)


def parse(text):
    """What a server reads; None where it refuses."""
    try:
        return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    except (text_format.ParseError, ValueError):
        return None


def others(config, name):
    """The models of other names, as a server is told them."""
    return [str(one) for one in config.model_config_list.config if one.name != name]


@given(content=spoiling.files(st.sampled_from(CONFIGS)), entry=ENTRIES)
def test_an_entry_is_put_where_a_server_reads_it_or_the_file_is_left_alone(content, entry):
    text = content.decode("utf-8", "surrogateescape")
    before = parse(content)
    try:
        updated = models_config.update(text, entry).encode("utf-8", "surrogateescape")
    except ForeignFormError:
        return
    after = parse(updated)
    if before is None:
        return
    [own] = [one for one in after.model_config_list.config if one.name == entry.name]
    assert own.base_path == entry.base_path
    assert others(after, entry.name) == others(before, entry.name)
    # Again, there is nothing to change.
    again = models_config.update(updated.decode("utf-8", "surrogateescape"), entry)
    assert again.encode("utf-8", "surrogateescape") == updated
