"""Losses of a class: cross entropy of scores that summarise an output over time, means over the batch.

    ce_sum:      softmax(sum_t out)              summed membrane of a readout
    ce_mean:     softmax(mean_t out)             mean membrane, the same for short and long samples
    ce_count:    softmax(sum_t s)                spike counts of output neurons
    ce_max:      softmax(max_t out)              highest membrane
    ce_rate:     softmax(s_t) in every step      mean of the cross entropies over time
    ce_softmax:  softmax(sum_t softmax(out_t))   a vote in every step, all of one weight

`out` is (time, batch, classes); mask as in `counted_steps`. Counts, maxima and rates as in snnTorch (Eshraghian et al.,
Proc. IEEE 111 (2023) 1016); `ce_softmax` is that of Hammouamri et al., ICLR 2024, and Bellec et al., NeurIPS 2018.
"""

import jax
import jax.numpy as jnp

from ..._types import Array
from .counted_steps import highest, number_of_steps, summed


def ce_sum(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Cross entropy of the output summed over time.

    Args:
        out: Output of a readout, (time, batch, classes).
        y: Class of each sample, integers (batch,).
        mask: Steps that count.
    """
    return cross_entropy(summed(out, mask), y)


def ce_mean(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Cross entropy of the output averaged over the steps of each sample; arguments as in `ce_sum`.

    Its logits, unlike those of `ce_sum`, do not grow with the number of steps.
    """
    return cross_entropy(summed(out, mask) / number_of_steps(out, mask), y)


def ce_count(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Cross entropy of spike counts; the same formula as `ce_sum`, for spikes (time, batch, classes)."""
    return cross_entropy(summed(out, mask), y)


def ce_max(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Cross entropy of the largest output over time; arguments as in `ce_sum`."""
    return cross_entropy(highest(out, mask), y)


def ce_rate(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Cross entropy of the output of every step, mean over the steps of each sample; arguments as in `ce_sum`."""
    log_p = summed(jax.nn.log_softmax(out), mask) / number_of_steps(out, mask)
    return -jnp.mean(_of_class(log_p, y))


def ce_softmax(out: Array, y: Array, mask: Array | None = None) -> Array:
    """Cross entropy of the summed softmax of every step; arguments as in `ce_sum`.

    Its smallest value is log(1 + (classes - 1) exp(-steps)), reached where every step votes for the class.
    """
    return cross_entropy(summed(jax.nn.softmax(out), mask), y)


def cross_entropy(logits: Array, y: Array) -> Array:
    """Mean of -log softmax(logits)[y]; logits (batch, classes), y integers (batch,)."""
    return -jnp.mean(_of_class(jax.nn.log_softmax(logits), y))


def _of_class(scores: Array, y: Array) -> Array:
    """The score of each sample's class, (batch, 1), from (batch, classes)."""
    return jnp.take_along_axis(scores, classes_of(y, scores.shape[0])[:, None], axis=-1)


def classes_of(y: Array, batch: int) -> Array:
    """`y` as classes.

    Raises:
        ValueError: They are not integers (batch,).
    """
    y = jnp.asarray(y)
    if y.shape != (batch,) or not jnp.issubdtype(y.dtype, jnp.integer):
        raise ValueError(f"`y`: expected integer classes of shape ({batch},), got {y.dtype} {y.shape}.")
    return y
