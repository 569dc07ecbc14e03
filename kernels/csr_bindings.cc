// XLA handlers of the CSR and delay-ring operators: decode, check sizes, share out the work, call, translate the fault.
#include <cstring>

#include "bindings.h"
#include "csr.h"
#include "delay_ring.h"
#include "push.h"

namespace brainsim {
namespace {

constexpr int64_t kRowBlock = 4096;  // rows of one partial sum; fixed, so that a shared weight's gradient has fixed bits

struct Problem {
  std::string name;
  Csr m;
  int64_t batch, groups, steps;  // rows of spikes; distinct weights; distinct time steps
  const int32_t* step;

  int64_t StepOf(int64_t b) const {
    const int64_t s = step[b / (batch / steps)] % m.n_slots;
    return s < 0 ? s + m.n_slots : s;
  }
  int64_t GroupOf(int64_t b) const { return b / (batch / groups); }
  int64_t RingSize() const { return m.n_slots * m.n_post; }
};

// Reads sizes from spikes-like (*batch, n_pre), ring-like (*batch, [L,] n_post) and weight-like (G, 1 or nnz) shapes and checks them.
ffi::Error Decode(const char* loop, bool ring_operator, bool sorted, const Any& spikes, const Any& ring, const Any& weight,
                  const I32& indices, const I32& indptr, const I32& delays, const I32& step, Problem* p) {
  p->name = std::string(ring_operator ? "delay_ring_" : "csr_") + loop;
  const size_t inner = ring_operator ? 2 : 1, batch_axes = spikes.dimensions().size() - 1;
  if (spikes.dimensions().size() < 1 || ring.dimensions().size() != batch_axes + inner || weight.dimensions().size() != 2)
    return Invalid(p->name, "wrong number of dimensions");
  if (!SameType(spikes, ring, weight)) return Invalid(p->name, "all floating arrays must have one type");
  const int64_t nnz = indices.element_count(), n_delays = delays.element_count(), n_weights = Dim(weight, 1);
  p->batch = Rows(spikes, batch_axes);
  p->groups = Dim(weight, 0);
  p->steps = step.element_count();
  p->step = step.typed_data();
  p->m = {indices.typed_data(), indptr.typed_data(), delays.typed_data(), Dim(spikes, batch_axes), nnz, Dim(ring, batch_axes + inner - 1),
          ring_operator ? Dim(ring, batch_axes) : 1, n_delays != 1, n_weights != 1, sorted};
  const Csr& m = p->m;
  if (Rows(ring, batch_axes) != p->batch) return Invalid(p->name, "spikes and targets must have one batch size");
  if (int64_t(indptr.element_count()) != m.n_pre + 1) return Invalid(p->name, "`indptr` must have one more entry than there are rows");
  if (n_weights != 1 && n_weights != nnz) return Invalid(p->name, "`weight` must have one entry, or one per synapse");
  if (n_delays != 1 && n_delays != nnz) return Invalid(p->name, "`delays` must have one entry, or one per synapse");
  if (m.n_slots < 1 || m.n_post >= INT32_MAX) return Invalid(p->name, "the ring must have a slot and fewer than 2^31 targets");
  if (!Divides(p->groups, p->batch) || !Divides(p->steps, p->batch)) return Invalid(p->name, "batch sizes do not divide");
  return ffi::Error::Success();
}

// Ranges [lo, hi) that cut n items into `parts`.
int64_t Cut(int64_t n, int64_t parts, int64_t part) { return n * part / parts; }

// Synapses of the active rows.
int64_t Events(const Csr& m, const int32_t* active, int64_t n_active) {
  int64_t events = 0;
  for (int64_t a = 0; a < n_active; ++a) events += int64_t(m.indptr[active[a] + 1]) - m.indptr[active[a]];
  return events;
}

template <class T>
Fault Push(ffi::ThreadPool& threads, const Problem& p, const T* weight, const T* spikes, T* out) {
  const Loops<T>& loops = ActiveTable().of<T>();
  const Csr& m = p.m;
  const int64_t n_weights = m.weight_each ? m.nnz : 1;
  const auto member = [&](int64_t b, const int32_t* active, int64_t n_active, int64_t lo, int64_t hi) {
    return loops.csr_push(m, weight + p.GroupOf(b) * n_weights, {active, n_active, spikes + b * m.n_pre}, p.StepOf(b), {lo, hi, nullptr},
                          out + b * p.RingSize());
  };
  if (p.batch == 1) {
    const std::unique_ptr<int32_t[]> active(new int32_t[m.n_pre]);
    const int64_t n_active = loops.non_zero(spikes, m.n_pre, active.get());
    if (n_active == 0) return {};
    const Pool pool = m.sorted ? PoolFor(threads, Events(m, active.get(), n_active)) : Pool{};
    return ParallelFor(pool, pool.threads, [&](int64_t part) {
      return member(0, active.get(), n_active, Cut(m.n_post, pool.threads, part), Cut(m.n_post, pool.threads, part + 1));
    });
  }
  return ParallelFor(PoolFor(threads, p.batch * m.n_pre), p.batch, [&](int64_t b) {
    const std::unique_ptr<int32_t[]> active(new int32_t[m.n_pre]);
    const int64_t n_active = loops.non_zero(spikes + b * m.n_pre, m.n_pre, active.get());
    return member(b, active.get(), n_active, 0, m.n_post);
  });
}

template <class T>
Fault Pull(ffi::ThreadPool& threads, const Problem& p, const T* weight, const T* ct, T* out) {
  const Csr& m = p.m;
  const int64_t n_weights = m.weight_each ? m.nnz : 1;
  const Pool pool = PoolFor(threads, p.batch * m.nnz);
  const int64_t parts = pool.threads > 1 ? 8 * pool.threads : 1;
  return ParallelFor(pool, parts, [&](int64_t part) {
    const int64_t lo = Cut(m.n_pre, parts, part), hi = Cut(m.n_pre, parts, part + 1);
    for (int64_t b = 0; b < p.batch; ++b)
      if (Fault f = ActiveTable().of<T>().csr_pull(m, weight + p.GroupOf(b) * n_weights, ct + b * p.RingSize(), p.StepOf(b), lo, hi,
                                                   out + b * m.n_pre))
        return f;
    return Fault{};
  });
}

template <class T>
Fault OuterEach(ffi::ThreadPool& threads, const Problem& p, const T* spikes, const T* ct, T* out) {
  const Loops<T>& loops = ActiveTable().of<T>();
  const Csr& m = p.m;
  const Pool pool = PoolFor(threads, p.batch * m.n_pre + p.groups * m.nnz);
  const int64_t parts = pool.threads > 1 ? 4 * pool.threads : 1;
  if (m.indptr[0] != 0) return {"indptr", 0, m.indptr[0], 0, 0};
  if (m.indptr[m.n_pre] != m.nnz) return {"indptr", m.n_pre, m.indptr[m.n_pre], m.nnz, m.nnz};
  return ParallelFor(pool, parts, [&](int64_t part) -> Fault {
    const int64_t lo = Cut(m.n_pre, parts, part), hi = Cut(m.n_pre, parts, part + 1);
    const int64_t first = m.indptr[lo], last = m.indptr[hi];
    if (first < 0 || first > m.nnz) return {"indptr", lo, first, 0, m.nnz};
    if (last < first || last > m.nnz) return {"indptr", hi, last, first, m.nnz};
    Csr rows = m;
    rows.indptr += lo;
    for (int64_t g = 0; g < p.groups; ++g) std::memset(out + g * m.nnz + first, 0, sizeof(T) * (last - first));
    const std::unique_ptr<int32_t[]> active(new int32_t[hi - lo]);
    for (int64_t b = 0; b < p.batch; ++b) {
      const T* s = spikes + b * m.n_pre + lo;
      const int64_t n_active = loops.non_zero(s, hi - lo, active.get());
      Fault f = loops.csr_outer_each(rows, s, active.get(), n_active, ct + b * p.RingSize(), p.StepOf(b), first, last,
                                     out + p.GroupOf(b) * m.nnz);
      if (!f) continue;
      if (std::strcmp(f.array, "indptr") == 0) f.at += lo;
      return f;
    }
    return {};
  });
}

template <class T>
Fault OuterShared(ffi::ThreadPool& threads, const Problem& p, const T* spikes, const T* ct, T* out) {
  const Loops<T>& loops = ActiveTable().of<T>();
  const Csr& m = p.m;
  const int64_t parts = (m.n_pre + kRowBlock - 1) / kRowBlock;
  std::vector<double> partial(p.batch * parts);
  const Fault fault = ParallelFor(PoolFor(threads, p.batch * m.n_pre), p.batch * parts, [&](int64_t block) {
    const int64_t b = block / parts, lo = block % parts * kRowBlock, hi = std::min(lo + kRowBlock, m.n_pre);
    const T* s = spikes + b * m.n_pre + lo;
    Csr rows = m;
    rows.indptr += lo;
    const std::unique_ptr<int32_t[]> active(new int32_t[hi - lo]);
    const int64_t n_active = loops.non_zero(s, hi - lo, active.get());
    Fault f = loops.csr_outer_shared(rows, s, active.get(), n_active, ct + b * p.RingSize(), p.StepOf(b), &partial[block]);
    if (f && std::strcmp(f.array, "indptr") == 0) f.at += lo;
    return f;
  });
  std::vector<double> sum(p.groups);
  for (int64_t block = 0; block < p.batch * parts; ++block) sum[p.GroupOf(block / parts)] += partial[block];
  for (int64_t g = 0; g < p.groups; ++g) out[g] = T(sum[g]);
  return fault;
}

ffi::Error CsrPushCall(ffi::ThreadPool threads, Any ring, Any weight, I32 indices, I32 indptr, I32 delays, Any spikes, I32 step, Out out,
                       bool is_ring, bool is_sorted) {
  Problem p;
  if (ffi::Error e = Decode("push", is_ring, is_sorted, spikes, ring, weight, indices, indptr, delays, step, &p); e.failure()) return e;
  return ByType(p.name, spikes, [&](auto zero) {
    using T = decltype(zero);
    T* data = OutData<T>(out);
    if (data != In<T>(ring)) std::memcpy(data, In<T>(ring), ring.size_bytes());
    return Translate(p.name, Push<T>(threads, p, In<T>(weight), In<T>(spikes), data));
  });
}

// The cotangent is handed on unchanged, in place.
template <class T>
const T* HandOn(const Any& ct, Out& out) {
  T* data = OutData<T>(out);
  if (data != In<T>(ct)) std::memcpy(data, In<T>(ct), ct.size_bytes());
  return data;
}

ffi::Error CsrPullCall(ffi::ThreadPool threads, Any weight, I32 indices, I32 indptr, I32 delays, Any ct, I32 step, Out out, Out out_ct,
                       bool is_ring) {
  Problem p;
  if (ffi::Error e = Decode("pull", is_ring, false, *out, ct, weight, indices, indptr, delays, step, &p); e.failure()) return e;
  return ByType(p.name, ct, [&](auto zero) {
    using T = decltype(zero);
    return Translate(p.name, Pull<T>(threads, p, In<T>(weight), HandOn<T>(ct, out_ct), OutData<T>(out)));
  });
}

ffi::Error CsrOuterCall(ffi::ThreadPool threads, Any spikes, I32 indices, I32 indptr, I32 delays, Any ct, I32 step, Out out,
                        Out out_ct, bool is_ring) {
  Problem p;
  if (ffi::Error e = Decode("outer", is_ring, false, spikes, ct, *out, indices, indptr, delays, step, &p); e.failure()) return e;
  return ByType(p.name, ct, [&](auto zero) {
    using T = decltype(zero);
    const auto outer = p.m.weight_each ? OuterEach<T> : OuterShared<T>;
    return Translate(p.name, outer(threads, p, In<T>(spikes), HandOn<T>(ct, out_ct), OutData<T>(out)));
  });
}

// Checks ring (*batch, L, n), values (*batch, n) and slot (S,); S divides the rows.
ffi::Error CheckSlot(const std::string& name, const Any& ring, const Any& values, const I32& slot) {
  const size_t axes = values.dimensions().size();
  if (axes < 1 || ring.dimensions().size() != axes + 1 || Rows(ring, axes - 1) != Rows(values, axes - 1) ||
      Dim(ring, axes) != Dim(values, axes - 1) || Dim(ring, axes - 1) < 1)
    return Invalid(name, "a ring (batch, slots, n) goes with values (batch, n)");
  if (!SameType(ring, values)) return Invalid(name, "all floating arrays must have one type");
  if (!Divides(slot.element_count(), Rows(ring, axes - 1))) return Invalid(name, "batch sizes do not divide");
  return ffi::Error::Success();
}

// Calls f(first element of member b's ring, slot of b, b) for every member.
template <class T, class F>
ffi::Error EachMember(const std::string& name, const Any& ring, const I32& slot, T* data, F&& f) {
  const size_t axes = ring.dimensions().size();
  const int64_t batch = Rows(ring, axes - 2), n_slots = Dim(ring, axes - 2), n = Dim(ring, axes - 1);
  if (data != In<T>(ring)) std::memcpy(data, In<T>(ring), ring.size_bytes());
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t s = slot.typed_data()[b / (batch / int64_t(slot.element_count()))] % n_slots;
    f(data + b * n_slots * n, s < 0 ? s + n_slots : s, b);
  }
  return ffi::Error::Success();
}

ffi::Error DelayRingTakeCall(Any ring, I32 slot, Out arrivals, Out out) {
  const std::string name = "delay_ring_take";
  if (ffi::Error e = CheckSlot(name, ring, *arrivals, slot); e.failure()) return e;
  return ByType(name, ring, [&](auto zero) {
    using T = decltype(zero);
    const int64_t n = Dim(ring, ring.dimensions().size() - 1);
    return EachMember(name, ring, slot, OutData<T>(out),
                      [&](T* member, int64_t s, int64_t b) { DelayRingTake(member, n, s, OutData<T>(arrivals) + b * n); });
  });
}

ffi::Error DelayRingPutCall(Any ring, Any values, I32 slot, Out out) {
  const std::string name = "delay_ring_put";
  if (ffi::Error e = CheckSlot(name, ring, values, slot); e.failure()) return e;
  return ByType(name, ring, [&](auto zero) {
    using T = decltype(zero);
    const int64_t n = Dim(ring, ring.dimensions().size() - 1);
    return EachMember(name, ring, slot, OutData<T>(out),
                      [&](T* member, int64_t s, int64_t b) { DelayRingPut(member, n, s, In<T>(values) + b * n); });
  });
}

}  // namespace
}  // namespace brainsim

#pragma GCC visibility push(default)
namespace bs = brainsim;
namespace ffi = xla::ffi;

XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_csr_push_v1, bs::CsrPushCall,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<bs::Any>().Arg<bs::Any>().Arg<bs::I32>().Arg<bs::I32>()
                                  .Arg<bs::I32>().Arg<bs::Any>().Arg<bs::I32>().Ret<bs::Any>().Attr<bool>("is_ring")
                                  .Attr<bool>("is_sorted"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_csr_pull_v1, bs::CsrPullCall,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<bs::Any>().Arg<bs::I32>().Arg<bs::I32>().Arg<bs::I32>()
                                  .Arg<bs::Any>().Arg<bs::I32>().Ret<bs::Any>().Ret<bs::Any>().Attr<bool>("is_ring"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_csr_outer_v1, bs::CsrOuterCall,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<bs::Any>().Arg<bs::I32>().Arg<bs::I32>().Arg<bs::I32>()
                                  .Arg<bs::Any>().Arg<bs::I32>().Ret<bs::Any>().Ret<bs::Any>().Attr<bool>("is_ring"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_delay_ring_take_v1, bs::DelayRingTakeCall,
                              ffi::Ffi::Bind().Arg<bs::Any>().Arg<bs::I32>().Ret<bs::Any>().Ret<bs::Any>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_delay_ring_put_v1, bs::DelayRingPutCall,
                              ffi::Ffi::Bind().Arg<bs::Any>().Arg<bs::Any>().Arg<bs::I32>().Ret<bs::Any>());
#pragma GCC visibility pop
