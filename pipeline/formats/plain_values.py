"""Rows of Arrow as plain Python values, also where Python has no value for what Arrow holds."""

from typing import Any

import pyarrow as pa

_MISFITS = (ValueError, OverflowError, pa.ArrowException)


def plain_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Return rows as mappings from column to value.

    Python's times have microseconds and end with the year 9999: nanoseconds are cut off, and later times are texts.
    Times in a zone that is not known here are given in UTC.
    """
    columns = [_values(column) for column in batch.columns]
    return [dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: pa.Array) -> list[Any]:
    kind = _plain(column.type)
    try:
        column = column if kind == column.type else column.cast(kind, safe=False)
        return column.to_pylist()  # type: ignore[no-any-return]
    except _MISFITS:
        return [_value(value) for value in column]


def _value(value: pa.Scalar) -> Any:
    """Return a value, or how Arrow writes it, or its type where Arrow cannot write it either."""
    for kind in (value.type, pa.string()):
        try:
            return value.cast(kind).as_py()
        except _MISFITS:
            continue
    return f"({value.type})"


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return a type of which Python has the values, for as many values as possible."""
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us" if kind.unit == "ns" else kind.unit, _zone(kind.tz))
    if pa.types.is_time64(kind):
        return pa.time64("us")
    if pa.types.is_duration(kind):
        return pa.duration("us" if kind.unit == "ns" else kind.unit)
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_plain(kind.value_type)))
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_plain(kind.value_type)))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_plain(kind.value_type)), kind.list_size)
    if pa.types.is_map(kind):
        return pa.map_(kind.key_type, kind.item_field.with_type(_plain(kind.item_type)))
    if pa.types.is_struct(kind):
        return pa.struct([part.with_type(_plain(part.type)) for part in kind])
    return kind


def _zone(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        pa.lib.string_to_tzinfo(name)
    except (ValueError, KeyError, pa.ArrowException):
        return "UTC"
    return name
