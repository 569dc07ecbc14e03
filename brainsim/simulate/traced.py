"""`simulate` under a trace (jit, grad, vmap): one pure scan, and a result that holds dense arrays only."""

import numpy as np

from .._types import State
from ..analysis import Result
from ..networks import Network
from ..recording import DenseRecord, Histogram, HistogramRecord, Rate, RateRecord, Recording, Spikes, TraceRecord
from .advance import advance
from .inputs import Inputs, known_step
from .records import Plan, reader_of


def traced_result(network: Network, inputs: Inputs, steps: int, state: State, plan: Plan) -> Result:
    """Run `steps` steps inside the caller's trace.

    Sampled traces and rates start counting at the state's step where it is known, else at 0.
    """
    start = known_step(state) or 0
    advanced = advance(network, state, inputs, plan, steps=steps, start=start)
    records, units = {}, {}
    for spec in (*plan.every_step, *plan.sampled):
        reader, values = reader_of(network, spec), advanced.records[spec.key]
        units[spec.key] = reader.unit
        if isinstance(spec, Spikes):
            records[spec.key] = DenseRecord(values, spec.select(reader.size), reader.size)
        elif isinstance(spec, Rate):
            width = spec.steps(network.dt)
            counts = values.reshape(-1, width, *values.shape[1:]).sum(1)
            records[spec.key] = RateRecord(counts, width, reader.size)
        elif isinstance(spec, Histogram):
            size = len(spec.select(reader.size))
            records[spec.key] = HistogramRecord(values, np.asarray(spec.bins), spec.steps(network.dt), size)
        else:
            ids = None if spec.reduce else spec.select(reader.size)
            records[spec.key] = TraceRecord(values, spec.steps(network.dt), ids)
    batch = network.batch_of(state)
    return Result(Recording(records, network.dt, start, steps, batch, units, advanced.state, {}))
