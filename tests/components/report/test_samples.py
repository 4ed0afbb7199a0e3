import numpy as np
import pytest

from components.report.samples import SHOWN, pick_samples
from tests.components.image_statistics.conftest import (
    draw_image,
    encode,
    make_example,
    spoil,
    write_file,
)
from trainer_module import features

BAG, COAT = features.CLASS_NAMES.index("Bag"), features.CLASS_NAMES.index("Coat")


@pytest.fixture(scope="module")
def examples():
    bags = [make_example(draw_image(seed), BAG) for seed in range(3 * SHOWN)]
    coats = [make_example(draw_image(100 + seed), COAT) for seed in range(2)]
    return [*bags, *coats]


def test_a_few_of_each_class_that_is_there_are_picked_in_the_order_of_the_labels(
    examples, tmp_path
):
    write_file(tmp_path / "test-0.gz", examples)
    picked = pick_samples(tmp_path)
    assert {name: len(pngs) for name, pngs in picked.items()} == {"Coat": 2, "Bag": SHOWN}
    assert [*picked] == ["Coat", "Bag"]
    assert set(picked["Coat"]) == {encode(draw_image(100)), encode(draw_image(101))}


def test_order_files_and_repetition_do_not_matter(examples, tmp_path):
    write_file(tmp_path / "one" / "test-0.gz", examples)
    again = [*examples, *examples[:3]]
    for shard in range(3):
        shuffled = [again[place] for place in np.random.default_rng(shard).permutation(len(again))]
        write_file(tmp_path / "three" / f"test-{shard}.gz", shuffled[shard::3] + again[shard::3])
    assert pick_samples(tmp_path / "one") == pick_samples(tmp_path / "three")


def test_what_is_no_image_or_of_no_class_is_left_out(tmp_path):
    good = draw_image(0)
    write_file(
        tmp_path / "test-0.gz",
        [
            *(make_example(good, BAG), make_example(spoil(encode(draw_image(1))), BAG)),
            *(make_example(None, BAG), make_example(good, 11), make_example(good, None)),
        ],
    )
    assert pick_samples(tmp_path) == {"Bag": [encode(good)]}
