"""The same pipeline here and on a real engine makes the same model, and nothing twice."""

import pytest

from components import split_files
from components.model_store.identity import model_identity
from tests.engines.processes import read_job_states

NOT_CACHED = {"BaselineResolver"}
BEAM_NODES = ("ImportExampleGen", "ImageStatistics", "StatisticsGen", "Transform", "Evaluator")


def find(root, node, key):
    """The directory of the one artifact of a kind."""
    [directory] = (root / "artifacts" / node / key).iterdir()
    return directory


def read_statistics(root, node):
    """The numbers of each feature, by split and feature."""
    return {
        (split, feature.name or feature.path.step[0]): feature
        for split, dataset in split_files.read_datasets(find(root, node, "statistics")).items()
        for feature in dataset.features
    }


def numbers(message):
    """All numbers of a message, with where they stand, whatever their order is in lists."""
    found = {}
    for field, value in message.ListFields():
        values = value if field.label == field.LABEL_REPEATED else [value]
        for number, one in enumerate(values):
            if field.type == field.TYPE_MESSAGE:
                inner = numbers(one)
                found.update({f"{field.name}.{number}.{name}": x for name, x in inner.items()})
            elif isinstance(one, int | float):
                found[f"{field.name}.{number}"] = one
    return found


@pytest.fixture(scope="module")
def server(engines, tmp_path_factory):
    with engines.server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def pool(engines, tmp_path_factory):
    with engines.pool(tmp_path_factory.mktemp("pool")) as pool:
        yield pool


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The root of each way to run."""
    return tmp_path_factory.mktemp("roots")


@pytest.fixture(scope="module")
def here(commands, places):
    """A run on this machine."""
    return commands.run(places / "here")


@pytest.fixture(scope="module", params=["loopback", "pool", "two processes here"])
def there(request, engines, commands, server, pool, places):
    """The same elsewhere, and where its root is."""
    # No engine that is at hand starts a second worker but Beam's local one.
    flags = {
        "loopback": engines.flags(server),
        "pool": engines.flags(server, pool),
        "two processes here": ["--set", "engine.workers=2"],
    }[request.param]
    root = places / request.param.replace(" ", "_")
    return root, commands.run(root, "--to-node", "Evaluator", *flags)


def test_every_node_runs_there(there, here):
    _, ended = there
    assert ended.code == here.code == 0, ended.screen
    ran = {node for node, state in ended.states.items() if state == "done"}
    assert {"Trainer", *BEAM_NODES} <= ran


def test_weights_do_not_depend_on_where_the_stages_ran(there, here, places):
    root, _ = there
    served = [find(one, "Trainer", "model") / "Format-Serving" for one in (places / "here", root)]
    # By all weights, bit for bit, and the graph.
    assert len({*map(model_identity, served)}) == 1


@pytest.mark.parametrize("node", ["StatisticsGen", "ImageStatistics"])
def test_statistics_do_not_depend_on_where_the_stages_ran(node, there, here, places):
    root, _ = there
    expected, found = read_statistics(places / "here", node), read_statistics(root, node)
    assert expected.keys() == found.keys()
    for name, feature in expected.items():
        # Sums of floats in another order differ in their last places.
        assert numbers(found[name]) == pytest.approx(numbers(feature), rel=1e-12)


def test_metrics_do_not_depend_on_where_the_stages_ran(there, here):
    _, ended = there
    overall, expected = (one.result["evaluation"]["overall"] for one in (ended, here))
    assert overall.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, int | float):
            assert overall[name] == pytest.approx(value, rel=1e-7), name


def test_root_goes_from_this_machine_to_the_engine_without_running_again(
    engines, commands, server, here, places
):
    jobs = len(read_job_states(engines.network, server))
    ended = commands.run(places / "here", *engines.flags(server))
    assert ended.code == 0
    assert {node for node, state in ended.states.items() if state != "cached"} <= NOT_CACHED
    assert len(read_job_states(engines.network, server)) == jobs


def test_root_goes_from_there_to_this_machine_without_running_again(commands, there):
    root, _ = there
    ended = commands.run(root, "--to-node", "Evaluator")
    states = {node: state for node, state in ended.states.items() if state != "left out"}
    assert {
        node for node, state in states.items() if state not in ("cached", "waiting")
    } <= NOT_CACHED
