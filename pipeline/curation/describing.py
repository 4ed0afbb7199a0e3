"""Says in words what a schema asks of a feature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensorflow_metadata.proto.v0 import schema_pb2

_TYPES = {schema_pb2.BYTES: "bytes", schema_pb2.INT: "int", schema_pb2.FLOAT: "float"}

ANY = "any"
"""Where a schema asks for nothing."""


@dataclass(frozen=True)
class Description:
    """What is asked of a feature, in a few words each.

    Attributes:
        type: as `int`.
        present: in how many examples it has to be.
        values: how many an example has to have of it.
        bounds: of its numbers.
        numbers: which ones it must not be, as NaN.
        names: of what it takes: the values of a text, or the classes by number.
    """

    type: str
    present: str
    values: str
    bounds: str
    numbers: str
    names: Sequence[str]


def describe(feature: schema_pb2.Feature, schema: schema_pb2.Schema) -> Description:
    """Describes a feature of a schema."""
    return Description(
        type=name_type(feature.type),
        present=describe_presence(feature.presence),
        values=describe_values(feature),
        bounds=describe_bounds(feature),
        numbers=describe_numbers(feature),
        names=find_names(feature, schema),
    )


def name_type(number: int) -> str:
    """Names a type of `schema_pb2.FeatureType`."""
    return _TYPES.get(number, ANY)


def describe_presence(presence: schema_pb2.FeaturePresence) -> str:
    """Says in how many examples a feature is."""
    if presence.min_fraction >= 1:
        return "every example"
    if presence.min_fraction > 0:
        return f"{100 * presence.min_fraction:.4g} % of the examples"
    return "at least one" if presence.min_count > 0 else ANY


def count_values(feature: schema_pb2.Feature) -> tuple[int, int | None] | None:
    """How many values an example has at least and at most; None for any number of them."""
    if feature.HasField("shape"):
        count = 1
        for dimension in feature.shape.dim:
            count *= dimension.size
        return count, count
    if not feature.HasField("value_count"):
        return None
    # No maximum and one below the minimum stand for any number.
    low, high = feature.value_count.min, feature.value_count.max
    return low, high if high >= max(low, 1) else None


def describe_values(feature: schema_pb2.Feature) -> str:
    """Says how many values an example has, and whether they come as a list."""
    counts = count_values(feature)
    if counts is None:
        return ANY
    low, high = counts
    listed = " in a list" if feature.HasField("shape") and feature.shape.dim else ""
    return _describe_range(low, high) + listed


def describe_bounds(feature: schema_pb2.Feature) -> str:
    """Says between which numbers the values of a feature are."""
    domain = find_bounds(feature)
    if domain is None:
        return ANY
    low, high = (getattr(domain, end) if domain.HasField(end) else None for end in ("min", "max"))
    return ANY if low is None and high is None else _describe_range(low, high)


def describe_numbers(feature: schema_pb2.Feature) -> str:
    """Says which numbers that are none a feature must not have."""
    domain = feature.float_domain
    refused = {"NaN": domain.disallow_nan, "infinity": domain.disallow_inf}
    return ", ".join(f"no {name}" for name, no in refused.items() if no) or ANY


def find_bounds(
    feature: schema_pb2.Feature,
) -> schema_pb2.IntDomain | schema_pb2.FloatDomain | None:
    """Finds the domain of a feature of numbers; None, if it has none."""
    kind = feature.WhichOneof("domain_info")
    return getattr(feature, kind) if kind in ("int_domain", "float_domain") else None


def find_names(feature: schema_pb2.Feature, schema: schema_pb2.Schema) -> Sequence[str]:
    """Finds the values of a text, or the names of the classes by number; none, if any will do."""
    shared: Mapping[str, Sequence[str]] = {
        one.name: one.value for one in schema.string_domain if one.name
    }
    kind = feature.WhichOneof("domain_info")
    if kind == "string_domain":
        return list(feature.string_domain.value)
    return list(shared.get(feature.domain or feature.int_domain.name, ()))


def _describe_range(low: float | None, high: float | None) -> str:
    # As many digits as the 32 bits of a float domain hold.
    if high is None:
        return f"{low:.6g} or more"
    if low is None:
        return f"{high:.6g} or less"
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
