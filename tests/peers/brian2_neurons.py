"""Single neurons in Brian2: a list of jobs as JSON on stdin, the steps of their spikes as JSON on the last line.

A job is {"equations", "method", "threshold", "reset", "refractory", "start" (values by variable), "dt", "steps"}; all
quantities are numbers, times in ms (an equation ends in `/ms`).
"""

import json
import sys

import brian2
from brian2 import ms

brian2.prefs.codegen.target = "numpy"
brian2.BrianLogger.suppress_hierarchy("brian2")


def run(job):
    brian2.start_scope()
    brian2.defaultclock.dt = job["dt"] * ms
    refractory = job["refractory"] if isinstance(job["refractory"], str) else job["refractory"] * ms
    group = brian2.NeuronGroup(
        1,
        job["equations"],
        method=job["method"],
        threshold=job["threshold"],
        reset=job["reset"],
        refractory=refractory,
        namespace={"ms": ms, "exp": brian2.exp},
    )
    for name, value in job["start"].items():
        setattr(group, name, value)
    monitor = brian2.SpikeMonitor(group)
    network = brian2.Network(group, monitor)
    network.run(job["steps"] * job["dt"] * ms, namespace={"ms": ms})
    return [round(float(t / ms) / job["dt"]) for t in monitor.t]


if __name__ == "__main__":
    results = [run(job) for job in json.load(sys.stdin)]
    print("\n" + json.dumps(results))
