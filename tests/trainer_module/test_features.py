from trainer_module import features


def test_class_names_are_those_of_fashion_mnist_in_the_order_of_their_labels():
    assert features.CLASS_NAMES == (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )


def test_there_is_a_class_for_each_name():
    assert features.NUM_CLASSES == 10


def test_features_are_named_as_tensorflow_datasets_names_them():
    assert (features.IMAGE, features.LABEL, features.IMAGE_SIZE) == ("image", "label", 28)
