// Where the entries of an image and those of its convolution meet, and the layout in which three loops go over them.
//
//   y[o, i] = sum_c sum_k W[c, o, k] x[c, u],   i s = u + p - k d        stride s, dilation d, p zeros in front; per axis
//
// An input u reaches the outputs of the taps k with k d = u + p (mod s), its phase. With the taps of each phase side by side and
// descending, the outputs of neighbouring taps lie d / gcd(s, d) apart and ascend: one run where that is 1. Images of outputs have
// their channels last and margins for all that inputs reach beyond the edge, so that no loop asks where the edge is.
#pragma once
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace brainsim {

struct ConvAxis {
  int64_t in, out, kernel, stride, dilation, before;  // before: zeros in front of the first input
};

struct ConvShape {
  int64_t c_in, c_out, groups;  // channels in all; those of different groups do not mix
  ConvAxis y, x;
};

// One axis: the taps in their order by phase, and what each input reaches.
struct AxisPlan {
  struct Phase {
    int32_t tap, taps;  // its first tap (in the order) and how many it has
  };
  struct Reach {
    int32_t phase, tap, taps;  // of the input
    int64_t out;               // the output of the first tap, counted from the margin's edge
  };
  std::vector<int64_t> order;  // taps as the weights have them
  std::vector<Phase> first;    // by phase
  std::vector<Reach> reach;    // by input
  int64_t phases;              // how many there are
  int64_t apart;               // distance of the outputs of neighbouring taps
  int64_t margin = 0, extent;  // outputs in front of the first, and all of them

  explicit AxisPlan(const ConvAxis& a)
      : phases(std::min(a.stride, a.in + a.before)), apart(a.dilation / std::gcd(a.stride, a.dilation)), extent(a.out) {
    for (int64_t f = 0; f < phases; ++f) {
      first.push_back({int32_t(order.size()), 0});
      for (int64_t k = a.kernel; k-- > 0;)
        if (k * a.dilation % a.stride == f) order.push_back(k);
      first.back().taps = int32_t(order.size()) - first.back().tap;
    }
    for (int64_t u = a.before; u < a.before + a.in; ++u) {
      const Phase& f = first[size_t(u % a.stride)];
      Reach r{int32_t(u % a.stride), f.tap, f.taps, 0};
      if (r.taps > 0) {
        r.out = (u - order[size_t(r.tap)] * a.dilation) / a.stride;
        margin = std::max(margin, -r.out);
        extent = std::max(extent, r.out + (r.taps - 1) * apart + 1);
      }
      reach.push_back(r);
    }
    for (Reach& r : reach) r.out = r.taps > 0 ? r.out + margin : 0;
    extent += margin;
  }
};

// Both axes and the channels of one group.
template <class T>
struct ConvPlan {
  static constexpr int64_t kLanes = 64 / sizeof(T);
  ConvShape shape;
  AxisPlan y, x;
  int64_t c_in, c_out, width;                // channels of a group; those of the outputs with room for whole vectors
  int64_t image, space, line, cell, weights;  // entries: an input channel; an image of outputs, its line; an input channel's weights

  explicit ConvPlan(const ConvShape& s)
      : shape(s), y(s.y), x(s.x), c_in(s.c_in / s.groups), c_out(s.c_out / s.groups), width(Width(c_out)) {
    image = s.y.in * s.x.in;
    line = x.extent * width;
    space = y.extent * line;
    cell = int64_t(x.order.size()) * width;
    weights = int64_t(y.order.size()) * cell;
  }
  // Few channels take as little as they need, so that a run of taps fills a vector.
  static int64_t Width(int64_t channels) {
    if (2 * channels > kLanes) return (channels + kLanes - 1) / kLanes * kLanes;
    int64_t width = 1;
    while (width < channels) width *= 2;
    return width;
  }
  int64_t Outputs() const { return shape.y.out * shape.x.out; }
  int64_t Base(int64_t row, int64_t column) const { return y.reach[size_t(row)].out * line + x.reach[size_t(column)].out * width; }
};

// Calls f(position in weights (c_in / groups, c_out, height, width), position in those of the loops: (c_in, taps in the order of the
// plan, channels of a group with room for whole vectors)) for every weight that anything crosses.
template <class T, class F>
void EachWeight(const ConvPlan<T>& p, F&& f) {
  for (int64_t c = 0; c < p.shape.c_in; ++c)
    for (int64_t o = 0; o < p.c_out; ++o) {
      const int64_t plane = (c % p.c_in * p.shape.c_out + c / p.c_in * p.c_out + o) * p.shape.y.kernel;
      for (size_t ky = 0; ky < p.y.order.size(); ++ky)
        for (size_t kx = 0; kx < p.x.order.size(); ++kx)
          f((plane + p.y.order[ky]) * p.shape.x.kernel + p.x.order[kx],
            c * p.weights + int64_t(ky) * p.cell + int64_t(kx) * p.width + o);
    }
}

}  // namespace brainsim
