import pytest

from pipeline.engine import part
from pipeline.engine.part import Part
from pipeline.errors import UserError

# Spin and Dye go into Weave; Sew follows, and Card hangs off Spin alone.
GRAPH = {"Spin": (), "Dye": (), "Card": ("Spin",), "Weave": ("Spin", "Dye"), "Sew": ("Weave",)}
BROKE = "the run before, r1, did not finish it"


def decide(from_node, to_node=None, **faults):
    listed = {node: [fault] for node, fault in faults.items()}
    decided = part.decide(GRAPH, from_node, to_node, listed)
    return set(decided.runs), set(decided.takes)


@pytest.mark.parametrize(
    ("from_node", "to_node", "runs"),
    [
        (None, None, "Spin Dye Card Weave Sew"),
        (None, "Weave", "Spin Dye Weave"),
        ("Dye", None, "Dye Weave Sew"),
        ("Spin", "Weave", "Spin Weave"),
        ("Sew", "Sew", "Sew"),
        ("Card", "Sew", ""),
        ("Sew", "Spin", ""),
    ],
)
def test_part_is_what_lies_between_two_nodes(from_node, to_node, runs):
    assert part.select(GRAPH, from_node, to_node) == set(runs.split())


@pytest.mark.parametrize("from_node", ["Evaluator", "BaselineResolver", "Transform"])
def test_baseline_is_resolved_wherever_a_model_is_evaluated(from_node):
    from pipeline.nodes import UPSTREAM

    assert "BaselineResolver" in part.select(UPSTREAM, from_node, "Evaluator")
    assert "BaselineResolver" not in part.select(UPSTREAM, from_node, "Transform")


def test_what_is_left_out_is_taken_over():
    assert decide("Weave") == ({"Weave", "Sew"}, {"Spin", "Dye", "Card"})
    assert decide("Spin", "Weave") == ({"Spin", "Weave"}, {"Dye"})


def test_what_is_not_needed_and_faulty_is_not_taken_over_nor_what_depends_on_it():
    assert decide("Card", Weave=BROKE) == ({"Card"}, {"Spin", "Dye"})


def test_part_that_begins_at_the_start_needs_nothing():
    assert part.decide(GRAPH, None, "Spin", {node: [BROKE] for node in GRAPH}) == Part(
        frozenset({"Spin"}), frozenset()
    )


@pytest.mark.parametrize(
    ("from_node", "faults", "sentence"),
    [
        (
            *("Sew", {"Weave": BROKE}),
            f"--from-node Sew needs what Weave makes: {BROKE}; start with --from-node Weave.",
        ),
        # Where it starts, all that is missing is made.
        (
            *("Sew", {"Dye": BROKE, "Weave": BROKE}),
            f"--from-node Sew needs what Dye makes: {BROKE}; start with --from-node Dye.",
        ),
        # What was said of one node is not said of the next.
        (
            *("Sew", {"Dye": "red = 2", "Weave": "red = 2"}),
            "--from-node Sew needs what Dye makes: red = 2; start with --from-node Dye.",
        ),
        (
            *("Sew", {"Dye": "red = 2", "Weave": "width = 3"}),
            "--from-node Sew needs what Dye makes: red = 2; and what Weave makes: width = 3; "
            "start with --from-node Dye.",
        ),
        (
            *("Sew", {"Spin": BROKE, "Dye": BROKE}),
            f"--from-node Sew needs what Spin makes: {BROKE}; leave out --from-node.",
        ),
    ],
)
def test_part_that_lacks_something_is_told_what_and_where_to_start(from_node, faults, sentence):
    with pytest.raises(UserError) as error:
        decide(from_node, **faults)
    assert str(error.value) == sentence
