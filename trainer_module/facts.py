"""What has to be said of a dataset, once. Free of TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_QUARTERS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class OfficialFile:
    """One official file.

    Attributes:
        name: it ends in `.gz`.
        size: of the gzipped file, in bytes.
        sha256: of its gzipped bytes.
        content_sha256: of what it unpacks to.
    """

    name: str
    size: int
    sha256: str
    content_sha256: str


@dataclass(frozen=True)
class OfficialSet:
    """What the makers of a dataset publish: a training and a test set, in gzipped IDX.

    Attributes:
        train_images: bytes [N, image_size, image_size].
        train_labels: bytes [N].
        test_images: as `train_images`.
        test_labels: as `train_labels`.
        addresses: where the files can be downloaded, in the order in which they are tried.
        sizes: the number of examples in `train` and in `test`.
    """

    train_images: OfficialFile
    train_labels: OfficialFile
    test_images: OfficialFile
    test_labels: OfficialFile
    addresses: tuple[str, ...]
    sizes: Mapping[str, int]

    @property
    def files(self) -> tuple[OfficialFile, ...]:
        """All four."""
        return self.train_images, self.train_labels, self.test_images, self.test_labels


@dataclass(frozen=True)
class Reference:
    """Figures on the same test images to hold a model against; the loss is in nats."""

    accuracy: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """A dataset of square, grey images that each belong to one class.

    Attributes:
        name: a word in small letters: of its pipeline, of its directories, on the command line,
            and in TensorFlow Datasets.
        title: its name for a person.
        class_names: in the order of their labels.
        image_size: height and width of an image, in pixels.
        ink_bounds: cut the test split by the fraction of pixels that are not black.
        brightness_bounds: cut it by the mean of the pixels, in 0 to 1.
        confused: classes that are easily confused with one another; the others are compared
            with them. None, if none is named.
        min_recall: by class, the lowest recall of those that can't reach what the others do.
        min_f1: the same for F1.
        reference: figures of another project, if there are some.
        official: what can be downloaded, if anything.

    Raises:
        ValueError: a name is given twice, or is that of no class.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    image_size: int
    ink_bounds: tuple[float, ...] = _QUARTERS
    brightness_bounds: tuple[float, ...] = _QUARTERS
    confused: tuple[str, ...] = ()
    min_recall: Mapping[str, float] = field(default_factory=dict)
    min_f1: Mapping[str, float] = field(default_factory=dict)
    reference: Reference | None = None
    official: OfficialSet | None = None

    def __post_init__(self) -> None:
        """Checks the names of the classes."""
        if len(set(self.class_names)) < len(self.class_names):
            raise ValueError(f"two classes of {self.title} have the same name: rename one")
        for what in ("confused", "min_recall", "min_f1"):
            unknown = [name for name in getattr(self, what) if name not in self.class_names]
            if unknown:
                raise ValueError(
                    f"{what} of {self.title} names {unknown[0]!r}, which is no class of it: "
                    f"there are {', '.join(self.class_names)}"
                )

    @property
    def variable(self) -> str:
        """The variable of the environment that names a directory with the data."""
        return f"{self.name.upper()}_DIR"

    @property
    def shared_directory(self) -> str:
        """The directory in which several projects share the data."""
        return self.name.replace("_", "-")
