"""Holds a curated schema against what the data is, feature by feature.

What TFDV would call an anomaly is outside; a test holds that both agree.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.curation import describing

# Of a feature that no data is asked of, or not yet.
_LEFT_ALONE = {
    *(schema_pb2.PLANNED, schema_pb2.ALPHA, schema_pb2.DEBUG_ONLY),
    *(schema_pb2.DEPRECATED, schema_pb2.DISABLED),
}

_FEW = 3


@dataclass(frozen=True)
class Difference:
    """What a curated schema and the data do not have in common.

    Attributes:
        feature: its name.
        what: which side of it.
        curated: what the curated schema asks for.
        data: what the data has.
        outside: whether the data is outside of what is asked for; otherwise the schema takes more.
    """

    feature: str
    what: str
    curated: str
    data: str
    outside: bool


def compare(curated: schema_pb2.Schema, data: schema_pb2.Schema) -> list[Difference]:
    """Compares a curated schema with one that says what the data is.

    Returns:
        What differs: first what is outside of the curated schema, then where it takes more; each
        in the order of the features.
    """
    found = {feature.name: feature for feature in data.feature}
    asked = {one.name: one for one in curated.feature}
    differences: list[Difference] = []
    for name, feature in asked.items():
        if feature.lifecycle_stage not in _LEFT_ALONE:
            differences += _compare(feature, found.get(name), curated, data)
    differences += [
        Difference(
            name, "feature", "no such feature", describing.name_type(feature.type), outside=True
        )
        for name, feature in found.items()
        if name not in asked
    ]
    return sorted(differences, key=lambda one: not one.outside)


def _compare(
    asked: schema_pb2.Feature,
    found: schema_pb2.Feature | None,
    curated: schema_pb2.Schema,
    data: schema_pb2.Schema,
) -> Iterator[Difference]:
    if found is None:
        present = describing.describe_presence(asked.presence)
        yield Difference(
            asked.name, "present in", present, "no example", outside=present != describing.ANY
        )
        return
    if asked.type != found.type:
        types = [describing.name_type(one.type) for one in (asked, found)]
        yield Difference(asked.name, "type", types[0], types[1], outside=True)
        return
    sides: Sequence[Callable[[schema_pb2.Feature, schema_pb2.Feature], Difference | None]] = (
        *(_compare_presence, _compare_values, _compare_bounds, _compare_numbers),
        lambda *_: _compare_names(
            asked, describing.find_names(asked, curated), describing.find_names(found, data)
        ),
    )
    yield from filter(None, (side(asked, found) for side in sides))


def _compare_presence(asked: schema_pb2.Feature, found: schema_pb2.Feature) -> Difference | None:
    fraction, wanted = found.presence.min_fraction, asked.presence.min_fraction
    if fraction >= wanted:
        return None
    missing = f"missing in {100 * (1 - fraction):.2g} % of a split"
    present = describing.describe_presence(asked.presence)
    return Difference(asked.name, "present in", present, missing, outside=True)


def _compare_values(asked: schema_pb2.Feature, found: schema_pb2.Feature) -> Difference | None:
    wanted, there = describing.count_values(asked), describing.count_values(found)
    asks, has = (describing.describe_values(one) for one in (asked, found))
    if wanted is None or there is None or asks == has:
        return None
    too_few = there[0] < wanted[0]
    too_many = wanted[1] is not None and (there[1] is None or there[1] > wanted[1])
    return Difference(asked.name, "values", asks, has, outside=too_few or too_many)


def _compare_bounds(asked: schema_pb2.Feature, found: schema_pb2.Feature) -> Difference | None:
    wanted, there = describing.find_bounds(asked), describing.find_bounds(found)
    if wanted is None or there is None:
        return None
    asks, has = (describing.describe_bounds(one) for one in (asked, found))
    low = wanted.HasField("min") and there.min < wanted.min
    high = wanted.HasField("max") and there.max > wanted.max
    if not (low or high) and asks in (has, describing.ANY):
        return None
    return Difference(asked.name, "bounds", asks, has, outside=low or high)


def _compare_numbers(asked: schema_pb2.Feature, found: schema_pb2.Feature) -> Difference | None:
    wanted, there = asked.float_domain, found.float_domain
    nan = wanted.disallow_nan and not there.disallow_nan
    infinite = wanted.disallow_inf and not there.disallow_inf
    if found.type != schema_pb2.FLOAT or not (nan or infinite):
        return None
    which = " and ".join([*["NaN"] * nan, *["infinity"] * infinite])
    asks = describing.describe_numbers(asked)
    return Difference(asked.name, "numbers", asks, which, outside=True)


def _compare_names(
    asked: schema_pb2.Feature, wanted: Sequence[str], there: Sequence[str]
) -> Difference | None:
    unknown = [name for name in there if name not in wanted]
    unused = [name for name in wanted if name not in there]
    if not wanted or not there or not (unknown or unused):
        return None
    clauses = [
        *(["also " + _name(unknown)] * bool(unknown)),
        *(["no " + _name(unused)] * bool(unused)),
    ]
    return Difference(
        asked.name, "names", f"{len(wanted)} names", ", ".join(clauses), outside=bool(unknown)
    )


def _name(names: Sequence[str]) -> str:
    more = [f"{len(names) - _FEW} more"] if len(names) > _FEW else []
    return ", ".join([*names[:_FEW], *more])
