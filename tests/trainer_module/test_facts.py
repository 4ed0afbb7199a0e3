import pytest

from trainer_module.facts import DatasetFacts

FRUIT = {"name": "wild_fruit", "title": "Fruit", "class_names": ("Apple", "Fig"), "image_size": 32}


def test_name_title_classes_and_size_are_enough():
    facts = DatasetFacts(**FRUIT)
    assert (facts.confused, facts.min_recall, facts.min_f1) == ((), {}, {})
    assert (facts.reference, facts.official) == (None, None)


def test_what_is_named_after_the_dataset_follows_its_name():
    facts = DatasetFacts(**FRUIT)
    assert facts.variable == "WILD_FRUIT_DIR"
    assert facts.shared_directory == "wild-fruit"


@pytest.mark.parametrize(
    ("what", "value"),
    [("confused", ("Fig", "Plum")), ("min_recall", {"Plum": 0.5}), ("min_f1", {"Plum": 0.5})],
)
def test_a_class_that_there_is_not_is_refused(what, value):
    sentence = f"{what} of Fruit names 'Plum', which is no class of it: there are Apple, Fig"
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        DatasetFacts(**FRUIT, **{what: value})


def test_two_classes_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two classes of Fruit have the same name"):
        DatasetFacts(**{**FRUIT, "class_names": ("Apple", "Fig", "Apple")})
