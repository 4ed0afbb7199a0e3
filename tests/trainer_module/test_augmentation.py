import itertools

import numpy as np
import pytest
import tensorflow as tf

from trainer_module import augmentation

OFF = {"flip": False, "shift": 0, "erase": 0.0, "erase_size": 10}
ALL = {"flip": True, "shift": 3, "erase": 0.5, "erase_size": 10}
SEED = (3, 7)


@pytest.fixture(scope="module")
def images():
    """Noise without a background, so that each pixel tells where it went."""
    return np.random.default_rng(0).uniform(0.1, 1, (500, 28, 28, 1)).astype(np.float32)


def augment(images, seed=SEED, **changes):
    seed = tf.constant(seed, tf.int64)
    return augmentation.augment(tf.constant(images), seed, **{**OFF, **changes}).numpy()


def moved(image, down, right):
    """The image moved by hand."""
    result = np.zeros_like(image)
    height, width = 28 - abs(down), 28 - abs(right)
    (top, left), (source_top, source_left) = (
        (max(0, sign * down), max(0, sign * right)) for sign in (1, -1)
    )
    result[top : top + height, left : left + width] = image[
        source_top : source_top + height, source_left : source_left + width
    ]
    return result


def rectangles(images, erased):
    """Of each image that was changed: top, left, height and width of what is background."""
    for image, result in zip(images, erased, strict=True):
        rows, columns, _ = np.nonzero(image != result)
        if len(rows):
            top, left = rows.min(), columns.min()
            height, width = rows.max() - top + 1, columns.max() - left + 1
            expected = image.copy()
            expected[top : top + height, left : left + width] = 0
            np.testing.assert_array_equal(result, expected)
            yield top, left, height, width


def test_all_off_is_the_identity(images):
    np.testing.assert_array_equal(augment(images), images)


@pytest.mark.parametrize("changes", [{}, ALL])
def test_shape_and_type_are_kept(images, changes):
    result = augment(images, **changes)
    assert (result.shape, result.dtype) == (images.shape, np.float32)


@pytest.mark.parametrize("changes", [{"flip": True}, {"shift": 2}, {"erase": 0.5}, ALL])
def test_the_same_seed_gives_the_same_changes(images, changes):
    np.testing.assert_array_equal(augment(images, **changes), augment(images, **changes))


@pytest.mark.parametrize("changes", [{"flip": True}, {"shift": 2}, {"erase": 0.5}, ALL])
@pytest.mark.parametrize("seed", [(SEED[0] + 1, SEED[1]), (SEED[0], SEED[1] + 1)])
def test_either_half_of_the_seed_changes_the_result(images, changes, seed):
    assert (augment(images, **changes) != augment(images, seed, **changes)).any()


def test_flip_mirrors_about_half_of_the_images_and_leaves_the_others(images):
    result = augment(images, flip=True)
    mirrored = (result == images[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (result == images).all(axis=(1, 2, 3))
    assert (mirrored ^ kept).all()
    assert 0.4 < mirrored.mean() < 0.6


@pytest.mark.parametrize("limit", [1, 2])
def test_shift_moves_each_image_within_the_limit_and_fills_with_background(images, limit):
    offsets = list(itertools.product(range(-limit, limit + 1), repeat=2))
    found = []
    for image, result in zip(images, augment(images, shift=limit), strict=True):
        matching = [one for one in offsets if np.array_equal(result, moved(image, *one))]
        assert len(matching) == 1
        found += matching
    assert set(found) == set(offsets)
    assert max(map(found.count, offsets)) < 2.5 * len(images) / len(offsets)


@pytest.mark.parametrize("fraction", [0.2, 0.7])
def test_erase_hits_about_the_given_fraction_of_the_images(images, fraction):
    hit = list(rectangles(images, augment(images, erase=fraction)))
    assert len(hit) / len(images) == pytest.approx(fraction, abs=0.07)


@pytest.mark.parametrize("longest", [1, 4, 28])
def test_erased_rectangles_have_every_size_up_to_the_limit(images, longest):
    hit = np.array(list(rectangles(images, augment(images, erase=1.0, erase_size=longest))))
    assert len(hit) == len(images)
    for sizes in hit[:, 2:].T:
        assert set(sizes) == set(range(1, longest + 1))


def test_erased_rectangles_reach_every_edge_of_the_image(images):
    hit = np.array(list(rectangles(images, augment(images, erase=1.0, erase_size=4))))
    starts, ends = hit[:, :2], hit[:, :2] + hit[:, 2:]
    assert starts.min(axis=0).tolist() == [0, 0]
    assert ends.max(axis=0).tolist() == [28, 28]
    np.testing.assert_allclose(((starts + ends) / 2).mean(axis=0), 14, atol=1.5)


def test_a_data_set_of_batches_of_any_size_can_be_mapped(images):
    spec = tf.TensorSpec([None, 28, 28, 1])
    batches = [images[:3], images[3:8]]
    mapped = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=spec).map(
        lambda batch: augmentation.augment(batch, tf.constant(SEED, tf.int64), **ALL)
    )
    assert mapped.element_spec.dtype == tf.float32
    for batch, result in zip(batches, mapped.as_numpy_iterator(), strict=True):
        np.testing.assert_array_equal(result, augment(batch, **ALL))
