"""Times of spikes inside their steps, from what neurons with `precise_times` record.

t = (k + 1) dt - spike_offset(k)        for a spike of step k
"""

import numpy as np

from .result import Part


def precise_times(part: Part) -> np.ndarray:
    """The time of each spike of a population, in the order of `part.spikes.events`.

    Args:
        part: A population of which `"E.spikes"` and `"E.spike_offset"` were recorded, for the same neurons and in each
            step.

    Returns:
        Times (ms), float64.

    Raises:
        AttributeError: One of both was not recorded.
        ValueError: Different neurons, or offsets of some steps only.
    """
    ids, spikes, offsets = part.ids, part.spikes, np.asarray(part.spike_offset)
    step = np.round((spikes.t - spikes.t_start) / spikes.dt).astype(np.int64) - 1
    steps = round((spikes.t_stop - spikes.t_start) / spikes.dt)
    if offsets.shape[0] != steps or len(ids) != offsets.shape[-1]:
        raise ValueError(f"`spike_offset`: expected ({steps}, {len(ids)}), every step, got {offsets.shape}.")
    return spikes.t - offsets.reshape(steps, -1)[step, spikes.rows]
