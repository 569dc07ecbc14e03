"""A result as a block of Neo, for Elephant and for files that Neo writes.

A segment a trial; in it a `SpikeTrain` for every recorded neuron, also a silent one, an `AnalogSignal` for every trace,
for every rate and for the counts of every histogram. Garcia et al., Front. Neuroinform. 8 (2014) 10.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from .histogram import HistogramView
from .spikes import SpikeView

if TYPE_CHECKING:
    from .result import Result

_UNITS = {"": "dimensionless", "GOhm": "Gohm"}
"""Where a unit of ours has another name there."""


def to_neo(result: "Result") -> Any:
    """A `neo.Block`; annotations name population, neuron and record.

    Raises:
        ImportError: Neo is not installed.
    """
    try:
        import neo  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("`to_neo` needs Neo: pip install 'brainsim[neo]'.") from error
    known = {key: value for key, value in result.meta.items() if key in ("seed", "commit")}
    block = neo.Block(name="brainsim", **known)
    for trial in range(result.batch or 1):
        segment = neo.Segment(name=f"trial {trial}", index=trial)
        for key in result.recorded:
            value = result.value(key)
            if isinstance(value, SpikeView):
                segment.spiketrains.extend(_trains(neo, key, value, trial))
            else:
                segment.analogsignals.append(_signal(neo, result, key, value, trial))
        block.segments.append(segment)
    return block


def _trains(neo: Any, key: str, spikes: SpikeView, trial: int) -> list[Any]:
    """One train for each recorded neuron; a spike of size k is there once, its size in `array_annotations`."""
    t, neurons, trials, sizes = spikes.events
    here = np.ones(len(t), bool) if trials is None else trials == trial
    columns = spikes.rows[here] % max(len(spikes.ids), 1)
    order = np.argsort(columns, kind="stable")
    cuts = np.cumsum(np.bincount(columns, minlength=len(spikes.ids)))[:-1]
    times = np.split(t[here][order], cuts)
    weights = None if sizes is None else np.split(sizes[here][order], cuts)
    population = key.rpartition(".")[0]
    return [
        neo.SpikeTrain(
            times[k],
            units="ms",
            t_start=spikes.t_start,
            t_stop=spikes.t_stop,
            name=f"{population}[{neuron}]",
            array_annotations=None if weights is None else {"size": weights[k]},
            population=population,
            neuron=int(neuron),
        )
        for k, neuron in enumerate(spikes.ids)
    ]


def _signal(neo: Any, result: "Result", key: str, value: Any, trial: int) -> Any:
    import quantities  # pyright: ignore[reportMissingImports]

    is_histogram = isinstance(value, HistogramView)
    values = np.asarray(result.read(key) if is_histogram else value)
    values = values if result.batch is None else values[:, trial]
    t, unit, ids = result.times(key), "" if is_histogram else result.unit(key), result.ids(key)
    columns = {} if ids is None else {"column": ids}
    if isinstance(value, HistogramView):
        columns = {"low": np.append(-np.inf, value.edges), "high": np.append(value.edges, np.inf)}
    every = t[1] - t[0] if len(t) > 1 else result.dt
    if result.unit(key) == "Hz" and len(t) > 2:
        every = t[2] - t[1]  # the first and last bin may be cut
    return neo.AnalogSignal(
        values.reshape(len(values), -1),
        units=_UNITS.get(unit, unit),
        t_start=quantities.Quantity(t[0] if len(t) else result.t_start, "ms"),
        sampling_period=quantities.Quantity(every, "ms"),
        name=key,
        array_annotations=columns or None,
    )
