// XLA handlers of the event-driven dense products, and what the library says of itself.
#include <atomic>

#include "bindings.h"

namespace brainsim {
namespace {

using Bytes = ffi::Buffer<ffi::U8>;

struct Shape {
  int64_t rows, n_in, n_out, groups;  // `groups` weight matrices share out the rows in contiguous runs
};

ffi::Error CheckDense(const std::string& name, const Any& spikes, const Any& wide, const Any& weight, Shape* s) {
  if (spikes.dimensions().size() != 2 || wide.dimensions().size() != 2 || weight.dimensions().size() != 3)
    return Invalid(name, "wrong number of dimensions");
  if (!SameType(spikes, wide, weight)) return Invalid(name, "all floating arrays must have one type");
  *s = {Dim(spikes, 0), Dim(spikes, 1), Dim(wide, 1), Dim(weight, 0)};
  if (Dim(wide, 0) != s->rows || Dim(weight, 1) != s->n_in || Dim(weight, 2) != s->n_out || !Divides(s->groups, s->rows) ||
      s->n_in >= INT32_MAX)
    return Invalid(name, "shapes of spikes, weight and result do not fit");
  return ffi::Error::Success();
}

// Rows of bits are padded to words of 64.
bool IsPacked(const Bytes& bits, int64_t rows, int64_t n) {
  return bits.dimensions().size() == 2 && bits.dimensions()[0] == rows && bits.dimensions()[1] == (n + 63) / 64 * 8;
}

// `bits` and `unit` (whether all spikes are 0 or 1) where they are asked for.
ffi::Error EventDense(ffi::ThreadPool& threads, Any spikes, Any weight, const Any* bias, Out out, Bytes* bits, bool* unit) {
  const std::string name = "event_dense";
  Shape s;
  if (ffi::Error e = CheckDense(name, spikes, *out, weight, &s); e.failure()) return e;
  if (bias && (!SameType(spikes, *bias) || bias->dimensions().size() != 2 || Dim(*bias, 0) != s.groups || Dim(*bias, 1) != s.n_out))
    return Invalid(name, "bias must have the type of the weight and its shape without the inputs");
  if (bits && !IsPacked(*bits, s.rows, s.n_in)) return Invalid(name, "shapes of spikes and bits do not fit");
  std::atomic<bool> all_unit{true};
  const ffi::Error error = ByType(name, spikes, [&](auto zero) {
    using T = decltype(zero);
    return Translate(name, EachPart(PoolFor(threads, s.rows * s.n_in), s.groups, s.rows, [&](int64_t g, int64_t lo, int64_t hi) {
      if (!ActiveTable().of<T>().event_dense(In<T>(spikes) + lo * s.n_in, In<T>(weight) + g * s.n_in * s.n_out,
                                             bias ? In<T>(*bias) + g * s.n_out : nullptr, hi - lo, s.n_in, s.n_out,
                                             OutData<T>(out) + lo * s.n_out,
                                             bits ? bits->typed_data() + lo * bits->dimensions()[1] : nullptr))
        all_unit.store(false, std::memory_order_relaxed);
    }));
  });
  if (unit) *unit = all_unit.load();
  return error;
}

ffi::Error EventDenseCall(ffi::ThreadPool threads, Any spikes, Any weight, Out out) {
  return EventDense(threads, spikes, weight, nullptr, out, nullptr, nullptr);
}

ffi::Error EventAffineCall(ffi::ThreadPool threads, Any spikes, Any weight, Any bias, Out out) {
  return EventDense(threads, spikes, weight, &bias, out, nullptr, nullptr);
}

ffi::Error EventPackedCall(ffi::ThreadPool threads, Any spikes, Any weight, Any bias, Out out, ffi::Result<Bytes> bits,
                           ffi::Result<ffi::Buffer<ffi::PRED>> unit) {
  if (unit->element_count() != 1) return Invalid("event_dense", "one flag expected");
  return EventDense(threads, spikes, weight, &bias, out, &*bits, unit->typed_data());
}

ffi::Error EventDenseOuterCall(ffi::ThreadPool threads, Any spikes, Any ct, Out out) {
  const std::string name = "event_dense_outer";
  Shape s;
  if (ffi::Error e = CheckDense(name, spikes, ct, *out, &s); e.failure()) return e;
  return ByType(name, spikes, [&](auto zero) {
    using T = decltype(zero);
    const Pool pool = PoolFor(threads, s.rows * s.n_in);
    const int64_t run = s.groups ? s.rows / s.groups : 0, parts = pool.threads > 1 ? std::min((s.n_in + 63) / 64, pool.threads) : 1;
    return Translate(name, ParallelFor(pool, s.groups * parts, [&](int64_t block) {
      const int64_t g = block / parts, part = block % parts;
      ActiveTable().of<T>().event_dense_outer(In<T>(spikes) + g * run * s.n_in, In<T>(ct) + g * run * s.n_out, run, s.n_in, s.n_out,
                                              s.n_in * part / parts, s.n_in * (part + 1) / parts,
                                              OutData<T>(out) + g * s.n_in * s.n_out);
      return Fault{};
    }));
  });
}

ffi::Error PackBitsCall(ffi::ThreadPool threads, Any spikes, ffi::Result<Bytes> bits) {
  const std::string name = "pack_bits";
  if (spikes.dimensions().size() != 2 || !IsPacked(*bits, Dim(spikes, 0), Dim(spikes, 1)))
    return Invalid(name, "shapes of spikes and bits do not fit");
  const int64_t rows = Dim(spikes, 0), n = Dim(spikes, 1);
  return ByType(name, spikes, [&](auto zero) {
    using T = decltype(zero);
    return Translate(name, EachPart(PoolFor(threads, rows * n / 8), 1, rows, [&](int64_t, int64_t lo, int64_t hi) {
      ActiveTable().of<T>().pack_rows(In<T>(spikes) + lo * n, hi - lo, n, bits->typed_data() + lo * ((n + 63) / 64 * 8));
    }));
  });
}

ffi::Error PackedOuterCall(ffi::ThreadPool threads, Bytes bits, Any ct, Out out) {
  const std::string name = "packed_outer";
  if (ct.dimensions().size() != 2 || out->dimensions().size() != 3 || !SameType(ct, *out)) return Invalid(name, "wrong arrays");
  const int64_t rows = Dim(ct, 0), n_out = Dim(ct, 1), groups = Dim(*out, 0), n_in = Dim(*out, 1);
  if (!IsPacked(bits, rows, n_in) || Dim(*out, 2) != n_out || !Divides(groups, rows) || n_in >= INT32_MAX)
    return Invalid(name, "shapes of bits, gradient and result do not fit");
  return ByType(name, ct, [&](auto zero) {
    using T = decltype(zero);
    const Pool pool = PoolFor(threads, rows * n_in);
    const int64_t run = groups ? rows / groups : 0, words = (n_in + 63) / 64, parts = pool.threads > 1 ? std::min(words, pool.threads) : 1;
    return Translate(name, ParallelFor(pool, groups * parts, [&](int64_t block) {
      const int64_t g = block / parts, part = block % parts, lo = words * part / parts * 64, hi = words * (part + 1) / parts * 64;
      ActiveTable().of<T>().packed_outer(bits.typed_data() + g * run * words * 8, In<T>(ct) + g * run * n_out, run, n_in, n_out, lo,
                                         std::min(hi, n_in), OutData<T>(out) + g * n_in * n_out);
      return Fault{};
    }));
  });
}

ffi::Error SampledDenseCall(ffi::ThreadPool threads, Any ct, Any weight, ffi::Buffer<ffi::PRED> wanted, Out out) {
  const std::string name = "sampled_dense";
  Shape s;
  if (ffi::Error e = CheckDense(name, *out, ct, weight, &s); e.failure()) return e;
  if (wanted.dimensions().size() != 2 || wanted.dimensions()[0] != s.rows || wanted.dimensions()[1] != s.n_in)
    return Invalid(name, "the mask must have the shape of the result");
  return ByType(name, ct, [&](auto zero) {
    using T = decltype(zero);
    return Translate(name, EachPart(PoolFor(threads, s.rows * s.n_in), s.groups, s.rows, [&](int64_t g, int64_t lo, int64_t hi) {
      ActiveTable().of<T>().sampled_dense(In<T>(ct) + lo * s.n_out, In<T>(weight) + g * s.n_in * s.n_out,
                                          reinterpret_cast<const uint8_t*>(wanted.typed_data()) + lo * s.n_in, hi - lo, s.n_in, s.n_out,
                                          OutData<T>(out) + lo * s.n_in);
    }));
  });
}

}  // namespace
}  // namespace brainsim

#pragma GCC visibility push(default)
namespace bs = brainsim;
namespace ffi = xla::ffi;

XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_event_dense_v1, bs::EventDenseCall,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<bs::Any>().Arg<bs::Any>().Ret<bs::Any>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_event_affine_v1, bs::EventAffineCall,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<bs::Any>().Arg<bs::Any>().Arg<bs::Any>().Ret<bs::Any>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_event_packed_v1, bs::EventPackedCall,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<bs::Any>().Arg<bs::Any>().Arg<bs::Any>().Ret<bs::Any>()
                                  .Ret<ffi::Buffer<ffi::U8>>().Ret<ffi::Buffer<ffi::PRED>>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_event_dense_outer_v1, bs::EventDenseOuterCall,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<bs::Any>().Arg<bs::Any>().Ret<bs::Any>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_pack_bits_v1, bs::PackBitsCall,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<bs::Any>().Ret<ffi::Buffer<ffi::U8>>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_packed_outer_v1, bs::PackedOuterCall,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<ffi::Buffer<ffi::U8>>().Arg<bs::Any>().Ret<bs::Any>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_sampled_dense_v1, bs::SampledDenseCall,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<bs::Any>().Arg<bs::Any>().Arg<ffi::Buffer<ffi::PRED>>()
                                  .Ret<bs::Any>());

extern "C" {
int bs_ffi_major() { return XLA_FFI_API_MAJOR; }
int bs_ffi_minor() { return XLA_FFI_API_MINOR; }
const char* bs_digest() { return BS_DIGEST; }
const char* bs_isa() { return bs::ActiveTable().isa; }
const char* bs_isa_problem() { return bs::TableProblem(); }
}
#pragma GCC visibility pop
