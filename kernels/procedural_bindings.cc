// XLA handler of the procedural push: decode, check sizes, share out the work, call.
#include <cstring>

#include "bindings.h"
#include "procedural.h"

namespace brainsim {
namespace {

using U32 = ffi::Buffer<ffi::U32>;

struct Problem {
  Regenerated m;
  int64_t batch, groups, steps;
  const int32_t* step;

  int64_t StepOf(int64_t b) const {
    const int64_t s = step[b / (batch / steps)] % m.n_slots;
    return s < 0 ? s + m.n_slots : s;
  }
};

ffi::Error Check(const std::string& name, const Any& acc, const U32& key, const Any& weight, const Any& spikes, const I32& step,
                 bool is_ring, Problem* p) {
  const size_t inner = is_ring ? 2 : 1, axes = spikes.dimensions().size() - 1;
  if (spikes.dimensions().size() < 1 || acc.dimensions().size() != axes + inner || weight.dimensions().size() != 2 || Dim(weight, 1) != 2)
    return Invalid(name, "wrong number of dimensions");
  if (!SameType(spikes, acc, weight)) return Invalid(name, "all floating arrays must have one type");
  p->batch = Rows(spikes, axes);
  p->groups = Dim(weight, 0);
  p->steps = step.element_count();
  p->step = step.typed_data();
  p->m.key = key.typed_data();
  p->m.n_pre = Dim(spikes, axes);
  p->m.n_post = Dim(acc, axes + inner - 1);
  p->m.n_slots = is_ring ? Dim(acc, axes) : 1;
  if (Rows(acc, axes) != p->batch) return Invalid(name, "spikes and targets must have one batch size");
  if (key.element_count() != 4) return Invalid(name, "the key must have four words");
  if (p->m.n_slots < 1 || p->m.n_post > int64_t(1) << 30) return Invalid(name, "the ring must have a slot and at most 2^30 targets");
  if (p->m.delay < 0 || p->m.delay > p->m.n_slots || p->m.degree < -1 || p->m.degree > int64_t(1) << 30 || !(p->m.scale <= 0) ||
      p->m.law < Law::kConstant || p->m.law > Law::kNormal)
    return Invalid(name, "a number of the rule is out of range");
  if (!Divides(p->groups, p->batch) || !Divides(p->steps, p->batch)) return Invalid(name, "batch sizes do not divide");
  return ffi::Error::Success();
}

template <class T>
Fault Push(ffi::ThreadPool& threads, const Problem& p, const T* weight, const T* spikes, T* out) {
  const Loops<T>& loops = ActiveTable().of<T>();
  const Regenerated& m = p.m;
  const int64_t parts = p.batch == 1 ? PoolFor(threads, kLargeWork).threads : 1;
  std::vector<std::vector<int32_t>> active(size_t(p.batch), std::vector<int32_t>(size_t(m.n_pre)));
  int64_t events = 0;
  for (int64_t b = 0; b < p.batch; ++b) {
    active[size_t(b)].resize(size_t(loops.non_zero(spikes + b * m.n_pre, m.n_pre, active[size_t(b)].data())));
    events += int64_t(active[size_t(b)].size());
  }
  const auto cut = [&](int64_t part) { return m.n_post * part / parts; };
  return ParallelFor(PoolFor(threads, events * (m.MeanDegree() + 1)), p.batch * parts, [&](int64_t block) {
    const int64_t b = block / parts, part = block % parts;
    const Events<T> listed{active[size_t(b)].data(), int64_t(active[size_t(b)].size()), spikes + b * m.n_pre};
    loops.procedural_push(m, weight + b / (p.batch / p.groups) * 2, listed, p.StepOf(b), cut(part), cut(part + 1),
                          out + b * m.n_slots * m.n_post);
    return Fault{};
  });
}

ffi::Error ProceduralPushCall(ffi::ThreadPool threads, Any acc, Any weight, U32 key, Any spikes, I32 step, Out out, bool is_ring,
                              bool skip, int64_t delay, int64_t degree, int64_t law, float scale) {
  const std::string name = "procedural_push";
  Problem p{};
  p.m.degree = degree;
  p.m.scale = scale;
  p.m.delay = delay;
  p.m.law = Law(law);
  p.m.skip = skip;
  if (ffi::Error e = Check(name, acc, key, weight, spikes, step, is_ring, &p); e.failure()) return e;
  return ByType(name, spikes, [&](auto zero) {
    using T = decltype(zero);
    T* data = OutData<T>(out);
    if (data != In<T>(acc)) std::memcpy(data, In<T>(acc), acc.size_bytes());
    return Translate(name, Push<T>(threads, p, In<T>(weight), In<T>(spikes), data));
  });
}

}  // namespace
}  // namespace brainsim

#pragma GCC visibility push(default)
namespace bs = brainsim;
namespace ffi = xla::ffi;

XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_procedural_push_v1, bs::ProceduralPushCall,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<bs::Any>().Arg<bs::Any>().Arg<bs::U32>().Arg<bs::Any>()
                                  .Arg<bs::I32>().Ret<bs::Any>().Attr<bool>("is_ring").Attr<bool>("skip").Attr<int64_t>("delay")
                                  .Attr<int64_t>("degree").Attr<int64_t>("law").Attr<float>("scale"));
#pragma GCC visibility pop
