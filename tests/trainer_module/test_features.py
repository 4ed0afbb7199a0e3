from trainer_module import features


def test_features_are_named_as_tensorflow_datasets_names_them():
    assert (features.IMAGE, features.LABEL) == ("image", "label")


def test_classes_and_size_are_those_of_the_dataset():
    assert features.DATASET.class_names == features.CLASS_NAMES
    assert len(features.CLASS_NAMES) == features.NUM_CLASSES
    assert features.DATASET.image_size == features.IMAGE_SIZE
