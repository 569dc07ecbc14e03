"""A network of conductance-based LIF neurons and its gradient, forward and backward by hand in float64 NumPy.

    load = 1 + R sum_p g_p,   target = (v_rest + R (i + sum_p g_p e_p)) / load,   decay = exp(-dt load / tau)
    u_k = target + (v_k - target) decay          (u_k = v_k while refractory)
    s_k = [u_k >= v_th] unless refractory,       ds/du := h(x) / (v_th - v_reset),   x = (u - v_th) / (v_th - v_reset)
    v_{k+1} = s v_reset + (1 - s) u
    g_{p,k+1} = g_{p,k} exp(-dt / tau_p) + sum_{ij} W_ij s_{i, k+1-d_ij}
    L = sum_k <a_k, v_{k+1}> + <b_k, s_k>

h is the derivative of the arctangent, 1 / (1 + (pi x)^2). With `detach` the factors s of the reset
are constants to the gradient.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass
class Cells:
    """A population: parameters in mV, ms, pA, GOhm, refractory time in steps, loss weights a, b `(steps, n)`."""

    v: np.ndarray
    tau: np.ndarray
    v_rest: float
    v_th: float
    v_reset: float
    i_bias: float
    r_mem: float
    hold: int
    a: np.ndarray
    b: np.ndarray


@dataclasses.dataclass
class Edges:
    """A projection: one entry a synapse in `pre`, `post`, `weight` (nS) and `delay` (steps); kinetics in ms and mV."""

    source: str
    target: str
    pre: np.ndarray
    post: np.ndarray
    weight: np.ndarray
    delay: np.ndarray
    tau: float
    e_rev: float


@dataclasses.dataclass
class Trace:
    """What the forward pass leaves: per population v, u and s over time and who was refractory; per projection g."""

    v: dict[str, np.ndarray]
    u: dict[str, np.ndarray]
    s: dict[str, np.ndarray]
    held: dict[str, np.ndarray]
    g: list[np.ndarray]


def membrane(cells: Cells, g: list[np.ndarray], e_rev: list[float], dt: float) -> tuple[np.ndarray, ...]:
    """load, target and decay of one step."""
    load = 1.0 + cells.r_mem * sum(g)
    pull = sum(x * e for x, e in zip(g, e_rev, strict=True))
    target = (cells.v_rest + cells.r_mem * (cells.i_bias + pull)) / load
    return load, target, np.exp(-dt * load / cells.tau)


def forward(cells: dict[str, Cells], edges: list[Edges], steps: int, dt: float) -> Trace:
    """Run the network."""
    size = {name: c.v.size for name, c in cells.items()}
    trace = Trace(
        v={name: np.zeros((steps + 1, n)) for name, n in size.items()},
        u={name: np.zeros((steps, n)) for name, n in size.items()},
        s={name: np.zeros((steps, n)) for name, n in size.items()},
        held={name: np.zeros((steps, n), bool) for name, n in size.items()},
        g=[np.zeros((steps + 1, size[edge.target])) for edge in edges],
    )
    left = {name: np.zeros(n, int) for name, n in size.items()}
    for name, c in cells.items():
        trace.v[name][0] = c.v
    for k in range(steps):
        for name, c in cells.items():
            into = [p for p, edge in enumerate(edges) if edge.target == name]
            _, target, decay = membrane(c, [trace.g[p][k] for p in into], [edges[p].e_rev for p in into], dt)
            v, held = trace.v[name][k], left[name] > 0
            u = np.where(held, v, target + (v - target) * decay)
            s = np.where(held, 0.0, u >= c.v_th)
            left[name] = np.where(s > 0, c.hold, np.maximum(left[name] - 1, 0))
            trace.u[name][k], trace.s[name][k], trace.held[name][k] = u, s, held
            trace.v[name][k + 1] = np.where(s > 0, c.v_reset, u)
        for p, edge in enumerate(edges):
            trace.g[p][k + 1] = trace.g[p][k] * np.exp(-dt / edge.tau)
            sent = k + 1 - edge.delay
            arriving = np.where(sent >= 0, trace.s[edge.source][np.maximum(sent, 0), edge.pre], 0.0)
            np.add.at(trace.g[p][k + 1], edge.post, edge.weight * arriving)
    return trace


def loss(cells: dict[str, Cells], trace: Trace) -> float:
    """L."""
    return sum(np.sum(c.a * trace.v[name][1:]) + np.sum(c.b * trace.s[name]) for name, c in cells.items())


def backward(
    cells: dict[str, Cells], edges: list[Edges], trace: Trace, dt: float, *, detach: bool
) -> tuple[list[np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The gradient of L.

    Returns:
        dL/dweight of each synapse by projection, dL/dtau and dL/dv_0 of each neuron by population.
    """
    steps = next(iter(trace.s.values())).shape[0]
    d_g = [np.zeros_like(g) for g in trace.g]
    d_v = {name: np.zeros(c.v.size) for name, c in cells.items()}
    d_tau = {name: np.zeros(c.v.size) for name, c in cells.items()}
    d_weight = [np.zeros(edge.weight.size) for edge in edges]
    for k in reversed(range(steps)):
        d_s = {name: c.b[k].copy() for name, c in cells.items()}
        for p, edge in enumerate(edges):
            due = k + edge.delay
            felt = np.where(due <= steps, d_g[p][np.minimum(due, steps), edge.post], 0.0)
            d_weight[p] += felt * trace.s[edge.source][k, edge.pre]
            np.add.at(d_s[edge.source], edge.pre, edge.weight * felt)
            d_g[p][k] += d_g[p][k + 1] * np.exp(-dt / edge.tau)
        for name, c in cells.items():
            into = [p for p, edge in enumerate(edges) if edge.target == name]
            v, u, s, held = (x[name][k] for x in (trace.v, trace.u, trace.s, trace.held))
            after = d_v[name] + c.a[k]
            ds = d_s[name] if detach else d_s[name] + after * (c.v_reset - u)
            x = (u - c.v_th) / (c.v_th - c.v_reset)
            h = 1.0 / (1.0 + (np.pi * x) ** 2) / (c.v_th - c.v_reset)
            d_u = after * (1.0 - s) + np.where(held, 0.0, ds * h)
            load, target, decay = membrane(c, [trace.g[p][k] for p in into], [edges[p].e_rev for p in into], dt)
            moved = np.where(held, 0.0, d_u)
            d_decay, d_target = moved * (v - target) * decay, moved * (1.0 - decay)
            d_tau[name] += d_decay * dt * load / c.tau**2
            d_load = -d_decay * dt / c.tau - d_target * target / load
            for p in into:
                d_g[p][k] += c.r_mem * (d_load + edges[p].e_rev * d_target / load)
            d_v[name] = np.where(held, d_u, d_u * decay)
    return d_weight, d_tau, d_v
