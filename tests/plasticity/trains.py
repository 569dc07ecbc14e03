"""A network whose two sides fire exactly when told, and rules written as loops in NumPy."""

import jax.numpy as jnp
import numpy as np

import brainsim as bs
from brainsim.units import ms


def network(rule, n_pre=6, n_post=4, *, wiring=None, weight=0.5, dt=1.0, **options):
    """`pre` is an input, `post` fires where its jump is above 1; the synapses are too weak to matter."""
    cell = bs.LIF(20 * ms, v_th=1, v_reset=0, r_mem=1e-12)
    synapse = options.pop("synapse", bs.Exponential(5 * ms))
    edge = bs.Projection("pre", "post", wiring or bs.AllToAll(), weight, synapse, plasticity=rule, **options)
    return bs.Network({"pre": bs.Input(n_pre), "post": bs.Population(n_post, cell)}, [edge], dt=dt, seed=3)


def spikes(seed, steps, n_pre=6, n_post=4, p=0.1):
    rng = np.random.default_rng(seed)
    return [(rng.random((steps, n)) < p).astype(np.float32) for n in (n_pre, n_post)]


def learn(net, pre, post, **options):
    """What `run` returns for the trains `pre` and `post`, (time, [batch], n)."""
    inputs = {"pre": jnp.asarray(pre), "post.v": 2 * jnp.asarray(post)} | options.pop("more", {})
    return bs.run(net, inputs, record=options.pop("record", ("post.spikes",)), **options)


def weights(result, path="pre->post"):
    return np.asarray(result.state.projections[path].weight)


def by_hand(rule, pre, post, weight, taus, clip=(0.0, 1.0)):
    """Pair-like rules on a matrix of weights, in float64.

    `rule(w, x, y, i, j, when)` is called for all synapses of neuron i (or j) with an event; x and y are dictionaries of
    traces, one array each; events see them as `brainsim.plasticity.base` says.
    """
    w = np.array(weight, float)
    x, y = ({name: np.zeros(n) for name in taus[side]} for side, n in (("pre", pre.shape[1]), ("post", post.shape[1])))
    for s, t in zip(pre, post, strict=True):
        for traces, side in ((x, "pre"), (y, "post")):
            for name, tau in taus[side].items():
                traces[name] = traces[name] * np.exp(-1 / tau)
        before = {name: value.copy() for name, value in x.items()}
        for i in np.flatnonzero(s):
            for j in range(w.shape[1]):
                w[i, j] = np.clip(
                    rule("pre", w[i, j], {n: v[i] for n, v in before.items()}, {n: v[j] for n, v in y.items()}), *clip
                )
        for name in x:
            x[name] = x[name] + s
        for j in np.flatnonzero(t):
            for i in range(w.shape[0]):
                w[i, j] = np.clip(
                    rule("post", w[i, j], {n: v[i] for n, v in x.items()}, {n: v[j] for n, v in y.items()}), *clip
                )
        for name in y:
            y[name] = y[name] + t
    return w
