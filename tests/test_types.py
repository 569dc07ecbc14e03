"""State is a value with names; a Drive is the sum of what reaches a population, port by port."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainsim._types import Drive, State


class TestState:
    def test_fields_are_attributes(self):
        state = State(v=1.0, w=2.0)
        assert (state.v, state.w) == (1.0, 2.0)
        assert list(state) == ["v", "w"] and "v" in state and "u" not in state
        assert repr(state) == "State(v=1.0, w=2.0)"

    def test_an_unknown_field_lists_the_known(self):
        with pytest.raises(AttributeError, match="state has v, w; not `vv`"):
            _ = State(v=1.0, w=2.0).vv
        with pytest.raises(AttributeError, match="state has no fields"):
            _ = State().v

    def test_it_cannot_be_changed_in_place(self):
        state = State(v=1.0)
        with pytest.raises(AttributeError, match=r"use `state.replace\(v=...\)`"):
            state.v = 2.0
        assert state.replace(v=2.0).v == 2.0 and state.v == 1.0

    def test_replace_never_adds_a_field(self):
        with pytest.raises(ValueError, match="`u`: expected one of v, w"):
            State(v=1.0, w=2.0).replace(u=3.0)

    def test_it_is_a_tree_with_named_leaves(self):
        state = State(v=jnp.zeros(3), refractory=jnp.zeros(3, jnp.int32))
        doubled = jax.tree.map(lambda x: x + 1, state)
        assert doubled.v.tolist() == [1, 1, 1] and doubled.refractory.dtype == jnp.int32
        paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(state)]
        assert paths == [".v", ".refractory"]
        assert jax.tree.structure(state) != jax.tree.structure(State(v=0.0, w=0))

    def test_it_crosses_jit_scan_and_grad(self):
        def step(state, x):
            return state.replace(v=0.5 * state.v + x), state.v

        final, trace = jax.jit(lambda s: jax.lax.scan(step, s, jnp.ones(4)))(State(v=jnp.float32(0)))
        assert final.v == pytest.approx(1.875) and trace.shape == (4,)
        assert jax.grad(lambda s: s.v**2)(State(v=3.0)).v == 6.0

    def test_another_structure_in_the_carry_is_refused(self):
        with pytest.raises(TypeError):
            jax.lax.scan(lambda s, _: (State(w=s.v), None), State(v=0.0), None, length=2)

    def test_copies(self):
        state = State(v=np.arange(3))
        twin = copy.deepcopy(state)
        twin.v[0] = 7
        assert state.v[0] == 0 and list(twin) == ["v"]


class TestDrive:
    def test_ports_add_up_and_absent_ports_stay_absent(self):
        i0 = (jnp.ones(2), jnp.float32(5.0))
        total = Drive(jump=jnp.ones(2)).merge(
            Drive(jump=jnp.full(2, 2.0), conductance=jnp.ones(2), reversal=jnp.full(2, -80.0)),
            Drive(decaying=(i0,)),
            Drive(conductance=jnp.ones(2), decaying=(i0, i0)),
        )
        assert total.jump.tolist() == [3, 3] and total.conductance.tolist() == [2, 2]
        assert total.reversal.tolist() == [-80, -80]
        assert total.current is None and len(total.decaying) == 3

    def test_nothing_merged_is_nothing(self):
        assert Drive().merge() == Drive().merge(Drive()) == Drive()

    def test_it_is_a_tree(self):
        leaves = jax.tree.leaves(Drive(current=jnp.ones(2), decaying=((jnp.ones(2), jnp.float32(5)),)))
        assert len(leaves) == 3
