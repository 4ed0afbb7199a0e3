from trainer_module.fashion_mnist import FASHION_MNIST


def test_class_names_are_in_the_order_of_their_labels():
    assert FASHION_MNIST.class_names == (
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


def test_it_is_named_as_tensorflow_datasets_names_it_and_as_people_do():
    assert (FASHION_MNIST.name, FASHION_MNIST.title) == ("fashion_mnist", "Fashion-MNIST")
    assert FASHION_MNIST.variable == "FASHION_MNIST_DIR"
    assert FASHION_MNIST.shared_directory == "fashion-mnist"


def test_images_have_the_size_of_the_official_ones():
    assert FASHION_MNIST.image_size == 28
    assert FASHION_MNIST.official.sizes == {"train": 60_000, "test": 10_000}


def test_each_official_file_has_a_name_and_a_checksum_of_its_own():
    files = FASHION_MNIST.official.files
    assert tuple(one.name for one in files) == (
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    )
    sums = [(one.sha256, one.content_sha256) for one in files]
    assert len({*sums}) == 4
    assert {len(one) for pair in sums for one in pair} == {64}
