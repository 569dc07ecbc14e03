"""Lateral weights: the rule in NumPy, and the subspace that it finds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim.train import Hebbian, Subspace

D, K, BATCH = 60, 6, 64


def drawn(rng, rows, d=D):
    """Orthonormal rows."""
    return np.linalg.qr(rng.normal(size=(d, d)))[0].T[:rows]


def by_hand(old, new, momentum, x, rule, iterations):
    """The equations, row by row of all lateral weights, the frozen ones masked."""
    weight = np.concatenate([old, new])
    for _ in range(iterations):
        y = x @ weight.T
        if rule.levels is not None:
            y = np.round(np.clip(y, -rule.reach, rule.reach) / rule.reach * rule.levels) / rule.levels * rule.reach
        change = np.zeros_like(weight)
        for row, estimate, told in zip(x, y @ weight, y, strict=True):
            change += np.outer(told, row - estimate) / len(x)
        change = np.clip(change, -rule.clip, rule.clip)[len(old) :]
        momentum = rule.momentum * momentum + (1 - rule.momentum) * change
        weight[len(old) :] += rule.rate * momentum
    return weight[len(old) :], momentum


@pytest.mark.parametrize("rule", [Hebbian(), Hebbian(0.003, 3, 0.5, clip=0.05), Hebbian(levels=40)], ids=str)
def test_it_is_the_rule_in_numpy(x64, rule):
    rng = np.random.default_rng(1)
    old, new = drawn(rng, 3), 0.5 * drawn(rng, 4)
    space, momentum = Subspace(jnp.asarray(old), jnp.asarray(new), jnp.zeros((4, D))), np.zeros((4, D))
    for _ in range(3):
        x = 3 * rng.normal(size=(10, D))
        space = rule.learned(space, jnp.asarray(x))
        new, momentum = by_hand(old, new, momentum, x, rule, rule.iterations)
    assert np.abs(new - 0.5 * drawn(np.random.default_rng(1), 4)).max() > 1e-3
    np.testing.assert_allclose(space.new, new, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(space.momentum, momentum, rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(space.old, old)


def learned(space, rule, covariance_root, batches, rng):
    """The lateral weights after batches of Gaussian inputs."""

    def batch(space, x):
        return rule.learned(space, x @ covariance_root.T), None

    x = jnp.asarray(rng.normal(size=(batches, BATCH, covariance_root.shape[1])), jnp.float32)
    return jax.jit(lambda space: jax.lax.scan(batch, space, x)[0])(space)


@pytest.fixture(scope="module")
def principal():
    """Inputs with six strong directions (variances 3 to 2 above 0.02), and what 3,000 batches of them teach."""
    rng = np.random.default_rng(0)
    base = drawn(rng, D).T
    variances = np.r_[np.linspace(3, 2, K), np.full(D - K, 0.02)]
    root = jnp.asarray(base * np.sqrt(variances), jnp.float32)
    empty = jnp.zeros((0, D), jnp.float32)
    start = Subspace(empty, empty, empty).extended(K, jax.random.key(0))
    return rng, base, variances, root, learned(start, Hebbian(), root, 3000, rng)


def test_it_finds_the_principal_subspace(principal):
    rng, base, variances, root, space = principal
    w = np.asarray(space.weight, np.float64)
    true = base[:, :K] @ base[:, :K].T
    assert np.linalg.norm(w.T @ w - true, 2) < 0.06  # 0.03: fluctuations of a constant rate
    assert np.linalg.norm(w @ w.T - np.eye(K), 2) < 2e-3
    x = rng.normal(size=(2000, D)) @ np.asarray(root, np.float64).T
    left = x - x @ w.T @ w
    ideal = variances[K:].sum() / variances.sum()
    assert (left**2).sum() / (x**2).sum() == pytest.approx(ideal, rel=0.03)


def test_a_projected_update_hardly_moves_what_old_inputs_give(principal):
    rng, base, variances, root, space = principal
    space = space.extended(0, jax.random.key(0))
    gradient = rng.normal(size=(BATCH, D)) @ np.asarray(root).T
    gradient = jnp.asarray(gradient.T @ rng.normal(size=(BATCH, 10)), jnp.float32)
    x_old = rng.normal(size=(1000, K)) * np.sqrt(variances[:K]) @ base[:, :K].T
    moved = np.linalg.norm(x_old @ np.asarray(space.without_old(gradient)))
    assert 0 < moved < 0.02 * np.linalg.norm(x_old @ np.asarray(gradient))


def test_new_rows_find_what_the_old_ones_leave(principal):
    rng, base, _, _, space = principal
    space = space.extended(4, jax.random.key(3))
    frozen = np.asarray(space.old).copy()
    np.testing.assert_allclose(space.new @ space.new.T, np.eye(4), atol=1e-5)
    np.testing.assert_allclose(space.new @ space.old.T, np.zeros((4, K)), atol=1e-5)
    both = np.r_[np.full(K, 2.5), np.full(4, 1.5), np.full(D - K - 4, 0.02)]
    space = learned(space, Hebbian(), jnp.asarray(base * np.sqrt(both), jnp.float32), 3000, rng)
    np.testing.assert_array_equal(space.old, frozen)
    assert np.linalg.norm(space.new @ space.old.T, 2) < 0.05
    w, true = np.asarray(space.weight, np.float64), base[:, : K + 4] @ base[:, : K + 4].T
    assert np.linalg.norm(w.T @ w - true, 2) < 0.1


def test_inside_the_old_rows_a_projection_leaves_exactly_nothing(x64):
    rng = np.random.default_rng(4)
    old = jnp.asarray(drawn(rng, 7))
    space = Subspace(old, jnp.zeros((0, D)), jnp.zeros((0, D)))
    change = space.without_old(jnp.asarray(rng.normal(size=(D, 10))))
    x_old = rng.normal(size=(50, 7)) @ np.asarray(old)
    assert np.abs(x_old @ np.asarray(change)).max() < 1e-13 and np.abs(change).max() > 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 0.0}, "`rate` must be > 0"),
        ({"iterations": 0}, "`iterations` must be >= 1"),
        ({"momentum": 1.5}, "`momentum` must be <= 1"),
        ({"clip": -1.0}, "`clip` must be > 0"),
        ({"levels": 0}, "`levels` must be >= 1"),
        ({"reach": 0.0}, "`reach` must be > 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Hebbian(**settings)
