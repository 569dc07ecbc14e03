"""Single neurons in NEST: a list of jobs as JSON on stdin, their spike times and traces as JSON on the last line.

A job is {"model", "parameters", "dt", "duration", "current" (pA, by a dc_generator), "n", "trace" (name or null)}.
"""

import json
import sys

import nest


def run(job):
    nest.ResetKernel()
    nest.set(resolution=job["dt"], rng_seed=1)
    nest.verbosity = "ERROR" if isinstance(nest.verbosity, str) else nest.verbosity
    cells = nest.Create(job["model"], job.get("n", 1), params=job["parameters"])
    spikes = nest.Create("spike_recorder")
    if "rate" not in job["model"]:
        nest.Connect(cells, spikes)
    if job.get("current"):
        source = nest.Create("dc_generator", params={"amplitude": job["current"]})
        nest.Connect(source, cells, syn_spec={"delay": job["dt"]})
    trace = job.get("trace")
    if trace:
        meter = nest.Create("multimeter", params={"record_from": [trace], "interval": job["dt"]})
        nest.Connect(meter, cells)
    nest.Simulate(job["duration"])
    return {
        "times": [float(t) for t in spikes.events["times"]],
        "trace": [float(x) for x in meter.events[trace]] if trace else [],
    }


if __name__ == "__main__":
    results = [run(job) for job in json.load(sys.stdin)]
    print("\n" + json.dumps(results))
