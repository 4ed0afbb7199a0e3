import numpy as np

from pipeline.data import sample_images
from trainer_module import features


def test_images_and_labels_have_the_shapes_and_types_of_fashion_mnist():
    images, labels = sample_images.draw(23, seed=0)
    assert (images.dtype, images.shape) == (np.uint8, (23, 28, 28))
    assert (labels.dtype, labels.shape) == (np.int64, (23,))


def test_the_same_seed_draws_the_same_images():
    first, second = (sample_images.draw(20, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_another_seed_draws_other_images_of_the_same_classes():
    first, second = (sample_images.draw(20, seed=seed) for seed in (5, 6))
    np.testing.assert_array_equal(first[1], second[1])
    assert not (first[0] == second[0]).all(axis=(1, 2)).any()


def test_no_two_images_are_the_same():
    images, _ = sample_images.draw(100, seed=0)
    assert len({image.tobytes() for image in images}) == 100


def test_classes_are_balanced_as_far_as_the_count_allows():
    assert np.bincount(sample_images.draw(50, seed=0)[1]).tolist() == [5] * 10
    assert np.bincount(sample_images.draw(23, seed=0)[1]).tolist() == [3] * 3 + [2] * 7


def test_garments_are_bright_on_a_dark_ground():
    images, _ = sample_images.draw(100, seed=0)
    corners = images[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert np.median(corners) < 20
    assert (np.percentile(images, 95, axis=(1, 2)) > 80).all()


def test_the_ten_classes_can_be_told_apart_on_drawings_not_seen_before():
    images, labels = sample_images.draw(1000, seed=1)
    means = np.stack([images[labels == label].mean(axis=0) for label in range(10)])
    images, labels = sample_images.draw(500, seed=2)
    distances = ((images[:, np.newaxis] - means) ** 2).sum(axis=(2, 3))
    right = distances.argmin(axis=1) == labels
    # The nearest mean, about the weakest of classifiers, gets 0.91 to 0.95, by seed.
    assert right.mean() > 0.85
    assert min(right[labels == label].mean() for label in range(10)) > 0.7


def test_each_class_of_the_dataset_is_drawn():
    assert sample_images._OUTLINES.keys() == set(features.CLASS_NAMES)


def test_classes_that_nobody_has_drawn_are_stars_that_can_be_told_apart(monkeypatch):
    monkeypatch.setattr(features, "CLASS_NAMES", ("Apple", "Shirt", "Fig", "Plum"))
    monkeypatch.setattr(features, "NUM_CLASSES", 4)
    shirts = sample_images._OUTLINES["Shirt"]
    outlines = [sample_images._outline(label) for label in range(4)]
    assert [len(outline) for outline in outlines] == [6, len(shirts), 10, 12]
    assert outlines[1] == shirts
    assert all(0 <= value <= 1 for outline in outlines for point in outline for value in point)
    images, labels = sample_images.draw(8, seed=0)
    assert labels.tolist() == [0, 1, 2, 3] * 2
    assert (images.max(axis=(1, 2)) > 100).all()
