"""A projection as the user writes it: who, by which rule, how strong, how late, with which kinetics.

Wiring, weights and delays come from streams named by the projection's path (`"I->E"`, or `"I->E#name"`), so that adding
a projection changes nothing in the others.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, cast

import jax.numpy as jnp
import numpy as np

from .. import _checks, _streams, units, values
from .._types import Array, Context, Value
from ..connectivity import CSR, Positions, Rule
from .base import Synapse
from .connection import Connection
from .delta import Delta
from .gap_junction import Coupling, Ends, GapJunction
from .regenerated import regenerated
from .terminal import Terminal


@dataclasses.dataclass(frozen=True)
class Projection:
    """Synapses from one population to another.

    Args:
        pre: Name of the presynaptic population.
        post: Name of the postsynaptic population.
        rule: Connectivity rule, such as `FixedProbability(0.02)`.
        weight: Value slot; mV for `Delta`, pA for a current, nS for a conductance. An array has one entry per edge of
            an `EdgeList`, in the caller's order, or shape `(n_pre, n_post)` with `storage="dense"`.
        synapse: Kinetics, or a list of terminals and last the kinetics: `[ShortTerm(800*ms), Exponential(3*ms)]`.
        delay: `"dt"` (one step) or a value slot in ms: a multiple of dt; 0 only on edges that close no cycle. Draws of
            a distribution and what a function returns (such as `ByDistance`) go to the nearest step, at least one:
            `net["I->E"].delay` shows what became of them. A function may not return a delay < 0.
        delay_mode: `"grid"`, or `"interpolate"`: a delay may lie between two steps, of which each gets its share of the
            weight, and a gradient sees it; at least dt.
        max_delay: Longest delay (ms) that training may reach, with `"interpolate"`; None: the longest there is.
        sign: +1 or -1: Dale's law. Weights are stored with their sign and keep it in training.
        name: Tells projections between the same two populations apart.
        storage: `"csr"` (event-driven sparse rows), `"dense"` (an `(n_pre, n_post)` matrix, one delay) or
            `"procedural"`: synapses are drawn again at every event and take no memory (one delay; `FixedProbability`,
            `AllToAll` or `FixedOutdegree`; the weight is a number, `Uniform` or `Normal`).
        plasticity: A rule, such as `bs.STDP(...)`, or several, one after the other; the weights are then state, and
            delays are axonal: a spike meets the weight that is there when it arrives. Where synapses have several
            delays, those of a neuron are in the order of delay and target (`net["I->E"].edges`).
        trainable: What training may change besides the weight: parameters of the synapse and its terminals, such as
            `"tau_syn"`, and `"delay"` with `delay_mode="interpolate"`.
    """

    pre: str
    post: str
    rule: Rule
    weight: Value
    synapse: Synapse | Sequence[Terminal] = dataclasses.field(default_factory=Delta)
    _: dataclasses.KW_ONLY
    delay: Value = "dt"
    delay_mode: str = "grid"
    max_delay: Any = None
    sign: int | None = None
    name: str | None = None
    storage: str = "csr"
    plasticity: Any = None
    trainable: tuple[str, ...] = ()

    def __post_init__(self):
        if not isinstance(self.rule, Rule):
            raise TypeError(
                f"`rule` of {self.path}: expected a rule such as FixedProbability(0.02), got {self.rule!r}."
            )
        if isinstance(self.synapse, list):
            object.__setattr__(self, "synapse", tuple(self.synapse))
        check_stages(self.path, self.stages)
        if self.sign not in (None, 1, -1):
            raise ValueError(f"`sign` of {self.path}: expected +1, -1 or None, got {self.sign!r}.")
        _checks.choice("storage", self.storage, ("csr", "dense", "procedural"))
        if isinstance(self.trainable, str):
            object.__setattr__(self, "trainable", (self.trainable,))
        known = (
            "weight",
            *(["delay"] if self._interpolates() else []),
            *(name for stage in self.stages for name in stage.params),
        )
        unknown = [name for name in self.trainable if name not in known]
        if unknown:
            raise ValueError(f"`trainable` of {self.path}: no parameter `{unknown[0]}`; it has {', '.join(known)}.")

    def _interpolates(self) -> bool:
        _checks.choice("delay_mode", self.delay_mode, ("grid", "interpolate"))
        if self.delay_mode == "interpolate" and self.storage != "csr":
            raise ValueError(
                f'`storage` of {self.path}: "{self.storage}" keeps delays on the grid; use "csr" to interpolate.'
            )
        if self.delay_mode == "grid" and self.max_delay is not None:
            raise ValueError(f'`max_delay` of {self.path}: only for `delay_mode="interpolate"`.')
        return self.delay_mode == "interpolate"

    @property
    def stages(self) -> tuple[Terminal, ...]:
        """Terminals, in order, and last the kinetics."""
        return cast(Any, self.synapse if isinstance(self.synapse, tuple) else (self.synapse,))

    @property
    def terminals(self) -> tuple[Terminal, ...]:
        """What comes before the kinetics."""
        return self.stages[:-1]

    @property
    def kinetics(self) -> Synapse:
        """What a crossed spike does at its target."""
        return cast(Synapse, self.stages[-1])

    @property
    def path(self) -> str:
        """`"pre->post"`, with `#name` where one was given."""
        return f"{self.pre}->{self.post}" + (f"#{self.name}" if self.name else "")

    def build(
        self,
        n_pre: int,
        n_post: int,
        *,
        dt: float,
        seed: int,
        dtype: Any,
        positions: tuple[Positions | None, Positions | None] = (None, None),
        counts: bool = True,
    ) -> Connection | Coupling:
        """Draw wiring, weights and delays.

        Args:
            n_pre: Presynaptic neurons.
            n_post: Postsynaptic neurons.
            dt: Step (ms).
            seed: Seed of everything drawn.
            dtype: float32 or float64.
            positions: Those of the presynaptic and the postsynaptic neurons, where they have some.
            counts: Whether presynaptic neurons may emit other values than 0 and 1.

        Raises:
            ValueError: Wrong unit, sign or shape of the weight, or a delay off the grid of dt.
        """
        stages = [self._built(stage, n_pre, n_post, counts, dt=dt, seed=seed, dtype=dtype) for stage in self.stages]
        if self.storage == "procedural" and not isinstance(self.kinetics, GapJunction):
            return self._build_regenerated(n_pre, n_post, stages, dt=dt, seed=seed, dtype=dtype)
        rng = _streams.generator(seed, f"{self.path}.wiring")
        rule = self.rule.placed(*positions)
        csr = self._lengths(rule.connect(n_pre, n_post, same=self.pre == self.post, rng=rng), positions)
        if isinstance(self.kinetics, GapJunction):
            return self._coupling(csr, stages[-1], dt, seed, dtype)
        timing = self._between_steps(csr, dt, seed, dtype) if self._interpolates() else self._on_grid(csr, dt, seed)
        dense = self.storage == "dense"
        exists = _existing(csr, self.path) if dense else None
        return Connection(
            weight=self._weights(csr, dt, seed, dtype),
            synapse=stages[-1],
            terminals=tuple(stages[:-1]),
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
            regenerated=None,
            **timing,
        )

    def _build_regenerated(
        self, n_pre: int, n_post: int, stages: Sequence[Any], *, dt: float, seed: int, dtype: Any
    ) -> Connection:
        unit, same = self.kinetics.weight_unit, self.pre == self.post
        matrix, mean = regenerated(
            self.path, self.rule, self._stripped_weight(), unit, n_pre, n_post, same=same, seed=seed
        )
        self._check_sign(np.unique([mean - matrix.reach, mean + matrix.reach]), unit)
        delay = values.strip("delay", dt if isinstance(self.delay, str) else self.delay, "ms")
        if isinstance(delay, values.Distribution) or callable(delay) or np.ndim(delay) != 0:
            raise ValueError(f'`delay` of {self.path}: `storage="procedural"` takes one delay for all; use "csr".')
        steps = _checks.steps(f"delay` of `{self.path}", float(delay), dt)
        return Connection(
            weight=jnp.asarray(mean, dtype),
            synapse=stages[-1],
            terminals=tuple(stages[:-1]),
            **dict.fromkeys(("indices", "indptr", "exists", "delay_steps", "delays")),
            pre=self.pre,
            post=self.post,
            path=self.path,
            n_pre=n_pre,
            n_post=n_post,
            dt=dt,
            paired=False,
            sign=self.sign,
            trains_delay=False,
            max_steps=steps,
            max_delay=steps * dt,
            regenerated=matrix,
        )

    def _lengths(self, csr: CSR, positions: tuple[Positions | None, Positions | None]) -> CSR:
        """The wiring with the length of each synapse, where the neurons have positions and a function may ask."""
        pre, post = positions
        if pre is None or post is None or not (callable(self.weight) or callable(self.delay)):
            return csr
        return dataclasses.replace(csr, distance=pre.distance(post, csr.pre, csr.indices))

    def _coupling(self, csr: CSR, junction: GapJunction, dt: float, seed: int, dtype: Any) -> Coupling:
        given = {
            "delay": self.delay != "dt", "delay_mode": self.delay_mode != "grid", "sign": self.sign is not None,
            "storage": self.storage != "csr", "synapse": bool(self.terminals),
        }  # fmt: skip
        for name in (name for name, is_given in given.items() if is_given):
            raise ValueError(
                f"`{name}` of {self.path}: a gap junction has no delay, sign, storage or terminal to choose."
            )
        weight, back = self._weights(csr, dt, seed, dtype), csr.transpose()
        ends = (Ends.from_csr(csr), Ends.from_csr(back), jnp.asarray(back.order))
        return Coupling(weight, junction, *ends, self.pre, self.post, self.path, csr.n_pre, csr.n_post)

    def _built(self, stage: Any, n_pre: int, n_post: int, counts: bool, *, dt: float, seed: int, dtype: Any) -> Any:
        """A stage with its parameters as arrays, drawn for the side on which it acts."""
        named = [name for name in self.trainable if name in stage.params]
        stage = dataclasses.replace(stage, counts=counts, trainable=(*stage.trainable, *named))
        shape = (n_post,) if isinstance(stage, Synapse) else (n_pre,)
        return stage.build(self.path, shape, dt=dt, key=_streams.key_of(seed, "synapse"), dtype=dtype)

    def _stripped_weight(self) -> Any:
        """The weight's slot without units."""
        unit = self.kinetics.weight_unit
        try:
            return values.strip("weight", self.weight, unit)
        except ValueError as error:
            if not units.is_quantity(self.weight):
                raise
            kind = type(self.kinetics).__name__ + (
                " with `e_rev`" if getattr(self.kinetics, "e_rev", None) is not None else ""
            )
            raise ValueError(
                f"`weight` of {self.path}: {kind} takes {units.describe(unit)}, got {self.weight:~}."
            ) from error

    def _weights(self, csr: CSR, dt: float, seed: int, dtype: Any) -> Array:
        path, unit, weight = f"{self.path}.weight", self.kinetics.weight_unit, self._stripped_weight()
        if self.storage == "dense":
            if isinstance(weight, values.ByDistance):
                raise ValueError(f'`storage` of {self.path}: ByDistance needs synapses one by one; use "csr".')
            context = Context(path, (csr.n_pre, csr.n_post), dt)
        else:
            weight = self._in_order("weight", weight, csr)
            context = (
                Context(path, (csr.nnz,), dt, csr.pre, csr.indices, csr.distance)
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
        low = self.kinetics.weight_low if self.sign is None else (0.0 if self.sign == 1 else None)
        if self.sign == -1 and self.kinetics.weight_low == 0.0:
            raise ValueError(
                f"`sign` of {self.path}: a conductance is >= 0 and inhibits by its `e_rev`; leave `sign` out."
            )
        wrong = weight < 0 if low == 0.0 else weight > 0 if self.sign == -1 else np.zeros(weight.shape, bool)
        if wrong.any():
            what = f"`sign={self.sign:+d}`" if self.sign else f"{type(self.kinetics).__name__} with `e_rev`"
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
        context = Context(path, (csr.nnz,), dt, csr.pre, csr.indices, csr.distance)
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
            context = Context(path, (csr.nnz,), dt, csr.pre, csr.indices, csr.distance)
            value = values.resolve(
                value, context, unit="ms", key=_streams.key_of(seed, path), dtype=jnp.result_type(float)
            )
        delay = np.asarray(value, np.float64)
        if delay.ndim and self.storage == "dense":
            raise ValueError(f'`delay` of {self.path}: `storage="dense"` takes one delay for all; use "csr".')
        if callable(self.delay):
            _checks.within(path, delay, "ms", low=0.0)
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


def check_stages(path: str, stages: Sequence[Any]) -> None:
    """Raise unless `stages` are terminals and last a synapse, without a name that two of them have."""
    kinds = [*[Terminal] * (len(stages) - 1), Synapse]
    if not stages or not all(map(isinstance, stages, kinds)):
        given = stages[0] if len(stages) == 1 else list(stages)
        raise TypeError(
            f"`synapse` of {path}: expected a synapse such as Exponential(5*ms), or terminals and then a synapse, such "
            f"as [ShortTerm(800*ms), Exponential(3*ms)], got {given!r}."
        )
    if any(isinstance(stage, Synapse) for stage in stages[:-1]):
        raise TypeError(
            f"`synapse` of {path}: only the last of the list may be a synapse; use one projection for each."
        )
    names: set[str] = set()
    for stage in stages:
        both = names & {*stage.params, *stage.terminal_units()}
        if both:
            raise ValueError(f"`synapse` of {path}: two stages have `{min(both)}`; use one projection for each.")
        names |= {*stage.params, *stage.terminal_units()}
