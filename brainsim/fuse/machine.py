"""The processor that fused functions are compiled for, and LLVM's code generator for it.

It is this one, or the narrower instruction set that `BRAINSIM_ISA` names, as for the operators.
"""

import functools
import os

import llvmlite
import llvmlite.binding as llvm

_NAMED = {"avx512": "x86-64-v4", "avx2": "x86-64-v3", "baseline": "x86-64"}


@functools.cache
def processor() -> tuple[str, str]:
    """Name and features, as LLVM writes them."""
    wish = os.environ.get("BRAINSIM_ISA", "")
    if wish and llvm.get_process_triple().startswith("x86_64"):
        return _NAMED[wish], ""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@functools.cache
def identity() -> str:
    """What machine code depends on beside its source."""
    return " ".join([llvmlite.__version__, ".".join(map(str, llvm.llvm_version_info)), *processor()])


@functools.cache
def has_avx512() -> bool:
    """Whether vectors of 64 bytes are one register."""
    name, features = processor()
    return name == _NAMED["avx512"] or "+avx512f" in features.split(",")


def target() -> llvm.TargetMachine:
    """A new code generator (an engine takes it over); floating-point operations are never contracted."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = processor()
    return llvm.Target.from_default_triple().create_target_machine(cpu=name, features=features, opt=3, jit=True)


def optimize(module: llvm.ModuleRef) -> None:
    """Run LLVM's passes for single functions of straight vector code."""
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(target(), options)
    builder.getModulePassManager().run(module, builder)
