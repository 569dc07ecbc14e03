"""A NIR graph by brute force in float64: every node's equation solved exactly over a step with its input held.

Written from the definitions of Pedersen et al., Nat. Commun. 15 (2024) 8122; no code of brainsim is used.
"""

import numpy as np


class State(dict):
    """What a node remembers."""


def _leak(v, target, tau, dt):
    return target + (v - target) * np.exp(-dt / tau)


def _fire(node, state):
    spikes = (state["v"] > node.v_threshold).astype(float)
    state["v"] = np.where(spikes > 0, node.v_reset, state["v"])
    return spikes


def _membrane(node, state, x, dt):
    """v (and i) after a step: dv/dt = A v + B in matrix form where there is a synapse."""
    if hasattr(node, "tau_syn"):
        i0, level = state.get("i", 0.0 * x), node.w_in * x
        v0 = state.get("v", np.broadcast_to(node.v_leak, x.shape))
        ts, tm = node.tau_syn, node.tau_mem
        state["i"] = _leak(i0, level, ts, dt)
        rise = node.r * (i0 - level) * ts / (ts - tm) * (np.exp(-dt / ts) - np.exp(-dt / tm))
        state["v"] = _leak(v0, node.v_leak + node.r * level, tm, dt) + rise
    elif hasattr(node, "tau"):
        v0 = state.get("v", np.broadcast_to(node.v_leak, x.shape))
        state["v"] = _leak(v0, node.v_leak + node.r * x, node.tau, dt)
    else:
        state["v"] = state.get("v", 0.0 * x) + dt * node.r * x


def _conv(node, x):
    rank = node.weight.ndim - 2
    axes = lambda value: [int(v) for v in np.broadcast_to(value, rank)]
    stride, dilation, groups = axes(node.stride), axes(node.dilation), int(node.groups)
    kernel = node.weight.shape[2:]
    if node.padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        pads = [(t // 2, t - t // 2) for t in total]
    else:
        pads = [(0, 0)] * rank if node.padding == "valid" else [(p, p) for p in axes(node.padding)]
    x = np.pad(x, [(0, 0), (0, 0), *pads])
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    out = [(n - r) // s + 1 for n, r, s in zip(x.shape[2:], reach, stride, strict=True)]
    c_out, c_in = node.weight.shape[:2]
    y = np.zeros((len(x), c_out, *out))
    for o in range(c_out):
        channels = slice(o // (c_out // groups) * c_in, o // (c_out // groups) * c_in + c_in)
        for at in np.ndindex(*out):
            window = tuple(slice(a * s, a * s + r, d) for a, s, r, d in zip(at, stride, reach, dilation, strict=True))
            y[(slice(None), o, *at)] = (x[(slice(None), channels, *window)] * node.weight[o]).sum(
                axis=tuple(range(1, rank + 2))
            )
    return y + node.bias.reshape(-1, *[1] * rank)


def _pool(node, x, mean):
    (kx, ky), (sx, sy), (px, py) = (np.broadcast_to(v, 2) for v in (node.kernel_size, node.stride, node.padding))
    x = np.pad(x, [(0, 0), (0, 0), (px, px), (py, py)])
    out = [(x.shape[2] - kx) // sx + 1, (x.shape[3] - ky) // sy + 1]
    windows = [
        [x[:, :, a * sx : a * sx + kx, b * sy : b * sy + ky].sum((2, 3)) for b in range(out[1])] for a in range(out[0])
    ]
    y = np.moveaxis(np.array(windows), (0, 1), (2, 3))
    return y / (kx * ky) if mean else y


def _step(node, state, x, dt):
    kind = type(node).__name__
    if kind in ("Affine", "Linear"):
        return x @ node.weight.T + getattr(node, "bias", 0.0)
    if kind == "Scale":
        return x * node.scale
    if kind in ("Conv1d", "Conv2d"):
        return _conv(node, x)
    if kind in ("SumPool2d", "AvgPool2d"):
        return _pool(node, x, kind == "AvgPool2d")
    if kind == "Flatten":
        shape = list(x.shape[1:])
        end = int(node.end_dim) % len(shape)
        return x.reshape(len(x), *shape[: int(node.start_dim)], -1, *shape[end + 1 :])
    if kind == "Threshold":
        return (x > node.threshold).astype(float)
    if kind == "Delay":
        line = state.setdefault("line", [])
        line.append(x)
        steps = np.rint(node.delay / dt).astype(int)
        past = lambda d: line[-1 - d] if d < len(line) else 0 * x
        return np.stack([past(d)[:, i] for i, d in enumerate(steps)], axis=1)
    if kind == "NIRGraph":
        return advance(node, state, x, dt)[node_name(node, "Output")]
    _membrane(node, state, x, dt)
    return _fire(node, state) if kind.endswith("IF") else state["v"]


def node_name(graph, kind):
    """The name of the only node of a kind."""
    (name,) = [name for name, node in graph.nodes.items() if type(node).__name__ == kind]
    return name


def advance(graph, state, x, dt):
    """One step; a node whose senders have not all been computed when nothing else can go on takes their last output."""
    source = node_name(graph, "Input")
    before, now = state.get("out", {}), {source: x}
    states = state.setdefault("nodes", {})
    order = state.setdefault("order", _order(graph, source))
    for name in order:
        total = sum(
            now[pre] if pre in now and order_of(order, pre) < order.index(name) else before.get(pre, 0.0)
            for pre, post in graph.edges
            if post == name
        )
        node = graph.nodes[name]
        is_out = type(node).__name__ == "Output"
        now[name] = total if is_out else _step(node, states.setdefault(name, State()), total, dt)
    state["out"] = now
    return now


def order_of(order, name):
    """Place of a node; the input is before all."""
    return order.index(name) if name in order else -1


def _order(graph, source):
    done, path = [], []

    def visit(name):
        path.append(name)
        for post in sorted(post for pre, post in graph.edges if pre == name):
            if post not in done and post not in path:
                visit(post)
        path.pop()
        done.append(name)

    visit(source)
    return [name for name in reversed(done) if name != source]


def simulate(graph, xs, dt):
    """Outputs of every node, `{name: (time, batch, ...)}`, for inputs `(time, batch, ...)`; dt in the graph's unit."""
    state, rows = State(), []
    for x in np.asarray(xs, float):
        rows.append(advance(graph, state, x, dt))
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
