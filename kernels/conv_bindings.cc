// XLA handlers of the event-driven convolution: decode, check sizes, arrange the weights, share out the rows, call.
#include "bindings.h"
#include "conv_plan.h"

namespace brainsim {
namespace {

using Geometry = ffi::Span<const int64_t>;  // feature groups; then of each axis stride, dilation, zeros in front

constexpr int64_t kConvParts = 16;          // partial sums of a weight gradient at most; fixed, so that it has fixed bits
constexpr int64_t kConvPartRows = 16;       // rows of one at least
constexpr int64_t kConvPartial = 16777216;  // entries of all of them at most, but for a single one

// Images x (R, c_in, height, width), weight (G, c_in / groups, c_out, height, width) and y (R, c_out, height, width).
struct Convolution {
  ConvShape shape;
  int64_t rows, groups;  // `groups` weights share out the rows in contiguous runs

  int64_t Run() const { return groups ? rows / groups : 0; }
  bool Empty() const {
    const ConvAxis &y = shape.y, &x = shape.x;
    return rows == 0 || shape.c_in == 0 || shape.c_out == 0 || y.in == 0 || x.in == 0 || y.out == 0 || x.out == 0;
  }
};

ffi::Error DecodeConv(const std::string& name, const Any& x, const Any& weight, const Any& y, Geometry geometry, Convolution* c) {
  if (x.dimensions().size() != 4 || weight.dimensions().size() != 5 || y.dimensions().size() != 4 || geometry.size() != 7)
    return Invalid(name, "wrong number of dimensions");
  if (!SameType(x, weight, y)) return Invalid(name, "all floating arrays must have one type");
  const int64_t features = geometry[0];
  c->shape = {Dim(x, 1), Dim(y, 1), features,
              {Dim(x, 2), Dim(y, 2), Dim(weight, 3), geometry[1], geometry[2], geometry[3]},
              {Dim(x, 3), Dim(y, 3), Dim(weight, 4), geometry[4], geometry[5], geometry[6]}};
  c->rows = Dim(x, 0);
  c->groups = Dim(weight, 0);
  if (features < 1 || c->shape.c_in % features || c->shape.c_out % features || Dim(weight, 1) != c->shape.c_in / features ||
      Dim(weight, 2) != c->shape.c_out || Dim(y, 0) != c->rows || !Divides(c->groups, c->rows))
    return Invalid(name, "shapes of images, weight and result do not fit");
  for (const ConvAxis& a : {c->shape.y, c->shape.x})
    if (a.kernel < 1 || a.stride < 1 || a.dilation < 1 || a.before < 0) return Invalid(name, "kernel, stride, dilation or padding");
  return ffi::Error::Success();
}

// Calls f(T{}, plan) where there is anything to add; positions in an image, and in a tile of its outputs, must fit 32 bits.
template <class F>
ffi::Error WithPlan(const std::string& name, const Any& x, const Convolution& c, Out& out, F&& f) {
  return ByType(name, x, [&](auto zero) {
    using T = decltype(zero);
    if (c.Empty()) {
      std::fill_n(OutData<T>(out), out->element_count(), T(0));
      return ffi::Error::Success();
    }
    bool fits = true;
    const Fault fault = RunBlock(
        [&](int64_t) {
          const ConvPlan<T> plan(c.shape);
          fits = plan.c_in * plan.image < INT32_MAX && plan.space < INT32_MAX && plan.weights < INT32_MAX;
          return fits ? f(zero, plan) : Fault{};
        },
        0);
    return fits ? Translate(name, fault) : Invalid(name, "an image must have fewer than 2^31 entries");
  });
}

// All weights, in the layout of the loops.
template <class T>
std::vector<T> Arranged(const ConvPlan<T>& p, const T* weight, int64_t groups) {
  const int64_t inner = p.shape.c_in * p.weights, outer = p.c_in * p.shape.c_out * p.shape.y.kernel * p.shape.x.kernel;
  std::vector<T> arranged(size_t(groups * inner));
  for (int64_t g = 0; g < groups; ++g)
    EachWeight(p, [&](int64_t from, int64_t to) { arranged[size_t(g * inner + to)] = weight[g * outer + from]; });
  return arranged;
}

// Calls f(weights, first row, number of rows) for blocks of rows that have one weight.
template <class T, class F>
Fault EachBlock(ffi::ThreadPool& threads, const ConvPlan<T>& p, const Convolution& c, const Any& weight, F&& f) {
  const std::vector<T> arranged = Arranged(p, In<T>(weight), c.groups);
  return EachPart(PoolFor(threads, c.rows * p.shape.c_in * p.image), c.groups, c.rows, [&](int64_t g, int64_t lo, int64_t hi) {
    f(arranged.data() + g * p.shape.c_in * p.weights, lo, hi - lo);
  });
}

ffi::Error EventConvCall(ffi::ThreadPool threads, Any x, Any weight, Out out, Geometry geometry) {
  const std::string name = "event_conv";
  Convolution c;
  if (ffi::Error e = DecodeConv(name, x, weight, *out, geometry, &c); e.failure()) return e;
  return WithPlan(name, x, c, out, [&](auto zero, const auto& p) {
    using T = decltype(zero);
    return EachBlock(threads, p, c, weight, [&](const T* weights, int64_t row, int64_t n) {
      ActiveTable().of<T>().event_conv(p, In<T>(x) + row * p.shape.c_in * p.image, weights, n,
                                       OutData<T>(out) + row * p.shape.c_out * p.Outputs());
    });
  });
}

ffi::Error EventConvPullCall(ffi::ThreadPool threads, Any weight, Any ct, Out out, Geometry geometry) {
  const std::string name = "event_conv_pull";
  Convolution c;
  if (ffi::Error e = DecodeConv(name, *out, weight, ct, geometry, &c); e.failure()) return e;
  return WithPlan(name, ct, c, out, [&](auto zero, const auto& p) {
    using T = decltype(zero);
    return EachBlock(threads, p, c, weight, [&](const T* weights, int64_t row, int64_t n) {
      ActiveTable().of<T>().event_conv_pull(p, In<T>(ct) + row * p.shape.c_out * p.Outputs(), weights, n,
                                            OutData<T>(out) + row * p.shape.c_in * p.image);
    });
  });
}

ffi::Error EventConvOuterCall(ffi::ThreadPool threads, Any x, Any ct, Out out, Geometry geometry) {
  const std::string name = "event_conv_outer";
  Convolution c;
  if (ffi::Error e = DecodeConv(name, x, *out, ct, geometry, &c); e.failure()) return e;
  return WithPlan(name, x, c, out, [&](auto zero, const auto& p) {
    using T = decltype(zero);
    const int64_t inner = p.shape.c_in * p.weights, run = c.Run(), n_out = int64_t(out->element_count()) / c.groups;
    const int64_t parts = std::max<int64_t>(1, std::min({kConvParts, run / kConvPartRows, kConvPartial / (c.groups * inner)}));
    std::vector<T> partial(size_t(c.groups * parts * inner));
    const Fault fault = ParallelFor(PoolFor(threads, c.rows * p.shape.c_in * p.image), c.groups * parts, [&](int64_t block) {
      const int64_t g = block / parts, lo = g * run + run * (block % parts) / parts, hi = g * run + run * (block % parts + 1) / parts;
      ActiveTable().of<T>().event_conv_outer(p, In<T>(x) + lo * p.shape.c_in * p.image, In<T>(ct) + lo * p.shape.c_out * p.Outputs(),
                                             hi - lo, &partial[size_t(block * inner)]);
      return Fault{};
    });
    if (fault) return fault;
    std::fill_n(OutData<T>(out), out->element_count(), T(0));
    for (int64_t block = 0; block < c.groups * parts; ++block)
      EachWeight(p, [&](int64_t to, int64_t from) {
        OutData<T>(out)[block / parts * n_out + to] += partial[size_t(block * inner + from)];
      });
    return Fault{};
  });
}

}  // namespace
}  // namespace brainsim

#pragma GCC visibility push(default)
namespace bs = brainsim;
namespace ffi = xla::ffi;

XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_event_conv_v1, bs::EventConvCall,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<bs::Any>().Arg<bs::Any>().Ret<bs::Any>()
                                  .Attr<bs::Geometry>("geometry"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_event_conv_pull_v1, bs::EventConvPullCall,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<bs::Any>().Arg<bs::Any>().Ret<bs::Any>()
                                  .Attr<bs::Geometry>("geometry"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(bs_event_conv_outer_v1, bs::EventConvOuterCall,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<bs::Any>().Arg<bs::Any>().Ret<bs::Any>()
                                  .Attr<bs::Geometry>("geometry"));
#pragma GCC visibility pop
