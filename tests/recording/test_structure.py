"""A tree as JSON and arrays: back bit for bit, and nothing that a file says is run."""

import dataclasses
import json
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from brainsim._types import Drive, State
from brainsim.recording.structure import decode, encode
from brainsim.units import Hz, mV, nS
from brainsim.values import Normal


def round_trip(tree, **options):
    structure, arrays = encode(tree)
    return decode(json.loads(json.dumps(structure)), arrays, **options)


def assert_identical(a, b):
    assert type(a) is type(b)
    flat_a, tree_a = jax.tree.flatten(a)
    flat_b, tree_b = jax.tree.flatten(b)
    assert tree_a == tree_b
    for x, y in zip(flat_a, flat_b, strict=True):
        assert type(x) is type(y)
        if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            assert x.dtype == y.dtype
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        if isinstance(x, jax.Array | np.ndarray | np.generic):
            assert (x.dtype, x.shape) == (y.dtype, y.shape)
            assert np.asarray(x).tobytes() == np.asarray(y).tobytes()
        else:
            assert x == y or (x != x and y != y)


@dataclasses.dataclass
class OfTheUser:
    x: object


@dataclasses.dataclass(eq=False)
class EqualToItself:
    x: object


def of_the_user():
    return 3


TREES = {
    "scalars": [None, True, False, 0, -(2**70), 1.5, -0.0, math.inf, "text", "", "->#µ"],
    "containers": {"a": (1, [2, (), []], {}), "b": {3: None, 1: {"c": "x"}}},
    "state": State(v=jnp.arange(3.0), refractory=jnp.zeros(3, jnp.int32), nothing=None),
    "named tuple": Drive(jump=jnp.ones(2), decaying=((jnp.ones(2), jnp.ones(())),)),
    "jax": [
        jnp.zeros((0, 3)),
        jnp.asarray(True),
        jnp.ones((2, 1), jnp.bfloat16),
        jnp.ones(2, jnp.float16),
        jnp.uint8(3),
    ],
    "numpy": [np.arange(6.0).reshape(2, 3).T, np.float64(0.1), np.int64(3), np.ones(2, ">f8").astype("=f8")],
    "bits": [jnp.asarray([np.nan, -0.0, np.inf, 1e-45], jnp.float32), np.asarray([-np.nan, 5e-324])],
    "keys": [jax.random.key(1), jax.random.split(jax.random.key(2), 3), jax.random.key(1, impl="rbg")],
    "legacy key": jax.random.PRNGKey(3),
    "layer": eqx.nn.Linear(2, 3, key=jax.random.key(0)),
    "dtype": {"dtype": np.dtype("float32")},
    "quantities": [3 * mV, 0.1 * nS / mV, 20 * Hz, 1 / (mV * mV), 3 * (nS / nS), mV, Normal(-55 * mV, 2 * mV)],
}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_round_trip(tree):
    assert_identical(round_trip(tree), tree)
    assert_identical(round_trip(tree, like=tree), tree)


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.adamw(1e-3),
        optax.multi_transform({"a": optax.adam(1e-3), "b": optax.set_to_zero()}, {"w": "a", "b": "b"}),
        optax.chain(optax.clip_by_global_norm(1.0), optax.inject_hyperparams(optax.sgd)(learning_rate=0.1)),
        optax.adam(optax.cosine_decay_schedule(1e-3, 10)),
    ],
)
def test_optimizer_states(optimizer):
    with jax.numpy_dtype_promotion("standard"):
        state = optimizer.init({"w": jnp.ones((2, 3)), "b": jnp.ones(())})
    back = round_trip(state)
    assert jax.tree.structure(back) == jax.tree.structure(state)
    for x, y in zip(jax.tree.leaves(state), jax.tree.leaves(back), strict=True):
        assert x.dtype == y.dtype and (np.asarray(x) == np.asarray(y)).all()


def test_nan_is_a_number():
    assert math.isnan(round_trip([math.nan], like=[math.nan])[0])


def test_float64_needs_x64(x64):
    structure, arrays = encode({"w": jnp.ones(2)})
    assert decode(structure, arrays)["w"].dtype == np.float64
    with (
        jax.enable_x64(False),
        pytest.raises(ValueError, match=r"`tree\['w'\]`: stored in float64; enable `jax_enable_x64`"),
    ):
        decode(structure, arrays)


class TestForeign:
    @pytest.mark.parametrize(
        "part", [OfTheUser(1), of_the_user, lambda: 1, jax.nn.relu, {1, 2}, 1j, range(3), OfTheUser]
    )
    def test_parts_of_the_users_program_need_like(self, part):
        structure, arrays = encode({"w": jnp.ones(2), "f": part})
        with pytest.raises(ValueError, match=r"`tree\['f'\]` is .*: pass `like=`"):
            decode(structure, arrays)
        back = decode(structure, arrays, like={"w": jnp.zeros(2), "f": part})
        assert type(back["f"]) is type(part) and (back["w"] == 1).all()
        with pytest.raises(TypeError, match=r"`tree\['f'\]`: expected numbers, text, arrays"):
            encode({"f": part}, foreign=False)

    def test_like_gives_the_part_and_the_file_its_arrays(self):
        structure, arrays = encode(OfTheUser(jnp.ones(2)))
        back = decode(structure, arrays, like=OfTheUser(jnp.zeros(2)))
        assert isinstance(back, OfTheUser) and (back.x == 1).all()

    @pytest.mark.parametrize(
        "name",
        [
            "os:system",
            "brainsim.units:np.savetxt",
            "optax:os.system",
            "brainsim.__main__:main",
            "brainsim.x:y",
            ":",
            "",
        ],
    )
    @pytest.mark.parametrize("kind", [lambda name: {"name": name}, lambda name: {"record": name, "fields": []}])
    def test_a_file_cannot_name_what_is_not_ours(self, name, kind):
        with pytest.raises(ValueError, match="pass `like=`"):
            decode(kind(name), [])

    def test_a_record_is_made_without_running_its_constructor(self):
        with pytest.raises(ValueError, match="differ in"):
            decode({"record": "brainsim.recording.spec:Spikes", "fields": [["path", "E"], ["more", 1]]}, [])
        with pytest.raises(ValueError, match="cannot be stored"):
            decode({"record": "brainsim.recording.structure:encode", "fields": []}, [])

    def test_an_identity_is_that_of_like(self):
        structure, arrays = encode(EqualToItself((1, 2)))
        like = EqualToItself((1, 2))
        assert decode(structure, arrays, like=like) is like
        with pytest.raises(ValueError, match=r"`tree\.x\[1\]`: the file has 2, `like` has 3"):
            decode(structure, arrays, like=EqualToItself((1, 3)))

    def test_objects_and_text_are_not_arrays(self):
        for array in (np.asarray([object()]), np.asarray(["a"]), np.zeros(2, [("a", "f4")])):
            with pytest.raises(TypeError, match=r"`model\[0\]`: expected numbers"):
                encode([array], "model")

    def test_traced_arrays_have_no_values(self):
        with pytest.raises(TypeError, match=r"`tree\[0\]`.*traced"):
            jax.jit(lambda x: encode([x]))(1.0)


class TestLike:
    @pytest.mark.parametrize(
        ("like", "place"),
        [
            (
                {"w": jnp.ones(3), "n": 1, "s": (1, 2)},
                r"`tree\['w'\]`: the file has float32 \(2,\), `like` has float32 \(3,\)",
            ),
            ({"w": jnp.ones(2, jnp.int32), "n": 1, "s": (1, 2)}, r"`tree\['w'\]`: the file has float32 .* int32"),
            ({"w": 3.0, "n": 1, "s": (1, 2)}, r"`tree\['w'\]`: the file has an array"),
            ({"w": jnp.ones(2), "n": 2, "s": (1, 2)}, r"`tree\['n'\]`: the file has 1, `like` has 2"),
            ({"w": jnp.ones(2), "n": 1.0, "s": (1, 2)}, r"`tree\['n'\]`: the file has 1, `like` has 1.0"),
            ({"w": jnp.ones(2), "n": 1, "s": [1, 2]}, r"`tree\['s'\]`: the file has a tuple, `like` has list"),
            ({"w": jnp.ones(2), "n": 1, "s": (1,)}, r"`tree\['s'\]`: the file has 2 entries, `like` has 1"),
            ({"w": jnp.ones(2), "n": 1}, r"`tree`: only the file has \['s'\], only `like` has \[\]"),
            (State(w=1), "`tree`: the file has a dict, `like` has State"),
        ],
    )
    def test_differences_are_named_by_place(self, like, place):
        structure, arrays = encode({"w": jnp.ones(2), "n": 1, "s": (1, 2)})
        with pytest.raises(ValueError, match=place):
            decode(structure, arrays, like=like)

    def test_shapes_alone_suffice(self):
        tree = {"w": jnp.ones(2), "k": jax.random.key(0)}
        assert_identical(round_trip(tree, like=jax.eval_shape(lambda: tree)), tree)


@pytest.mark.parametrize(
    "structure",
    [
        {},
        [],
        {"tuple": 3},
        {"dict": [[1]]},
        {"dict": [[[], 1]]},
        {"state": [1]},
        {"array": 0},
        {"array": 5, "as": "jax"},
        {"array": -1, "as": "jax"},
        {"array": 0, "as": "jax", "shape": [3], "dtype": "float32"},
        {"array": 0, "as": "jax", "shape": [2], "dtype": "float64"},
        {"array": 0, "as": "what", "shape": [2], "dtype": "float32"},
        {"array": 0, "as": "key", "shape": [2], "dtype": "float32", "impl": "threefry2x32"},
        {"array": 0, "as": "key", "shape": [2], "dtype": "float32", "impl": "no such"},
        {"unknown": 1},
        {"unit": "no_such", "magnitude": 1},
        {"unit": "9 ** 9 ** 9 ** 9", "magnitude": 1},
        {"unit": "__import__('os')", "magnitude": 1},
        {"unit": "ms" * 3 + "(", "magnitude": None},
    ],
)
def test_what_is_not_a_structure_is_refused(structure):
    with pytest.raises(ValueError, match="`tree`"):
        decode(structure, [np.ones(2, np.float32)])


def test_endless_nesting_is_refused():
    deep: object = 1
    for _ in range(100_000):
        deep = {"list": [deep]}
    with pytest.raises(ValueError, match="nested too deeply"):
        decode(deep, [])
