"""A pytree as plain JSON plus a list of arrays, and back bit for bit, without running anything that a file says.

    encode(tree) -> (structure, arrays),     decode(structure, arrays) = tree

Numbers, quantities, text, tuples, lists, dicts, `State`, arrays (JAX, NumPy, typed keys), dataclasses and named tuples
of brainsim, optax and equinox are stored by structure. Anything else (a function or class of the user's program) is
noted by name only: `decode` then takes it from a template, `like`. Weakly typed arrays come back strongly typed.
"""

import dataclasses
import importlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pint
from jax.core import Tracer

from .. import units
from .._types import State

_PACKAGES = ("brainsim", "optax", "equinox")
_MISSING = object()
_FACTOR = r"[A-Za-z]\w*( \*\* -?\d{1,2}(\.\d+)?)?"
_UNIT = re.compile(rf"(1|{_FACTOR})( [*/] {_FACTOR})*")


def encode(tree: Any, name: str = "tree", *, foreign: bool = True) -> tuple[Any, list[np.ndarray]]:
    """The structure of a tree (plain JSON) and its arrays (NumPy, in native byte order).

    Args:
        tree: What to store.
        name: What to call it in messages.
        foreign: Whether parts are allowed that come back only with `like`.

    Raises:
        TypeError: An array of objects or text, a traced array, or a foreign part where none is allowed.
    """
    arrays: list[np.ndarray] = []
    structure = _encode(tree, name, arrays)
    if not foreign and (found := _foreign(structure, name)):
        raise TypeError(f"`{found[0]}`: expected numbers, text, arrays and containers of these, got a {found[1]}.")
    return structure, arrays


def decode(structure: Any, arrays: Sequence[np.ndarray], *, like: Any = _MISSING, name: str = "tree") -> Any:
    """The tree that was encoded.

    Args:
        structure: JSON written by `encode`.
        arrays: Arrays written by `encode`.
        like: A tree of the same structure, checked against the stored one; needed where user-defined parts are in it.
        name: What to call the tree in messages.

    Returns:
        The tree; of a class whose instances are equal only to themselves, the instance in `like`.

    Raises:
        ValueError: The structure is not one, does not fit `like`, or needs `like`; the message names the place.
    """
    try:
        return _decode(structure, arrays, like, name)
    except RecursionError:
        raise ValueError(f"`{name}`: nested too deeply.") from None


def _encode(node: Any, path: str, arrays: list[np.ndarray]) -> Any:
    if node is None or type(node) in (bool, int, float, str):
        return node
    if type(node) in (tuple, list):
        return {type(node).__name__: [_encode(item, f"{path}[{k}]", arrays) for k, item in enumerate(node)]}
    if type(node) is dict and all(type(key) in (str, int) for key in node):
        return {"dict": [[key, _encode(item, f"{path}[{key!r}]", arrays)] for key, item in node.items()]}
    if type(node) is State:
        return {"state": [[key, _encode(getattr(node, key), f"{path}.{key}", arrays)] for key in node]}
    if isinstance(node, jax.Array | np.ndarray | np.generic):
        return _encode_array(node, path, arrays)
    if isinstance(node, np.dtype):
        return {"dtype": node.name}
    if isinstance(node, pint.Unit):
        return {"unit": str(node), "magnitude": None}
    if isinstance(node, pint.Quantity):
        return {"unit": str(node.units), "magnitude": _encode(node.magnitude, path, arrays)}
    if _is_record(type(node)):
        fields = [[key, _encode(getattr(node, key), f"{path}.{key}", arrays)] for key in _fields(type(node))]
        return {"record": _name(type(node)), "fields": fields}
    if callable(node) and _find(_name(node)) is node:
        return {"name": _name(node)}
    return {"foreign": _name(node if callable(node) and hasattr(node, "__qualname__") else type(node))}


def _encode_array(node: Any, path: str, arrays: list[np.ndarray]) -> Any:
    if isinstance(node, Tracer):
        raise TypeError(f"`{path}`: expected an array with values, got one that is being traced (inside jit or grad).")
    kind: dict[str, str] = {"as": "jax"}
    if isinstance(node, jax.Array) and jnp.issubdtype(node.dtype, jax.dtypes.prng_key):
        kind = {"as": "key", "impl": str(jax.random.key_impl(node))}
        node = jax.random.key_data(node)
    elif not isinstance(node, jax.Array):
        kind = {"as": "numpy" if isinstance(node, np.ndarray) else "scalar"}
    array = np.asarray(node)
    if array.dtype.kind not in "biufcV" or array.dtype.names is not None:
        raise TypeError(f"`{path}`: expected numbers, got an array of {array.dtype}.")
    arrays.append(array.astype(array.dtype.newbyteorder("="), order="C", copy=False))
    return {"array": len(arrays) - 1, **kind, "shape": list(array.shape), "dtype": array.dtype.name}


def _decode(node: Any, arrays: Sequence[np.ndarray], like: Any, path: str) -> Any:
    match node:
        case None | bool() | int() | float() | str():
            if like is not _MISSING and not _same(node, like):
                raise ValueError(f"`{path}`: the file has {node!r}, `like` has {like!r}.")
            return node
        case {"array": int(), "as": str()}:
            return _decode_array(node, arrays, like, path)
        case {"tuple": list(items)}:
            return tuple(_decode_items(items, arrays, _of_type(tuple, like, path), path))
        case {"list": list(items)}:
            return _decode_items(items, arrays, _of_type(list, like, path), path)
        case {"dict": list(items)}:
            return _decode_fields(items, arrays, _of_type(dict, like, path), path)
        case {"state": list(items)}:
            fields = {} if like is _MISSING else {key: getattr(_of_type(State, like, path), key) for key in like}
            return State(**_decode_fields(items, arrays, _MISSING if like is _MISSING else fields, path))
        case {"record": str(name), "fields": list(items)}:
            return _decode_record(name, items, arrays, like, path)
        case {"dtype": str(name)}:
            return np.dtype(name)
        case {"unit": str(unit), "magnitude": magnitude}:
            return _decode_quantity(unit, magnitude, arrays, like, path)
        case {"name": str(name)} | {"foreign": str(name)}:
            return _decode_name(name, "foreign" in node, like, path)
        case _:
            raise ValueError(f"`{path}`: {str(node)[:60]!r} is not a stored structure.")


def _decode_array(node: Any, arrays: Sequence[np.ndarray], like: Any, path: str) -> Any:
    if not 0 <= node["array"] < len(arrays):
        raise ValueError(f"`{path}`: array {node['array']} is missing.")
    array = arrays[node["array"]]
    if list(array.shape) != node.get("shape") or array.dtype.name != node.get("dtype"):
        raise ValueError(
            f"`{path}`: expected {node.get('dtype')} {node.get('shape')}, got {array.dtype} {list(array.shape)}."
        )
    restored = _restore(array, node, path)
    if like is _MISSING:
        return restored
    if not isinstance(like, jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct):
        raise ValueError(f"`{path}`: the file has an array {_kind(restored)}, `like` has {type(like).__name__}.")
    if like.shape != restored.shape or like.dtype != restored.dtype:
        raise ValueError(f"`{path}`: the file has {_kind(restored)}, `like` has {_kind(like)}.")
    return restored


def _restore(array: np.ndarray, node: Any, path: str) -> Any:
    match node["as"]:
        case "numpy":
            return array
        case "scalar":
            return array[()]
        case "jax" if jax.dtypes.canonicalize_dtype(array.dtype) != array.dtype:
            raise ValueError(f"`{path}`: stored in {array.dtype}; enable `jax_enable_x64` to read it.")
        case "jax":
            return jnp.array(array)
        case "key":
            try:
                return jax.random.wrap_key_data(jnp.array(array), impl=node.get("impl"))
            except (ValueError, TypeError) as error:
                raise ValueError(f"`{path}`: not a random key of JAX ({error}).") from None
    raise ValueError(f"`{path}`: {node['as']!r} is no kind of array.")


def _decode_items(items: list, arrays: Sequence[np.ndarray], like: Any, path: str) -> list:
    if like is not _MISSING and len(like) != len(items):
        raise ValueError(f"`{path}`: the file has {len(items)} entries, `like` has {len(like)}.")
    likes = [_MISSING] * len(items) if like is _MISSING else like
    return [_decode(item, arrays, likes[k], f"{path}[{k}]") for k, item in enumerate(items)]


def _decode_fields(items: list, arrays: Sequence[np.ndarray], like: Any, path: str, form: str = "{}[{!r}]") -> dict:
    if not all(isinstance(item, list) and len(item) == 2 and isinstance(item[0], str | int) for item in items):
        raise ValueError(f"`{path}`: not a stored structure.")
    names = [key for key, _ in items]
    if like is not _MISSING and set(names) != set(like):
        extra, lacking = (
            sorted(set(map(str, names)) - set(map(str, like))),
            sorted(set(map(str, like)) - set(map(str, names))),
        )
        raise ValueError(f"`{path}`: only the file has {extra}, only `like` has {lacking}.")
    likes = dict.fromkeys(names, _MISSING) if like is _MISSING else like
    return {key: _decode(item, arrays, likes[key], form.format(path, key)) for key, item in items}


def _decode_record(name: str, items: list, arrays: Sequence[np.ndarray], like: Any, path: str) -> Any:
    if like is not _MISSING and _name(type(like)) != name:
        raise ValueError(f"`{path}`: the file has {name}, `like` has {_name(type(like))}.")
    cls = _find(name) if like is _MISSING else type(like)
    if cls is None:
        raise ValueError(f"`{path}` is a {name}, a class that a file cannot bring along: pass `like=`.")
    if not (isinstance(cls, type) and _is_record(cls)):
        raise ValueError(f"`{path}`: {name} cannot be stored.")
    likes = _MISSING if like is _MISSING else {key: getattr(like, key) for key in _fields(cls)}
    fields = _decode_fields(items, arrays, likes, path, "{}.{}")
    if set(fields) != set(_fields(cls)):
        differ = sorted(set(map(str, fields)) ^ set(_fields(cls)))
        raise ValueError(f"`{path}`: the file's {name} and this version's differ in {', '.join(differ)}.")
    if like is not _MISSING and cls.__eq__ is object.__eq__:
        return like
    if issubclass(cls, tuple):
        return tuple.__new__(cls, [fields[key] for key in _fields(cls)])
    record = object.__new__(cls)
    for key, value in fields.items():
        object.__setattr__(record, key, value)
    return record


def _decode_quantity(unit: str, magnitude: Any, arrays: Sequence[np.ndarray], like: Any, path: str) -> Any:
    if like is not _MISSING and (not units.is_quantity(like) or str(getattr(like, "units", like)) != unit):
        raise ValueError(f"`{path}`: the file has a value in {unit}, `like` has {like!r}.")
    try:
        found = units.registry.parse_units(unit) if _UNIT.fullmatch(unit) else None
    except pint.PintError:
        found = None
    if found is None:
        raise ValueError(f"`{path}`: {unit[:60]!r} is not a unit.")
    if magnitude is None:
        return found
    number = _decode(magnitude, arrays, _MISSING if like is _MISSING else like.magnitude, path)
    return units.registry.Quantity(number, found)


def _decode_name(name: str, foreign: bool, like: Any, path: str) -> Any:
    if like is _MISSING:
        found = None if foreign else _find(name)
        if found is None:
            raise ValueError(f"`{path}` is {name}, which a file cannot bring along: pass `like=`.")
        return found
    if name not in (_name(like), _name(type(like))):
        raise ValueError(f"`{path}`: the file has {name}, `like` has {_name(like)}.")
    return like


def _foreign(node: Any, path: str) -> tuple[str, str] | None:
    """Path and name of the first part that a file cannot bring along."""
    match node:
        case {"foreign": name}:
            return path, name
        case {"record": name} if _find(name) is None:
            return path, name
        case {"tuple": items} | {"list": items}:
            below = [(item, f"{path}[{k}]") for k, item in enumerate(items)]
        case {"dict": items}:
            below = [(item, f"{path}[{key!r}]") for key, item in items]
        case {"state": items} | {"fields": items}:
            below = [(item, f"{path}.{key}") for key, item in items]
        case _:
            below = []
    return next((found for item, place in below if (found := _foreign(item, place))), None)


def _of_type(cls: type, like: Any, path: str) -> Any:
    if like is not _MISSING and type(like) is not cls:
        raise ValueError(f"`{path}`: the file has a {cls.__name__}, `like` has {type(like).__name__}.")
    return like


def _same(stored: Any, like: Any) -> bool:
    return type(stored) is type(like) and (stored == like or stored != stored and like != like)


def _kind(array: Any) -> str:
    return f"{array.dtype} {tuple(array.shape)}"


def _is_record(cls: type) -> bool:
    return dataclasses.is_dataclass(cls) or (issubclass(cls, tuple) and hasattr(cls, "_fields"))


def _fields(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls)) if dataclasses.is_dataclass(cls) else cls._fields


def _name(thing: Any) -> str:
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}:{named.__qualname__}"


def _find(name: str) -> type | Callable[..., Any] | None:
    """The class or function of this name in one of the packages that a file may refer to."""
    module, _, qualname = name.partition(":")
    if module.split(".")[0] not in _PACKAGES or "__main__" in module:
        return None
    try:
        found: Any = importlib.import_module(module)
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError):
        return None
    return found if callable(found) and _name(found) == name else None
