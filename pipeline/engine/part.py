"""A part of the graph: what it runs, what it takes over from the run before, and whether it can.

Free of TFX: it is decided by names alone, before anything runs.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pipeline import nodes
from pipeline.errors import UserError

Graph = Mapping[str, Collection[str]]
"""The nodes in running order, each with those that it waits for."""

Faults = Mapping[str, Sequence[str]]
"""By node, why its outputs can't be taken over: clauses in which the node is "it". There is no
entry for a node whose outputs can be."""


@dataclass(frozen=True)
class Part:
    """A part that can run.

    Attributes:
        runs: the nodes to run.
        takes: the nodes that are left out, whose outputs of the run before are taken over.
    """

    runs: frozenset[str]
    takes: frozenset[str]


def select(graph: Graph, from_node: str | None, to_node: str | None) -> frozenset[str]:
    """Selects what lies between two nodes, both included.

    What is read through a resolver is resolved anew: the baseline is the model in service now.

    Args:
        graph: the whole.
        from_node: the first to run; None for the start of the graph.
        to_node: the last to run; None for its end.

    Returns:
        The nodes to run; none where no way leads from the one to the other.
    """
    wanted = _upstream(graph, [to_node] if to_node else graph)
    if from_node:
        wanted &= _downstream(graph, [from_node])
    read = frozenset(name for node in wanted for name in graph[node])
    return wanted | (read & nodes.RESOLVERS)


def check_selection(from_node: str | None, to_node: str | None) -> None:
    """Checks that something lies between two nodes.

    Raises:
        UserError: nothing does.
    """
    if select(nodes.UPSTREAM, from_node, to_node):
        return
    if nodes.NODES.index(from_node) > nodes.NODES.index(to_node):
        raise UserError(
            f"--from-node {from_node} comes after --to-node {to_node}: name them in the order of "
            "the graph."
        )
    raise UserError(
        f"--from-node {from_node} does not lead to --to-node {to_node}, so nothing would run: "
        "leave out one of them."
    )


def decide(graph: Graph, from_node: str | None, to_node: str | None, faults: Faults) -> Part:
    """Decides what a part runs and takes over.

    Args:
        graph: the whole.
        from_node: as `select` takes it.
        to_node: as `select` takes it.
        faults: as `Faults`.

    Raises:
        UserError: something is needed that can't be taken over; the sentence says from which
            node it would go.
    """
    runs = select(graph, from_node, to_node)
    missing = _missing(graph, runs, faults)
    if missing:
        start = _find_start(graph, from_node, to_node, faults)
        whole = start is None or select(graph, start, to_node) == select(graph, None, to_node)
        way_out = "leave out --from-node" if whole else f"start with --from-node {start}"
        raise UserError(f"--from-node {from_node} needs {_explain(missing, faults)}; {way_out}.")
    takes: set[str] = set()
    for node in graph:
        apart = node not in runs and not runs & _upstream(graph, [node])
        if apart and node not in faults and takes.issuperset(graph[node]):
            takes.add(node)
    return Part(runs, frozenset(takes))


def _explain(missing: Sequence[str], faults: Faults) -> str:
    """Says what each node lacks, but what was said of one before."""
    said: set[str] = set()
    phrases = []
    for node in missing:
        new = [fault for fault in faults[node] if fault not in said]
        said.update(new)
        if new:
            phrases.append(f"what {node} makes: {', and '.join(new)}")
    return "; and ".join(phrases)


def _missing(graph: Graph, runs: Collection[str], faults: Faults) -> list[str]:
    """The nodes that are left out and needed, and can't be taken over, in running order."""
    needed = _upstream(graph, runs) - frozenset(runs)
    return [node for node in graph if node in needed and node in faults]


def _find_start(
    graph: Graph, from_node: str | None, to_node: str | None, faults: Faults
) -> str | None:
    """The last node from which all would run that was asked for and all that it needs."""
    asked = select(graph, from_node, to_node)
    for start in reversed(list(graph)):
        runs = select(graph, start, to_node)
        if runs >= asked and not _missing(graph, runs, faults):
            return start
    return None


def _upstream(graph: Graph, starts: Collection[str]) -> frozenset[str]:
    """Nodes, and all that they depend on."""
    found: set[str] = set()
    for node in reversed(list(graph)):
        if node in starts or any(node in graph[later] for later in found):
            found.add(node)
    return frozenset(found)


def _downstream(graph: Graph, starts: Collection[str]) -> frozenset[str]:
    """Nodes, and all that depend on them."""
    found: set[str] = set()
    for node in graph:
        if node in starts or not found.isdisjoint(graph[node]):
            found.add(node)
    return frozenset(found)
