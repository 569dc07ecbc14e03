"""Functions of arrays whose results have the same bits wherever they are computed.

XLA contracts a product and a sum that uses it into one operation where the processor has one, a fused kernel does not,
and each has its own `exp`. Here a product is a primitive of its own: for XLA it passes through an integer `max` that
changes nothing and that no compiler can see through, in a fused kernel it is one multiplication. All that is left is
sums, products, quotients and roots, each rounded as IEEE 754 demands.

    exp(x) = 2^n (1 + r + r^2 P(r))        x = n ln 2 + r
    log(x) = n ln 2 + log(1 + f)           x = 2^n (1 + f),  1 + f in [2/3, 4/3)

The reductions are those of Cody and Waite ("Software Manual for the Elementary Functions", 1980), the polynomials
minimax fits of the relative error; `fuse/vector_math.py` has them in vector code and says how they were made.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

LN2 = {np.float32: (355 / 512, -2.1219444005469058e-4), np.float64: (2977044472 / 2**32, -4.2009150726810846e-11)}
"""ln 2 in two parts; a small integer times the first is exact."""

EXPONENTIAL = {
    np.float32: (0.49999997, 0.166665465, 0.0416674465, 0.00836625136, 0.0013869598),
    np.float64: (
        *(0.5, 0.16666666666666677, 0.04166666666666666, 0.008333333333321497, 0.0013888888888895791),
        *(0.00019841269886352583, 2.4801587293558405e-05, 2.7557244053076856e-06, 2.75573059244209e-07),
        *(2.5109074175614306e-08, 2.09036064354213e-09),
    ),
}
"""P of e^r = 1 + r + r^2 P(r)."""

LOGARITHM = {
    np.float32: (
        *(-0.5, 0.333332658, -0.250042379, 0.200079292, -0.164723262),
        *(0.140422225, -0.151221722, 0.138203874),
    ),
    np.float64: (
        *(0.6666666666667272, 0.3999999999615457, 0.28571429396482884, 0.2222213840868938),
        *(0.18186359746992126, 0.15250116709417888, 0.1536874081172129),
    ),
}
"""P of log(1 + f) = f + f^2 P(f) in float32; in float64 the coefficients of s^2, s^4, ... in 2 atanh(s) / s - 2."""


def times(x: jax.Array, y: jax.Array | float) -> jax.Array:
    """x y, which no compiler contracts with a later sum; a product of -0 may become the negative number next to it."""
    return rounded_product_p.bind(x, jnp.broadcast_to(jnp.asarray(y, x.dtype), jnp.shape(x)))


rounded_product_p = Primitive(
    "rounded_product"
)  # of two arrays of one shape and dtype; a plain product where nothing contracts


def _held(x: jax.Array, y: jax.Array) -> jax.Array:
    product = x * y
    bits = jax.lax.bitcast_convert_type(product, jnp.dtype(f"int{8 * product.dtype.itemsize}"))
    held = jnp.maximum(bits, jnp.iinfo(bits.dtype).min + 1)
    return jax.lax.bitcast_convert_type(held, product.dtype)


def _jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    (x, y), (dx, dy) = primals, (ad.instantiate_zeros(tangent) for tangent in tangents)
    return times(x, y), dx * y + x * dy


def _batch(args: Sequence[Any], dims: Sequence[Any]) -> tuple[Any, int]:
    size = next(arg.shape[dim] for arg, dim in zip(args, dims, strict=True) if dim is not None)
    lead = lambda arg, dim: jnp.broadcast_to(arg, (size, *arg.shape)) if dim is None else jnp.moveaxis(arg, dim, 0)
    return rounded_product_p.bind(*map(lead, args, dims)), 0


rounded_product_p.def_abstract_eval(lambda x, y: x)
rounded_product_p.def_impl(jax.jit(_held))
mlir.register_lowering(rounded_product_p, mlir.lower_fun(_held, multiple_results=False))
ad.primitive_jvps[rounded_product_p] = _jvp
batching.primitive_batchers[rounded_product_p] = _batch


def exp(x: jax.Array) -> jax.Array:
    """e^x for |x| below 80, within 2 units of the last place."""
    kind, info = x.dtype.type, jnp.finfo(x.dtype)
    high, low = LN2[kind]
    n = jnp.round(x * (1 / math.log(2)))
    r = (x - times(n, high)) - times(n, low)
    power = (n.astype(f"int{info.bits}") + (info.maxexp - 1)) << info.nmant
    return horner(r, (1.0, 1.0, *EXPONENTIAL[kind])) * jax.lax.bitcast_convert_type(power, x.dtype)


def log(x: jax.Array) -> jax.Array:
    """Natural logarithm of normal, positive numbers, within 2 units of the last place."""
    kind, info = x.dtype.type, jnp.finfo(x.dtype)
    bits = jax.lax.bitcast_convert_type(x, jnp.dtype(f"int{info.bits}"))
    least = int(np.asarray(2 / 3, kind).view(f"i{x.dtype.itemsize}"))
    n = (bits - least) >> info.nmant
    f = jax.lax.bitcast_convert_type(bits - (n << info.nmant), x.dtype) - 1.0
    number, coefficients = n.astype(x.dtype), LOGARITHM[kind]
    if kind == np.float32:
        return times(number, math.log(2)) + (f + times(f * f, horner(f, coefficients)))
    s, half_square = f / (2.0 + f), times(0.5 * f, f)
    rest = times(s * s, horner(s * s, coefficients))
    high, low = LN2[kind]
    return times(number, high) + (f - (half_square - (times(s, half_square + rest) + times(number, low))))


def sine(x: jax.Array, terms: int) -> jax.Array:
    """sin(x) for |x| <= pi / 2 by its series; XLA's own sine and cosine, right everywhere, cost ten times as much."""
    series = [(-1) ** n / math.factorial(2 * n + 1) for n in range(terms + 1)]
    return times(x, horner(times(x, x), series))


def horner(x: jax.Array, coefficients: Sequence[float]) -> jax.Array:
    """c0 + c1 x + c2 x^2 + ..."""
    *rest, last = coefficients
    total: Any = jnp.full_like(x, last)
    for coefficient in reversed(rest):
        total = times(total, x) + coefficient
    return total
