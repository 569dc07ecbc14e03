"""What the three operators of a trilinear form are to each other: derivatives, transposes and batching, for any matrix.

    T(w, s, c) = sum_k w_k s[pre(k)] c[(step + d_k) mod L, post(k)]        over the synapses k

push is dT/dc (added to an accumulator), pull is dT/ds, outer is dT/dw. Each is linear in what it reads, and its
transposes are the two others. Between the weight and the spikes stand the arrays that say what the matrix is.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad

from ._register import attach, fold_groups, is_zero, lead, map_size, unfold, zero_of

Rule = Callable[..., Any]


class Ways(NamedTuple):
    """How one operator is computed: its shape, what it means, and how XLA and the kernel run it."""

    shape: Rule
    definition: Rule
    portable: Rule
    native: Rule


class Trilinear(NamedTuple):
    """The primitives of one kind of matrix.

    Operands are acc, weight, matrix..., spikes, step (push); weight, matrix..., ct, step (pull); and spikes, matrix...,
    ct, step (outer). Pull and outer return the cotangent as well.
    """

    push: Primitive
    pull: Primitive
    outer: Primitive

    def attach(self, n_matrix: int, push: Ways, pull: Ways, outer: Ways) -> None:
        """Attach all rules; `n_matrix` is the number of arrays that say what the matrix is."""
        reader, m = lambda primitive: partial(_reader_jvp, primitive), n_matrix
        self._attach(self.push, push, self._push_jvp, self._push_transpose, rows=(0, m + 2), groups=(1, m + 3))
        self._attach(self.pull, pull, reader(self.pull), self._pull_transpose, rows=(m + 1,), groups=(0, m + 2))
        self._attach(self.outer, outer, reader(self.outer), self._outer_transpose, rows=(0, m + 1), groups=(m + 2,))

    @staticmethod
    def _attach(
        primitive: Primitive, ways: Ways, jvp: Rule, transpose: Rule, *, rows: tuple[int, ...], groups: tuple[int, ...]
    ) -> None:
        attach(
            primitive,
            shape=ways.shape,
            portable=ways.portable,
            native=ways.native,
            jvp=jvp,
            transpose=transpose,
            batch=_batch(primitive, ways.definition, rows, groups),
        )

    def _push_jvp(self, primals: Any, tangents: Any, **params: Any) -> Any:
        acc, weight, *matrix, spikes, step = primals
        acc_dot, weight_dot, *_, spikes_dot, _ = tangents
        out = self.push.bind(*primals, **params)
        dot = ad.instantiate_zeros(acc_dot)
        if not is_zero(weight_dot):
            dot = self.push.bind(dot, weight_dot, *matrix, spikes, step, **params)
        if not is_zero(spikes_dot):
            dot = self.push.bind(dot, weight, *matrix, spikes_dot, step, **params)
        return out, dot

    def _push_transpose(self, ct: Any, acc: Any, weight: Any, *rest: Any, **params: Any) -> list[Any]:
        *matrix, spikes, step = rest
        grads: list[Any] = [None] * (len(rest) + 2)
        if is_zero(ct):
            return grads
        if ad.is_undefined_primal(weight):
            grads[1], ct = self._outer_like(weight, spikes, *matrix, ct, step, **params)
        if ad.is_undefined_primal(spikes):
            grads[-2], ct = self.pull.bind(weight, *matrix, ct, step, **params)
        if ad.is_undefined_primal(acc):
            grads[0] = ct
        return grads

    def _outer_like(self, weight: Any, *args: Any, **params: Any) -> Any:
        """`outer` with the shape of `weight`, an undefined primal."""
        groups, n_weights = weight.aval.shape
        return self.outer.bind(*args, groups=groups, n_weights=n_weights, **params)

    def _pull_transpose(self, cts: Any, weight: Any, *rest: Any, **params: Any) -> list[Any]:
        *matrix, ct, step = rest
        grads: list[Any] = [None] * (len(rest) + 1)
        spikes, acc = cts
        if ad.is_undefined_primal(ct):
            grads[-2] = acc
        if is_zero(spikes):
            return grads
        if ad.is_undefined_primal(weight):
            grads[0], _ = self._outer_like(weight, spikes, *matrix, ct, step, **params)
        if ad.is_undefined_primal(ct):
            grads[-2] = self.push.bind(ad.instantiate_zeros(acc), weight, *matrix, spikes, step, **params)
        return grads

    def _outer_transpose(
        self, cts: Any, spikes: Any, *rest: Any, groups: int, n_weights: int, **params: Any
    ) -> list[Any]:
        *matrix, ct, step = rest
        grads: list[Any] = [None] * (len(rest) + 1)
        weight, acc = cts
        if ad.is_undefined_primal(ct):
            grads[-2] = acc
        if is_zero(weight):
            return grads
        if ad.is_undefined_primal(spikes):
            grads[0], _ = self.pull.bind(weight, *matrix, ct, step, **params)
        if ad.is_undefined_primal(ct):
            grads[-2] = self.push.bind(ad.instantiate_zeros(acc), weight, *matrix, spikes, step, **params)
        return grads


def _reader_jvp(primitive: Primitive, primals: Any, tangents: Any, **params: Any) -> Any:
    """The jvp of pull and outer: linear in the first argument and in the cotangent, which they hand on."""
    first, *between, ct, step = primals
    first_dot, *_, ct_dot, _ = tangents
    out, ct = primitive.bind(*primals, **params)
    out_dot, ct_out_dot = zero_of(out), zero_of(ct)
    if not is_zero(first_dot):
        out_dot, _ = primitive.bind(first_dot, *between, ct, step, **params)
    if not is_zero(ct_dot):
        term, ct_out_dot = primitive.bind(first, *between, ct_dot, step, **params)
        out_dot = term if is_zero(out_dot) else out_dot + term
    return [out, ct], [out_dot, ct_out_dot]


def _batch(primitive: Primitive, definition: Rule, rows: tuple[int, ...], groups: tuple[int, ...]) -> Rule:
    """Put the mapped axis first in `rows` and `groups`; a mapped matrix falls to XLA."""

    def rule(args: Any, dims: Any, **params: Any) -> Any:
        size = map_size(args, dims)
        if any(d is not None for i, d in enumerate(dims) if i not in rows + groups):
            out = jax.vmap(partial(definition, **params), in_axes=dims)(*args)
            return out, [0] * len(out) if primitive.multiple_results else 0
        folded = list(args)
        for i in rows:
            folded[i] = lead(args[i], dims[i], size)
        for i in groups:
            folded[i] = fold_groups(args[i], dims[i], size)
        if "groups" in params:
            params["groups"] *= size
        out = primitive.bind(*folded, **params)
        if "groups" in params:
            out[0] = unfold(out[0], size)
        return out, [0] * len(out) if primitive.multiple_results else 0

    return rule
