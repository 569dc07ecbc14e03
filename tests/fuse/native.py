"""Runs vector code on arrays: a loop around an emitter, compiled in this process, nothing of the package's own loop."""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from brainsim.fuse.lanes import Lanes, storage_type

I64, POINTER = ir.IntType(64), ir.PointerType()
FLUSH = 0x9FC0  # MXCSR with subnormal inputs and results taken as zero, as in XLA's threads

Emitter = Callable[[Lanes, list[ir.Value]], list[ir.Value]]


class Native:
    """Functions compiled together.

    Args:
        emitters: For each name its input dtypes, its output dtypes and the emitter of one group of lanes.
        count: Number of lanes.
        cpu: LLVM's name of the processor; the host by default.
    """

    def __init__(
        self, emitters: Mapping[str, tuple[Sequence[Any], Sequence[Any], Emitter]], count: int = 16, cpu: str = ""
    ):
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        features = "" if cpu else llvm.get_host_cpu_features().flatten()
        target = llvm.Target.from_default_triple().create_target_machine(
            cpu=cpu or llvm.get_host_cpu_name(), features=features, opt=2, jit=True
        )
        self.count, self.avx512 = count, "+avx512f" in features
        self.outputs = {name: [np.dtype(d) for d in outs] for name, (_, outs, _) in emitters.items()}
        self.inputs = {name: [np.dtype(d) for d in ins] for name, (ins, _, _) in emitters.items()}
        module = ir.Module()
        for name, (ins, outs, emitter) in emitters.items():
            self._write(module, name, ins, outs, emitter)
        parsed = llvm.parse_assembly(str(module))
        parsed.verify()
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        passes = llvm.create_pass_builder(target, options)
        passes.getModulePassManager().run(parsed, passes)
        self.assembly = target.emit_assembly(parsed)
        self.engine = llvm.create_mcjit_compiler(parsed, target)
        self.engine.finalize_object()

    def _write(self, module: ir.Module, name: str, ins: Sequence[Any], outs: Sequence[Any], emitter: Emitter) -> None:
        kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, ir.IntType(32)])
        function = ir.Function(module, kind, f"of_{name}")
        builder = ir.IRBuilder(function.append_basic_block())
        set_mode = ir.FunctionType(ir.VoidType(), [POINTER])
        mode = builder.alloca(ir.IntType(32))
        builder.store(function.args[3], mode)
        load_mode = module.globals.get("llvm.x86.sse.ldmxcsr") or ir.Function(module, set_mode, "llvm.x86.sse.ldmxcsr")
        builder.call(load_mode, [mode])

        def place(array: ir.Value, number: int, dtype: Any, at: ir.Value) -> ir.Value:
            pointer = builder.load(builder.gep(array, [ir.Constant(I64, number)], source_etype=POINTER), typ=POINTER)
            return builder.gep(pointer, [at], source_etype=storage_type(dtype))

        before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        at = builder.phi(I64)
        at.add_incoming(ir.Constant(I64, 0), before)
        values = []
        for number, dtype in enumerate(ins):
            vector = ir.VectorType(storage_type(dtype), self.count)
            loaded = builder.load(place(function.args[0], number, dtype, at), align=1, typ=vector)
            values.append(
                builder.trunc(loaded, ir.VectorType(ir.IntType(1), self.count))
                if np.dtype(dtype).kind == "b"
                else loaded
            )
        results = emitter(Lanes(builder, self.count, at, avx512=self.avx512), values)
        for number, (dtype, value) in enumerate(zip(outs, results, strict=True)):
            vector = ir.VectorType(storage_type(dtype), self.count)
            stored = builder.zext(value, vector) if np.dtype(dtype).kind == "b" else value
            builder.store(stored, place(function.args[1], number, dtype, at), align=1)
        later = builder.add(at, ir.Constant(I64, self.count))
        at.add_incoming(later, builder.block)
        builder.cbranch(builder.icmp_signed("<", later, function.args[2]), loop, after)
        builder.position_at_end(after)
        builder.store(ir.Constant(ir.IntType(32), 0x1F80), mode)
        builder.call(load_mode, [mode])
        builder.ret_void()

    def __call__(self, name: str, *arrays: np.ndarray, flush: bool = False) -> list[np.ndarray]:
        """A function's results on arrays of one length."""
        size = max((len(array) for array in arrays), default=self.count)
        padded = -(-size // self.count) * self.count
        ins = [np.zeros(padded, dtype) for dtype in self.inputs[name]]
        for held, array in zip(ins, arrays, strict=True):
            assert held.dtype == array.dtype
            held[: len(array)] = array
        outs = [np.zeros(padded, dtype) for dtype in self.outputs[name]]
        function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint32)(
            self.engine.get_function_address(f"of_{name}")
        )
        tables = [(ctypes.c_void_p * max(len(group), 1))(*(a.ctypes.data for a in group)) for group in (ins, outs)]
        function(*tables, padded, FLUSH if flush else 0x1F80)
        return [out[:size] for out in outs]
