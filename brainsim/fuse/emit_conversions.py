"""One dtype as another, and operations that only move numbers.

A real number becomes the integer towards zero, the nearest representable one where it is too large, and 0 from NaN.
"""

import math

import numpy as np

from .lanes import Vector
from .operation import FLOATS, INTEGERS, Operation, Rule, kind_of, one


def _convert(op: Operation) -> Vector:
    (x,), builder, source, target = op.ins, op.builder, op.dtype, np.dtype(op.out_dtypes[0])
    to, kind = op.lanes.vector(target), kind_of(target)
    if source == target:
        return x
    if kind == "bool":
        compare = builder.fcmp_unordered if op.kind == "float" else builder.icmp_unsigned
        return compare("!=", x, op.constant(0))
    if op.kind == "float":
        if kind != "float":
            return _to_integer(op, target)
        return (builder.fpext if target.itemsize > source.itemsize else builder.fptrunc)(x, to)
    if kind == "float":
        return (builder.sitofp if op.kind == "signed" else builder.uitofp)(x, to)
    if op.kind != "bool" and target.itemsize <= source.itemsize:
        return builder.trunc(x, to) if target.itemsize < source.itemsize else x
    return (builder.sext if op.kind == "signed" else builder.zext)(x, to)


def _to_integer(op: Operation, target: np.dtype) -> Vector:
    """Towards zero, saturating; outside the range the instruction's own result is not used."""
    (x,), builder, limits = op.reals, op.builder, np.iinfo(target)
    wide = np.dtype(f"{target.kind}{max(target.itemsize, 4)}")
    convert = builder.fptosi if target.kind == "i" else builder.fptoui
    whole = convert(x.value, op.lanes.vector(wide))
    if wide != target:
        whole = builder.trunc(whole, op.lanes.vector(target))
    most = builder.fcmp_ordered(">=", x.value, op.constant(float(limits.max) + (1 if limits.max < 2**53 else 0)))
    least = builder.fcmp_ordered("<=", x.value, op.constant(float(limits.min)))
    whole = builder.select(most, op.lanes.constant(limits.max, target), whole)
    whole = builder.select(least, op.lanes.constant(limits.min, target), whole)
    number = builder.fcmp_ordered("ord", x.value, x.value)
    return builder.select(number, whole, op.lanes.constant(0, target))


def _bitcast(op: Operation) -> Vector:
    return op.builder.bitcast(op.ins[0], op.lanes.vector(op.out_dtypes[0]))


def _other_width(params, ins, outs) -> str | None:
    kinds = (ins[0].dtype, outs[0].dtype)
    same = kinds[0].itemsize == kinds[1].itemsize and bool not in kinds
    return None if same else f"{kinds[0]} as bits of {kinds[1]}"


def _iota(op: Operation) -> Vector:
    target = op.out_dtypes[0]
    bits = 64 if target.itemsize == 8 else 32  # what a narrower type takes from a wide number are its low bits
    counted = Operation(op.lanes, {}, [op.lanes.numbers(bits)], [np.dtype(f"int{bits}")], [target])
    return _convert(counted)


def _uneven(params, ins, outs) -> str | None:
    shape = params["shape"]
    return None if math.prod(shape) == shape[params["dimension"]] else "numbers along one of several axes"


def _loses_bits(params, ins, outs) -> str | None:
    info = np.finfo(ins[0].dtype)
    kept = params["exponent_bits"] >= info.nexp and params["mantissa_bits"] >= info.nmant
    return None if kept else f"{params['exponent_bits']} exponent and {params['mantissa_bits']} mantissa bits"


_SAME = Rule(lambda op: list(op.ins))

CONVERSIONS: dict[str, Rule] = {
    "convert_element_type": one(_convert),
    "bitcast_convert_type": one(_bitcast, (*FLOATS, *INTEGERS), refuse=_other_width),
    "iota": one(_iota, refuse=_uneven),
    "reduce_precision": Rule(_SAME.emit, FLOATS, refuse=_loses_bits),
    **dict.fromkeys(("broadcast_in_dim", "reshape", "squeeze"), _SAME),
    **dict.fromkeys(("copy", "copy_p", "stop_gradient", "optimization_barrier"), _SAME),
}
