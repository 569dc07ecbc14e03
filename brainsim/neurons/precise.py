"""A step whose spikes have a time inside it: the crossing of the threshold by linear interpolation.

    x(t) from 0 to dt without the threshold;      theta = x0 / (x0 - x1)      of the overdrives at both ends
    spike at theta dt:  the state there (a straight line) is reset and goes on for the rest, (1 - theta) dt
    refractory for t_ref from there on; jumps come at the end of the step

`spike_offset` is the rest (1 - theta) dt, so that the spike of step k is at (k + 1) dt - spike_offset, as the offset of
NEST's precise models. A crossing that a jump makes is at the end of the step. There is one spike a step at most; what
is above the threshold at the start of a step fires there. The error of a time falls as dt^2, on the grid as dt. Hansel,
Mato, Meunier and Neltner, Neural Comput. 10 (1998) 467; Morrison, Straube, Plesser and Diesmann, Neural Comput. 19
(2007) 47.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from .._types import Array, Drive, State

if TYPE_CHECKING:
    from .base import Neuron


def precise_step(neuron: Neuron, state: State, drive: Drive, dt: float) -> tuple[State, Array]:
    """One step of `dt` ms of a neuron with `precise_times`; see `Neuron.step`."""
    free = _free(neuron, state, dt)
    flow = _flow(neuron, state, drive, dt, free)
    reached = _jumped(flow, drive, free > 0 if neuron.uses_refractory and "v" in neuron.holds else None)
    before, after = neuron.overdrive(state), neuron.overdrive(flow)
    spikes = neuron.surrogate(jnp.maximum(after, neuron.overdrive(reached)))
    if neuron.uses_refractory:
        spikes = jnp.where(free > 0, spikes, 0)
    if neuron.upward:
        spikes = jnp.where(before < 0, spikes, 0)
    smooth = after >= 0
    theta = jnp.where(before < 0, before / jnp.where(smooth & (before < 0), before - after, -1), 0)
    span = free if "v" in neuron.holds else dt  # v moves during the last `span` ms of the step
    if neuron.uses_refractory and "v" not in neuron.holds:
        theta = jnp.maximum(theta, 1 - free / dt)
    elapsed = jnp.where(smooth, dt - (1 - theta) * span, dt)
    at = {}
    for name in flow:
        part = theta if name in neuron.holds else elapsed / dt
        start, end = getattr(state, name), getattr(flow, name)
        at[name] = jnp.where(smooth, start + part * (end - start), getattr(reached, name))
    later = _after(neuron, at, drive, smooth, elapsed, dt)
    changed = {name: neuron.at_spikes(spikes, later[name], getattr(reached, name)) for name in later}
    fields: dict[str, Any] = {name: getattr(reached, name) for name in reached} | changed
    if neuron.uses_refractory:
        fields["refractory"] = jnp.where(spikes > 0, neuron.hold_steps(dt), jnp.maximum(state.refractory - 1, 0))
    return State(**fields, spike_offset=jnp.where(spikes > 0, dt - elapsed, state.spike_offset)), spikes


def _free(neuron: Neuron, state: State, dt: float) -> Any:
    """How much of the step the neuron is not refractory (ms): all, nothing, or the last bit in the step it wakes."""
    if not neuron.uses_refractory:
        return jnp.full_like(state.spike_offset, dt)
    asleep = jnp.where(state.refractory > 1, 0, state.spike_offset)
    return jnp.where(state.refractory > 0, asleep, dt)


def _flow(neuron: Neuron, state: State, drive: Drive, dt: float, free: Any) -> State:
    """The states at the end of the step, without threshold and jump; those that are held move for `free` only."""
    flow = neuron.integrate(state, drive, dt, None)
    if neuron.uses_refractory and neuron.holds:
        awake = neuron.integrate(state, _begun(drive, dt - free), free, None)
        flow |= {name: awake[name] for name in neuron.holds}
    return State(**flow)


def _after(
    neuron: Neuron, at: dict[str, Array], drive: Drive, smooth: Array, elapsed: Any, dt: float
) -> dict[str, Array]:
    """The states at the end of the step of a neuron that spikes in the state `at` after `elapsed` ms."""
    changes = neuron.after_spike(State(**at))
    if not changes:
        return {}
    start = State(**at | {name: jnp.broadcast_to(value, at[name].shape) for name, value in changes.items()})
    rest = neuron.integrate(start, _begun(drive, elapsed), dt - elapsed, None)
    if drive.jump is not None:
        rest["v"] = jnp.where(smooth, rest["v"] + drive.jump, rest["v"])
    if neuron.uses_refractory:
        asleep = neuron.hold_steps(dt) > 0
        rest |= {name: jnp.where(asleep, getattr(start, name), rest[name]) for name in neuron.holds}
    return rest


def _jumped(flow: State, drive: Drive, awake: Array | None) -> State:
    if drive.jump is None:
        return flow
    jumped = flow.v + drive.jump
    return flow.replace(v=jumped if awake is None else jnp.where(awake, jumped, flow.v))


def _begun(drive: Drive, time: Array) -> Drive:
    """What is left of a drive `time` ms after the start of the step."""
    left = lambda start, tau: start * jnp.exp(-time / tau)
    ramps = tuple((left(slope, tau), tau) for slope, tau in drive.ramping)
    decays = tuple((left(start, tau), tau) for start, tau in drive.decaying)
    return drive._replace(decaying=(*decays, *((time * slope, tau) for slope, tau in ramps)), ramping=ramps)
