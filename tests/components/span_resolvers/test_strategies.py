import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.types import artifact_utils, standard_artifacts

from components.span_resolvers import books, strategies

GATE, COUNT = "Gate", "Count"


class Books:
    """ML Metadata with examples, what a gate said of them, and statistics."""

    def __init__(self, directory):
        self.directory = directory
        connection = pb.ConnectionConfig()
        connection.fake_database.SetInParent()
        self.store = mlmd.MetadataStore(connection)
        kind = self.store.put_context_type(pb.ContextType(name="node"))
        self.gate, self.counting = self.store.put_contexts(
            [pb.Context(type_id=kind, name=f"loom.{name}") for name in (GATE, COUNT)]
        )

    def take_in(self, span, version=None, said="COMPLETE"):
        """Puts in examples, of which the gate says something; returns their id."""
        artifact = standard_artifacts.Examples()
        artifact.uri = str(self.directory)
        artifact.set_int_custom_property("span", span)
        if version is not None:
            artifact.set_int_custom_property("version", version)
        number = self._put(artifact)
        self.say(number, said)
        return number

    def say(self, examples, *states):
        for state in states:
            self._execute("Gate", state, {"examples": examples}, {}, [self.gate])

    def count(self, examples, state="COMPLETE"):
        """Puts in statistics of examples; returns their id."""
        artifact = standard_artifacts.ExampleStatistics()
        artifact.uri = str(self.directory)
        number = self._put(artifact)
        self._execute(
            "Count", state, {"examples": examples}, {"statistics": number}, [self.counting]
        )
        return number

    def delete(self, number):
        [artifact] = self.store.get_artifacts_by_id([number])
        artifact.state = pb.Artifact.DELETED
        self.store.put_artifacts([artifact])

    def _put(self, artifact):
        proto = artifact.mlmd_artifact
        proto.type_id = self.store.put_artifact_type(artifact.artifact_type, can_add_fields=True)
        proto.state = pb.Artifact.LIVE
        [number] = self.store.put_artifacts([proto])
        return number

    def _execute(self, name, state, inputs, outputs, contexts):
        execution = pb.Execution(
            type_id=self.store.put_execution_type(pb.ExecutionType(name=name)),
            last_known_state=pb.Execution.State.Value(state),
        )
        [number] = self.store.put_executions([execution])
        for kind, artifacts in ((pb.Event.INPUT, inputs), (pb.Event.OUTPUT, outputs)):
            for key, artifact in artifacts.items():
                event = pb.Event(artifact_id=artifact, execution_id=number, type=kind)
                event.path.steps.add(key=key)
                self.store.put_events([event])
        self.store.put_attributions_and_associations(
            [], [pb.Association(context_id=one, execution_id=number) for one in contexts]
        )

    def resolve(self, strategy, current, key="examples"):
        """The ids of what a strategy puts out."""
        given = {"examples": self._get("Examples"), "statistics": self._get("ExampleStatistics")}
        [now] = [one for one in given["examples"] if one.id == current]
        resolved = strategy.resolve_artifacts(self.store, {key: given[key], "current": [now]})
        assert [one.id for one in resolved["current"]] == [current]
        return [one.id for one in resolved[key]]

    def _get(self, type_name):
        if type_name not in {kind.name for kind in self.store.get_artifact_types()}:
            return []
        kind = self.store.get_artifact_type(type_name)
        found = self.store.get_artifacts_by_type(type_name)
        return artifact_utils.deserialize_artifacts(kind, found)


@pytest.fixture
def shelf(tmp_path):
    return Books(tmp_path)


def window(shelf, size, current):
    return shelf.resolve(strategies.SpanWindowStrategy(GATE, size), current)


def first(shelf, current):
    return shelf.resolve(strategies.FirstSpanStrategy(GATE), current)


def previous(shelf, current):
    strategy = strategies.PreviousStatisticsStrategy(GATE, COUNT)
    return shelf.resolve(strategy, current, "statistics")


def test_the_window_has_the_newest_spans_by_number_and_this_one_first(shelf):
    ids = {span: shelf.take_in(span) for span in (9, 10, 8)}
    current = shelf.take_in(11)
    assert window(shelf, 3, current) == [current, ids[10], ids[9]]
    assert window(shelf, 9, current) == [current, ids[10], ids[9], ids[8]]
    assert window(shelf, 1, current) == [current]


def test_what_the_gate_refused_or_never_saw_is_in_no_window(shelf):
    good = shelf.take_in(1)
    shelf.take_in(2, said="FAILED")
    shelf.take_in(3, said="RUNNING")
    current = shelf.take_in(4)
    assert window(shelf, 3, current) == [current, good]


@pytest.mark.parametrize(
    ("states", "counts"),
    [
        (("COMPLETE", "FAILED"), False),
        (("FAILED", "COMPLETE"), True),
        (("COMPLETE", "CACHED"), True),
        # An attempt that was killed said nothing.
        (("COMPLETE", "RUNNING"), True),
        (("COMPLETE", "CANCELED"), True),
    ],
)
def test_what_the_gate_said_last_counts(shelf, states, counts):
    before = shelf.take_in(1, said=states[0])
    shelf.say(before, *states[1:])
    current = shelf.take_in(2)
    assert window(shelf, 2, current) == ([current, before] if counts else [current])


def test_of_a_span_the_newest_version_that_was_accepted_counts_once(shelf):
    shelf.take_in(1, version=9)
    newest = shelf.take_in(1, version=10)
    shelf.take_in(1, version=11, said="FAILED")
    current = shelf.take_in(2, version=1)
    assert window(shelf, 5, current) == [current, newest]


def test_of_a_version_that_was_taken_in_twice_the_latest_counts(shelf):
    shelf.take_in(1, version=1)
    again = shelf.take_in(1, version=1)
    current = shelf.take_in(2, version=1)
    assert window(shelf, 5, current) == [current, again]


def test_another_version_of_the_same_span_is_not_beside_it(shelf):
    shelf.take_in(2, version=1)
    current = shelf.take_in(2, version=2)
    shelf.take_in(3, version=1)
    assert window(shelf, 5, current) == [current]


def test_examples_that_are_gone_are_in_no_window(shelf, tmp_path):
    shelf.delete(shelf.take_in(1))
    shelf.directory = tmp_path / "removed"
    shelf.take_in(2)
    shelf.directory = tmp_path
    current = shelf.take_in(3)
    assert window(shelf, 5, current) == [current]


def test_the_first_span_is_the_one_with_the_lowest_number(shelf):
    shelf.take_in(1, said="FAILED")
    shelf.take_in(3)
    oldest = shelf.take_in(2)
    assert first(shelf, shelf.take_in(4)) == [oldest]
    assert first(shelf, oldest) == []


def test_statistics_are_those_of_the_newest_accepted_span_before(shelf):
    _, newest, _ = (
        shelf.count(shelf.take_in(span, said=said))
        for span, said in ((1, "COMPLETE"), (2, "COMPLETE"), (3, "FAILED"))
    )
    current = shelf.take_in(4)
    shelf.count(current)
    assert previous(shelf, current) == [newest]


def test_statistics_that_were_made_again_count_as_last_made(shelf):
    before = shelf.take_in(1)
    shelf.count(before)
    latest = shelf.count(before)
    assert previous(shelf, shelf.take_in(2)) == [latest]


def test_the_first_span_has_nothing_to_be_compared_with(shelf):
    current = shelf.take_in(1)
    shelf.count(current)
    assert previous(shelf, current) == []
    assert previous(shelf, shelf.take_in(2, said="FAILED")) != []


def test_a_span_whose_statistics_are_gone_gives_way_to_the_one_before(shelf):
    kept = shelf.count(shelf.take_in(1))
    shelf.delete(shelf.count(shelf.take_in(2)))
    assert previous(shelf, shelf.take_in(3)) == [kept]


def test_statistics_outlive_their_examples(shelf):
    before = shelf.take_in(1)
    made = shelf.count(before)
    shelf.delete(before)
    current = shelf.take_in(2)
    assert (previous(shelf, current), first(shelf, current)) == ([made], [])


def test_a_span_without_statistics_gives_none(shelf):
    shelf.take_in(1)
    shelf.count(shelf.take_in(0), "FAILED")
    assert previous(shelf, shelf.take_in(2)) == []


def test_books_without_a_gate_know_no_span(tmp_path):
    connection = pb.ConnectionConfig()
    connection.fake_database.SetInParent()
    assert books.find_accepted(mlmd.MetadataStore(connection), GATE) == []
