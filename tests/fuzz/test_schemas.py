"""Whatever a schema's file holds, it is read or refused, and a proposal for it can be read."""

from hypothesis import given
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.curation import comparing, curated, describing, proposing
from pipeline.errors import UserError
from tests.fuzz import spoiling

SCHEMAS = [one.file.read_bytes() for one in curated.CURATED.values()]
CHANGED = [curated.read(one.file) for one in curated.CURATED.values()]


@given(content=spoiling.files(st.sampled_from(SCHEMAS)), proposed=st.sampled_from(CHANGED))
def test_a_schema_is_read_whole_or_refused(tmp_path_factory, content, proposed):
    file = tmp_path_factory.getbasetemp() / "schema.pbtxt"
    file.write_bytes(content)
    try:
        schema = curated.read(file)
    except UserError as refusal:
        # It may as well be read.
        assert str(file) in str(refusal)  # noqa: PT017
        return
    for feature in schema.feature:
        describing.describe(feature, schema)
    comparing.compare(schema, proposed)
    comparing.compare(proposed, schema)
    text = curated.read_text(file)
    for wanted in (schema, proposed, schema_pb2.Schema()):
        assert curated.parse(proposing.write_text(wanted, text), file) == wanted
