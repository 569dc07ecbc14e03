"""A projection as the user writes it: who, by which rule, how strong, how late, with which kinetics.

Wiring, weights and delays come from streams named by the projection's path (`"I->E"`, or `"I->E#name"`), so that adding
a projection changes nothing in the others.
"""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from .. import _checks, _streams, units, values
from .._types import Array, Context, Value
from ..connectivity import CSR, Rule
from .base import Synapse
from .connection import Connection
from .delta import Delta


@dataclasses.dataclass(frozen=True)
class Projection:
    """Synapses from one population to another.

    Args:
        pre: Name of the presynaptic population.
        post: Name of the postsynaptic population.
        rule: Connectivity rule, such as `FixedProbability(0.02)`.
        weight: Value slot; mV for `Delta`, pA for a current, nS for a conductance. An array has one entry per edge of
            an `EdgeList`, in the caller's order, or shape `(n_pre, n_post)` with `storage="dense"`.
        synapse: Kinetics.
        delay: `"dt"` (one step) or a value slot in ms: a multiple of dt; 0 only on edges that close no cycle. Draws of
            a distribution are put on the grid of dt, at least one step.
        delay_mode: `"grid"`, or `"interpolate"`: a delay may lie between two steps, of which each gets its share of the
            weight, and a gradient sees it; at least dt.
        max_delay: Longest delay (ms) that training may reach, with `"interpolate"`; None: the longest there is.
        sign: +1 or -1: Dale's law. Weights are stored with their sign and keep it in training.
        name: Tells projections between the same two populations apart.
        storage: `"csr"` (event-driven sparse rows) or `"dense"` (an `(n_pre, n_post)` matrix, one delay).
        trainable: What training may change besides the weight: parameters of the synapse, such as `"tau_syn"`, and
            `"delay"` with `delay_mode="interpolate"`.
    """

    pre: str
    post: str
    rule: Rule
    weight: Value
    synapse: Synapse = dataclasses.field(default_factory=Delta)
    _: dataclasses.KW_ONLY
    delay: Value = "dt"
    delay_mode: str = "grid"
    max_delay: Any = None
    sign: int | None = None
    name: str | None = None
    storage: str = "csr"
    trainable: tuple[str, ...] = ()

    def __post_init__(self):
        if not isinstance(self.rule, Rule):
            raise TypeError(
                f"`rule` of {self.path}: expected a rule such as FixedProbability(0.02), got {self.rule!r}."
            )
        if not isinstance(self.synapse, Synapse):
            raise TypeError(
                f"`synapse` of {self.path}: expected a synapse such as Exponential(5*ms), got {self.synapse!r}."
            )
        if self.sign not in (None, 1, -1):
            raise ValueError(f"`sign` of {self.path}: expected +1, -1 or None, got {self.sign!r}.")
        _checks.choice("storage", self.storage, ("csr", "dense"))
        if isinstance(self.trainable, str):
            object.__setattr__(self, "trainable", (self.trainable,))
        known = ("weight", *(["delay"] if self._interpolates() else []), *self.synapse.params)
        unknown = [name for name in self.trainable if name not in known]
        if unknown:
            raise ValueError(f"`trainable` of {self.path}: no parameter `{unknown[0]}`; it has {', '.join(known)}.")

    def _interpolates(self) -> bool:
        _checks.choice("delay_mode", self.delay_mode, ("grid", "interpolate"))
        if self.delay_mode == "interpolate" and self.storage == "dense":
            raise ValueError(f'`storage` of {self.path}: "dense" keeps delays on the grid; use "csr" to interpolate.')
        if self.delay_mode == "grid" and self.max_delay is not None:
            raise ValueError(f'`max_delay` of {self.path}: only for `delay_mode="interpolate"`.')
        return self.delay_mode == "interpolate"

    @property
    def path(self) -> str:
        """`"pre->post"`, with `#name` where one was given."""
        return f"{self.pre}->{self.post}" + (f"#{self.name}" if self.name else "")

    def build(self, n_pre: int, n_post: int, *, dt: float, seed: int, dtype: Any) -> Connection:
        """Draw wiring, weights and delays.

        Raises:
            ValueError: Wrong unit, sign or shape of the weight, or a delay off the grid of dt.
        """
        rng = _streams.generator(seed, f"{self.path}.wiring")
        csr = self.rule.connect(n_pre, n_post, same=self.pre == self.post, rng=rng)
        timing = self._between_steps(csr, dt, seed, dtype) if self._interpolates() else self._on_grid(csr, dt, seed)
        dense = self.storage == "dense"
        exists = _existing(csr, self.path) if dense else None
        return Connection(
            weight=self._weights(csr, dt, seed, dtype),
            synapse=self._synapse().build(
                self.path, (n_post,), dt=dt, key=_streams.key_of(seed, "synapse"), dtype=dtype
            ),
            indices=None if dense else jnp.asarray(csr.indices),
            indptr=None if dense else jnp.asarray(csr.indptr),
            exists=None if exists is None else jnp.asarray(exists),
            pre=self.pre,
            post=self.post,
            path=self.path,
            n_pre=n_pre,
            n_post=n_post,
            dt=dt,
            paired=not dense and timing["max_steps"] <= 1 and _pairs(csr),
            sign=self.sign,
            trains_delay="delay" in self.trainable,
            **timing,
        )

    def _synapse(self) -> Synapse:
        named = [name for name in self.trainable if name not in ("weight", "delay")]
        return dataclasses.replace(self.synapse, trainable=(*self.synapse.trainable, *named))

    def _weights(self, csr: CSR, dt: float, seed: int, dtype: Any) -> Array:
        path, unit = f"{self.path}.weight", self.synapse.weight_unit
        try:
            weight = values.strip("weight", self.weight, unit)
        except ValueError as error:
            if not units.is_quantity(self.weight):
                raise
            kind = type(self.synapse).__name__ + (
                " with `e_rev`" if getattr(self.synapse, "e_rev", None) is not None else ""
            )
            raise ValueError(
                f"`weight` of {self.path}: {kind} takes {units.describe(unit)}, got {self.weight:~}."
            ) from error
        if self.storage == "dense":
            context = Context(path, (csr.n_pre, csr.n_post), dt)
        else:
            weight = self._in_order("weight", weight, csr)
            context = (
                Context(path, (csr.nnz,), dt, csr.pre, csr.indices)
                if callable(weight)
                else Context(path, (csr.nnz,), dt)
            )
        drawn = values.resolve(weight, context, unit=unit, key=_streams.key_of(seed, path), dtype=dtype)
        self._check_sign(np.asarray(drawn), unit)
        return drawn

    def _check_sign(self, weight: np.ndarray, unit: str) -> None:
        if not np.isfinite(weight).all():
            raise ValueError(
                f"`weight` of {self.path}: expected finite weights ({unit}), got {weight[~np.isfinite(weight)][0]}."
            )
        low = self.synapse.weight_low if self.sign is None else (0.0 if self.sign == 1 else None)
        if self.sign == -1 and self.synapse.weight_low == 0.0:
            raise ValueError(
                f"`sign` of {self.path}: a conductance is >= 0 and inhibits by its `e_rev`; leave `sign` out."
            )
        wrong = weight < 0 if low == 0.0 else weight > 0 if self.sign == -1 else np.zeros(weight.shape, bool)
        if wrong.any():
            what = f"`sign={self.sign:+d}`" if self.sign else f"{type(self.synapse).__name__} with `e_rev`"
            side, extreme = ("<", f"min {weight.min():g}") if low == 0.0 else (">", f"max {weight.max():g}")
            remedy = "low=0" if low == 0.0 else "high=0"
            raise ValueError(
                f"`weight` of {self.path}: {what} but {int(wrong.sum())} of {weight.size} weights are {side} 0 "
                f"({extreme} {unit}): pass `{remedy}*{unit}` to the distribution."
            )

    def _in_order(self, name: str, value: Any, csr: CSR) -> Any:
        if np.ndim(value) == 0 or callable(value) or isinstance(value, values.Distribution):
            return value
        if csr.order is None:
            raise ValueError(
                f"`{name}` of {self.path}: an array needs an `EdgeList` (one entry per edge, in your order) or "
                f'`storage="dense"`; {type(self.rule).__name__} draws its own edges.'
            )
        if np.shape(value) != (csr.nnz,):
            raise ValueError(
                f"`{name}` of {self.path}: expected shape ({csr.nnz},), one per edge, got {np.shape(value)}."
            )
        return value[csr.order]

    def _delay_slot(self, csr: CSR, dt: float) -> Value:
        """The delay as a value slot (ms), an array in the order of the CSR."""
        if isinstance(self.delay, str):
            _checks.choice("delay", self.delay, ("dt",))
            return dt
        return self._in_order("delay", values.strip("delay", self.delay, "ms"), csr)

    def _on_grid(self, csr: CSR, dt: float, seed: int) -> dict[str, Any]:
        steps = self._delays(csr, dt, seed)
        longest = int(steps.max(initial=0)) if steps.ndim else int(steps)
        each = jnp.asarray(steps) if steps.ndim else None
        return dict(delay_steps=each, delays=None, max_steps=longest, max_delay=longest * dt)

    def _between_steps(self, csr: CSR, dt: float, seed: int, dtype: Any) -> dict[str, Any]:
        path = f"{self.path}.delay"
        slot = self._delay_slot(csr, dt)
        context = Context(path, (csr.nnz,), dt, csr.pre, csr.indices)
        delay = values.resolve(slot, context, unit="ms", key=_streams.key_of(seed, path), dtype=dtype)
        if isinstance(slot, values.Distribution):
            delay = jnp.maximum(delay, dt)
        given = None if self.max_delay is None else float(units.strip("max_delay", self.max_delay, "ms"))
        max_delay = float(delay.max(initial=dt)) if given is None else given
        _checks.within(path, delay, "ms", low=dt, high=max_delay)
        steps = max(2, math.ceil(max_delay / dt - 1e-6))
        return dict(delay_steps=None, delays=delay, max_steps=steps, max_delay=max_delay)

    def _delays(self, csr: CSR, dt: float, seed: int) -> np.ndarray:
        """Delay in steps: int32, `()` or `(nnz,)`."""
        name, path = f"delay` of `{self.path}", f"{self.path}.delay"
        value = self._delay_slot(csr, dt)
        drawn = isinstance(value, values.Distribution) or callable(value)
        if drawn:
            context = Context(path, (csr.nnz,), dt, csr.pre, csr.indices)
            value = values.resolve(
                value, context, unit="ms", key=_streams.key_of(seed, path), dtype=jnp.result_type(float)
            )
        delay = np.asarray(value, np.float64)
        if delay.ndim and self.storage == "dense":
            raise ValueError(f'`delay` of {self.path}: `storage="dense"` takes one delay for all; use "csr".')
        if drawn:
            return np.maximum(np.rint(delay / dt), 1).astype(np.int32)
        if delay.ndim == 0:
            return np.asarray(_checks.steps(name, float(delay), dt), np.int32)
        distinct = [_checks.steps(name, float(one), dt) for one in np.unique(delay)]
        if len(distinct) == 1:
            return np.asarray(distinct[0], np.int32)
        if 0 in distinct:
            raise ValueError(
                f"`delay` of {self.path}: {int((delay == 0).sum())} of {delay.size} delays are 0 ms and others not; "
                f"put the immediate synapses into a projection of their own."
            )
        return np.rint(delay / dt).astype(np.int32)


def _pairs(csr: CSR) -> bool:
    """Whether neuron i reaches neuron i and no other."""
    return csr.n_pre == csr.n_post == csr.nnz and all(
        (ids == np.arange(csr.nnz)).all() for ids in (csr.indices, csr.indptr[:-1])
    )


def _existing(csr: CSR, path: str) -> np.ndarray | None:
    """Which entries of the dense matrix are synapses; None where all are."""
    exists = np.zeros((csr.n_pre, csr.n_post), bool)
    exists[csr.pre, csr.indices] = True
    repeated = csr.nnz - int(exists.sum())
    if repeated:
        raise ValueError(
            f'`storage` of {path}: "dense" holds one synapse per pair, the rule repeats {repeated}: use "csr" '
            f"or `multapses=False`."
        )
    return None if exists.all() else exists
