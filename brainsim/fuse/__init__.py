"""Fused kernels: plain `jnp` code as native loops, without a second version of any equation.

XLA makes about ten loops over memory of one neuron update on the CPU: one for each result, and one for every `exp`.
Here the update is traced to a jaxpr, and the same jaxpr becomes one loop in machine code (by LLVM), which reads every
state once and writes it once. Three ways in:

    fuse.pointwise(step)   a function of arrays of one shape as one kernel; jit, grad, vmap, jvp
    fuse.scan(step)        such a function over time: a tile of elements runs through all steps in the cache, forward
                           and backward; the backward step is JAX's own derivative of `step`, fused in the same way
    fuse.feedback(step, cross)  the same where the elements of a row hear, through a dense matrix, what they emitted
    fuse.loop(body, ...)   `jax.lax.scan` for a network: pointwise operations become kernels, event operators stay
                           operators, and all steps together one native call; `run` and `simulate` use it

What fuses: arithmetic, comparisons, `where`, integer and bit operations, conversions, exp, expm1, log, log1p, tanh,
logistic as vector polynomials (within 2 units in the last place in float32, 4 in float64), sqrt, rsqrt, powers, sin,
cos, erf and the like through the C library, one lane at a time; broadcasts of numbers, of one row for all trials and of
one number for each trial; `while_loop`s under `vmap`, as in Poisson counts; the numbers that `Stream` draws. What does
not change from step to step, such as exp(-dt / tau), is computed before the loop, also where tau is trained.

What does not: operations that mix elements (sort, cumsum, convolution, matrix products but those of event operators),
float16, arrays without elements (a matrix without synapses drops out of the loop). It runs on XLA, and the log of
"brainsim" names the operation and the line that wrote it; `bs.explain(net)` lists what became of every part. On a GPU
or TPU the definition goes to XLA, which fuses there.

Floating point is IEEE: nothing is reordered, no operation is contracted to a fused multiply-add, except inside the
vector polynomials. XLA itself does contract, so the two paths differ in the last places. `BRAINSIM_KERNELS=off` turns
all of this off; `BRAINSIM_CACHE` is the folder that machine code is kept in.

    graph     a jaxpr as a flat list of operations        emit*, vector_math    operations as LLVM vectors
    empty     what changes nothing                        kernel                one loop over a domain
    hoist     what leaves the loop                        compile, machine      from source to address
    rewrite   operators on bits and in place              program               what the native handler executes
    schedule  which operations share a kernel             recurrence, tiles     `scan`, and its native programs
    layout    where values lie                            plan, stitch, loop    whole loops, loops in parts
    parted    what of a step is done for each element     echo, feedback_tiles  `feedback`, likewise
                                                          segments              gradients that recompute
"""

from .feedback import feedback as feedback
from .loop import loop as loop
from .pointwise import pointwise as pointwise
from .scan import scan as scan
