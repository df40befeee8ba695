"""Values of the domain as plain JSON values and back: `from_plain(type(x), to_plain(x))` is `x`, to the last bit.

Floats survive JSON exactly (their shortest text is unique); decimals and dates travel as text, enumerations as their
codes. What equals its default is left out, so that a value written before a field existed can still be read.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

__all__ = ["from_plain", "to_plain"]

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Return a value in types that JSON knows.

    Raises
    ------
    TypeError
        If it has no plain form.
    """
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field for field in dataclasses.fields(value) if field.init]
        return {f.name: to_plain(getattr(value, f.name)) for f in fields if not _is_default(f, getattr(value, f.name))}
    raise TypeError(f"{type(value).__name__} has no plain form")


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    """Tell whether a field may be left out; arrays are always written."""
    if field.default_factory is not dataclasses.MISSING:
        return type(value) is type(field.default_factory()) and bool(value == field.default_factory())
    if field.default is dataclasses.MISSING or isinstance(value, np.ndarray):
        return False
    return type(value) is type(field.default) and bool(value == field.default)


def from_plain(kind: type[T], plain: Any) -> T:
    """Rebuild a value of a type from its plain form.

    Raises
    ------
    TypeError, ValueError, KeyError, ArithmeticError
        If the plain form is not one of the type.
    """
    return cast(T, _value(kind, plain))


def _value(hint: Any, plain: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        inner = [argument for argument in arguments if argument is not NoneType]
        if plain is None and len(inner) < len(arguments):
            return None
        return _value(inner[0], plain)
    if origin is tuple:
        return _tuple(arguments, plain)
    if origin is Literal:
        if plain not in arguments:
            raise ValueError(f"{plain!r} is none of {', '.join(map(str, arguments))}")
        return plain
    if origin is np.ndarray:
        return np.array(plain, dtype=get_args(arguments[1])[0])
    if dataclasses.is_dataclass(hint):
        hints = _hints(cast(type, hint))
        unknown = set(plain) - set(hints)
        if unknown:
            raise ValueError(f"{cast(type, hint).__name__} has no {', '.join(sorted(unknown))}")
        return cast(Any, hint)(**{name: _value(hints[name], item) for name, item in plain.items()})
    return _leaf(hint, plain)


def _tuple(arguments: tuple[Any, ...], plain: Any) -> tuple[Any, ...]:
    if not isinstance(plain, list):
        raise TypeError(f"{type(plain).__name__} is no list")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_value(arguments[0], item) for item in plain)
    return tuple(_value(hint, item) for hint, item in zip(arguments, plain, strict=True))


def _leaf(hint: Any, plain: Any) -> Any:
    if hint is dt.date:
        return dt.date.fromisoformat(plain)
    if hint is Decimal:
        if not isinstance(plain, str):
            raise TypeError("a decimal is written as text")
        return Decimal(plain)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(plain)
    if hint is float and isinstance(plain, int | float) and not isinstance(plain, bool):
        return float(plain)
    if hint in (str, int, bool) and type(plain) is hint:
        return plain
    raise TypeError(f"{type(plain).__name__} where {getattr(hint, '__name__', hint)} is expected")


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(cast(Any, kind)) if field.init}
