// A convolution y = x * W, its gradient to the weights, both touching only the non-zero entries of x, and its gradient to x, dense.
//
//   y[o, i] = sum_c sum_k W[c, o, k] x[c, u]   dW[c, o, k] = sum_r x[r, c, u] g[r, o, i]   dx[c, u] = sum_o sum_k W[c, o, k] g[o, i]
//
// In the layout of conv_plan.h an event is a few runs of additions, an entry of dx a few runs of products. Sums go over the events in
// their order (y), over the rows and their events in order (dW), and over taps by lane, then lanes as a tree (dx). An image that is
// mostly non-zero is convolved densely, each output in registers: channels and taps ascend, which is the order of its events.
#pragma once
#include <cmath>
#include <memory>

#include "conv_plan.h"
#include "vec.h"

namespace brainsim::BS_ISA {

inline constexpr int64_t kConvTile = 262144;  // bytes of g whose events are listed together
inline constexpr int64_t kConvStreams = 16;   // channels that are transposed together
inline constexpr double kConvDense = 0.3;     // share of non-zero entries from which an image is convolved densely (0.25 to 0.4)

// to[j, i] = from[i, j], 4 by 4.
template <class T>
inline void Transpose4(const T* from, int64_t from_stride, T* to, int64_t to_stride) {
  typedef T Four __attribute__((vector_size(4 * sizeof(T))));
  Four a[4];
  for (int i = 0; i < 4; ++i) std::memcpy(&a[i], from + i * from_stride, sizeof a[i]);
  const Four low0 = {a[0][0], a[1][0], a[0][1], a[1][1]}, low1 = {a[2][0], a[3][0], a[2][1], a[3][1]};
  const Four high0 = {a[0][2], a[1][2], a[0][3], a[1][3]}, high1 = {a[2][2], a[3][2], a[2][3], a[3][3]};
  const Four b[4] = {{low0[0], low0[1], low1[0], low1[1]},
                     {low0[2], low0[3], low1[2], low1[3]},
                     {high0[0], high0[1], high1[0], high1[1]},
                     {high0[2], high0[3], high1[2], high1[3]}};
  for (int j = 0; j < 4; ++j) std::memcpy(to + j * to_stride, &b[j], sizeof b[j]);
}

// to[j, i] = from[i, j] for i < rows, j < columns.
template <class T>
void Transpose(const T* from, int64_t from_stride, int64_t rows, int64_t columns, T* to, int64_t to_stride) {
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    int64_t j = 0;
    for (; j + 4 <= columns; j += 4) Transpose4(from + i * from_stride + j, from_stride, to + j * to_stride + i, to_stride);
    for (; j < columns; ++j)
      for (int64_t k = i; k < i + 4; ++k) to[j * to_stride + k] = from[k * from_stride + j];
  }
  for (; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) to[j * to_stride + i] = from[i * from_stride + j];
}

// An image of outputs with its channels first (c_out, height, width), from or to the layout of the loops: some channels after others,
// because too many of them at once are more streams than a processor prefetches.
template <class T>
void ChannelsFirst(const ConvPlan<T>& p, const T* from, T* to) {
  for (int64_t c = 0; c < p.c_out; c += kConvStreams)
    for (int64_t i = 0; i < p.shape.y.out; ++i)
      Transpose(from + (p.y.margin + i) * p.line + p.x.margin * p.width + c, p.width, p.shape.x.out, std::min(kConvStreams, p.c_out - c),
                to + c * p.Outputs() + i * p.shape.x.out, p.Outputs());
}
template <class T>
void ChannelsLast(const ConvPlan<T>& p, const T* from, T* to) {
  for (int64_t c = 0; c < p.c_out; c += kConvStreams)
    for (int64_t i = 0; i < p.shape.y.out; ++i)
      Transpose(from + c * p.Outputs() + i * p.shape.x.out, p.Outputs(), std::min(kConvStreams, p.c_out - c), p.shape.x.out,
                to + (p.y.margin + i) * p.line + p.x.margin * p.width + c, p.width);
}

// dst[0 .. n) += value * src[0 .. n).
template <class T, bool kUnit>
inline void AddRun(const T* src, T value, int64_t n, T* dst) {
  constexpr int64_t kLanes = Lanes<T>::kCount;
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) Store(dst + j, Load(dst + j) + (kUnit ? Load(src + j) : value * Load(src + j)));
  for (; j < n; ++j) dst[j] += kUnit ? src[j] : value * src[j];
}

// Adds what one event sends: `weights` of its channel and first taps, `outputs` from the first it reaches.
template <class T, bool kUnit>
inline void Send(const ConvPlan<T>& p, const T* weights, T value, int64_t taps_y, int64_t taps_x, T* outputs) {
  for (int64_t k = 0; k < taps_y; ++k, weights += p.cell, outputs += p.y.apart * p.line) {
    if (p.x.apart == 1) {
      AddRun<T, kUnit>(weights, value, taps_x * p.width, outputs);
    } else {
      for (int64_t j = 0; j < taps_x; ++j)
        AddRun<T, kUnit>(weights + j * p.width, value, p.width, outputs + j * p.x.apart * p.width);
    }
  }
}

// An image with its zeros around it, and where each tap reads it and its weights, in ascending order.
template <class T>
struct Padded {
  struct Tap {
    int64_t pixel, weight;
  };
  int64_t height, breadth;
  std::unique_ptr<T[]> pixels;
  std::unique_ptr<Tap[]> taps;
  int64_t n_taps = 0;

  explicit Padded(const ConvPlan<T>& p)
      : height(Covered(p.shape.y)), breadth(Covered(p.shape.x)), pixels(new T[p.c_in * height * breadth]()),
        taps(new Tap[p.shape.y.kernel * p.shape.x.kernel]) {
    for (int64_t ky = 0; ky < p.shape.y.kernel; ++ky)
      for (int64_t kx = 0; kx < p.shape.x.kernel; ++kx) {
        const auto line = std::find(p.y.order.begin(), p.y.order.end(), ky), column = std::find(p.x.order.begin(), p.x.order.end(), kx);
        if (line == p.y.order.end() || column == p.x.order.end()) continue;
        taps[n_taps++] = {ky * p.shape.y.dilation * breadth + kx * p.shape.x.dilation,
                          (line - p.y.order.begin()) * p.cell + (column - p.x.order.begin()) * p.width};
      }
  }
  static int64_t Covered(const ConvAxis& a) { return std::max<int64_t>(0, a.out - 1) * a.stride + (a.kernel - 1) * a.dilation + 1; }
  void Fill(const ConvPlan<T>& p, const T* images) {
    const ConvAxis &y = p.shape.y, &x = p.shape.x;
    const int64_t lines = std::min(y.in, height - y.before), columns = std::min(x.in, breadth - x.before);
    for (int64_t c = 0; c < p.c_in; ++c)
      for (int64_t i = 0; i < lines && columns > 0; ++i)
        std::copy_n(images + (c * y.in + i) * x.in, columns, &pixels[(c * height + y.before + i) * breadth + x.before]);
  }
};

// Neighbouring outputs of a line, `n` of them, in kBlocks vectors of channels. The last block may do again what the one before it did.
template <class T, int kPixels, int kBlocks>
void DenseLine(const ConvPlan<T>& p, const Padded<T>& image, const T* pixels, const T* weights, int64_t n, T* outputs) {
  constexpr int64_t kLanes = Lanes<T>::kCount;
  if constexpr (kPixels > 1) {
    if (n < kPixels) return DenseLine<T, kPixels / 2, kBlocks>(p, image, pixels, weights, n, outputs);
  }
  const int64_t step = p.shape.x.stride;
  for (int64_t a = 0; a < n; a += kPixels) {
    const int64_t at = std::min(a, n - kPixels);
    typename Lanes<T>::Vec sum[kPixels][kBlocks] = {};
    for (int64_t c = 0; c < p.c_in; ++c)
      for (int64_t t = 0; t < image.n_taps; ++t) {
        const T* from = pixels + c * image.height * image.breadth + image.taps[t].pixel + at * step;
        const T* w = weights + c * p.weights + image.taps[t].weight;
        for (int i = 0; i < kPixels; ++i)
          for (int j = 0; j < kBlocks; ++j) sum[i][j] += from[i * step] * Load(w + j * kLanes);
      }
    for (int i = 0; i < kPixels; ++i)
      for (int j = 0; j < kBlocks; ++j) Store(outputs + (at + i) * p.width + j * kLanes, sum[i][j]);
  }
}

// All channels of a group from `channel` on, kBlocks vectors at a time.
template <class T, int kBlocks>
void DenseConv(const ConvPlan<T>& p, const Padded<T>& image, const T* weights, int64_t channel, T* outputs) {
  constexpr int64_t kWide = kBlocks * Lanes<T>::kCount;
  constexpr int kPixels = kAccumulators / kBlocks < 8 ? kAccumulators / kBlocks : 8;
  for (; channel + kWide <= p.width; channel += kWide)
    for (int64_t i = 0; i < p.shape.y.out; ++i)
      DenseLine<T, kPixels, kBlocks>(p, image, &image.pixels[i * p.shape.y.stride * image.breadth], weights + channel, p.shape.x.out,
                                     outputs + (p.y.margin + i) * p.line + p.x.margin * p.width + channel);
  if constexpr (kBlocks > 1) DenseConv<T, kBlocks / 2>(p, image, weights, channel, outputs);
}

// y (n_rows, c_out, height, width) = x (n_rows, c_in, height, width) * W, whose weights are in the layout of the loops.
template <class T>
void EventConv(const ConvPlan<T>& p, const T* x, const T* weight, int64_t n_rows, T* y) {
  const int64_t n = p.c_in * p.image, n_out = p.c_out * p.Outputs();
  const std::unique_ptr<T[]> outputs(new T[p.space]);
  const std::unique_ptr<int32_t[]> ids(new int32_t[n]);
  std::unique_ptr<Padded<T>> dense;
  for (int64_t part = 0; part < n_rows * p.shape.groups; ++part) {
    const T* images = x + part * n;
    const T* weights = weight + part % p.shape.groups * p.c_in * p.weights;
    const int64_t count = NonZero(images, n, ids.get());
    if (double(count) > kConvDense * double(n) && p.width % Lanes<T>::kCount == 0) {
      if (!dense) dense.reset(new Padded<T>(p));
      dense->Fill(p, images);
      DenseConv<T, (kAccumulators >= 16 ? 4 : 1)>(p, *dense, weights, 0, outputs.get());
      ChannelsFirst(p, outputs.get(), y + part * n_out);
      continue;
    }
    std::fill(outputs.get(), outputs.get() + p.space, T(0));
    for (int64_t e = 0; e < count; ++e) {
      const uint32_t at = uint32_t(ids[e]), above = at / uint32_t(p.shape.x.in);
      const AxisPlan::Reach& i = p.y.reach[above % uint32_t(p.shape.y.in)];
      const AxisPlan::Reach& j = p.x.reach[at - above * uint32_t(p.shape.x.in)];
      const T value = images[at];
      const T* first = weights + above / uint32_t(p.shape.y.in) * p.weights + i.tap * p.cell + j.tap * p.width;
      T* reached = outputs.get() + i.out * p.line + j.out * p.width;
      if (value == T(1)) Send<T, true>(p, first, value, i.taps, j.taps, reached);
      else Send<T, false>(p, first, value, i.taps, j.taps, reached);
    }
    ChannelsFirst(p, outputs.get(), y + part * n_out);
  }
}

// Events of one channel in a tile of rows, by phase: list f is [start[f], start[f + 1]) of `at`, where the event's first output is, and
// `value`. The others are scratch.
template <class T>
struct PhaseLists {
  std::unique_ptr<int32_t[]> at, start, ids, base, phase;
  std::unique_ptr<T[]> value, graded;
  bool unit = true;  // all values are 1
  PhaseLists(int64_t phases, int64_t capacity)
      : at(new int32_t[capacity]), start(new int32_t[phases + 1]), ids(new int32_t[capacity]), base(new int32_t[capacity]),
        phase(new int32_t[capacity]), value(new T[capacity]), graded(new T[capacity]) {}
};

// What an event that is not finite adds, without a product for a margin.
template <class T>
void AddWithin(const ConvPlan<T>& p, const AxisPlan::Reach& i, const AxisPlan::Reach& j, const T* grads, T value, T* dw) {
  for (int64_t ky = 0; ky < i.taps; ++ky)
    for (int64_t kx = 0; kx < j.taps; ++kx) {
      const int64_t line = i.out + ky * p.y.apart - p.y.margin, column = j.out + kx * p.x.apart - p.x.margin;
      if (line < 0 || line >= p.shape.y.out || column < 0 || column >= p.shape.x.out) continue;
      AddRun<T, false>(grads + (line + p.y.margin) * p.line + (column + p.x.margin) * p.width, value, p.c_out,
                       dw + (i.tap + ky) * p.cell + (j.tap + kx) * p.width);
    }
}

// Lists the events of images `stride` apart, whose outputs are p.space apart.
template <class T>
void ListByPhase(const ConvPlan<T>& p, const T* images, int64_t stride, int64_t n_rows, const T* grads, T* dw, PhaseLists<T>* lists) {
  const int64_t phases = p.y.phases * p.x.phases;
  int32_t* start = lists->start.get();
  std::fill(start, start + phases + 1, 0);
  lists->unit = true;
  int64_t n = 0;
  for (int64_t r = 0; r < n_rows; ++r) {
    const T* image = images + r * stride;
    const int64_t count = NonZero(image, p.image, lists->ids.get());
    for (int64_t e = 0; e < count; ++e) {
      const uint32_t at = uint32_t(lists->ids[e]), line = at / uint32_t(p.shape.x.in);
      const AxisPlan::Reach &i = p.y.reach[line], &j = p.x.reach[at - line * uint32_t(p.shape.x.in)];
      const T value = image[at];
      if (!std::isfinite(value)) {
        AddWithin(p, i, j, grads + r * p.space, value, dw);
        continue;
      }
      lists->base[n] = int32_t(r * p.space + i.out * p.line + j.out * p.width);
      lists->phase[n] = int32_t(i.phase * p.x.phases + j.phase);
      lists->graded[n] = value;
      lists->unit &= value == T(1);
      ++start[lists->phase[n++] + 1];
    }
  }
  for (int64_t f = 0; f < phases; ++f) start[f + 1] += start[f];
  for (int64_t e = 0; e < n; ++e) {
    const int32_t place = start[lists->phase[e]]++;
    lists->at[place] = lists->base[e];
    lists->value[place] = lists->graded[e];
  }
  for (int64_t f = phases; f > 0; --f) start[f] = start[f - 1];
  start[0] = 0;
}

// dst[0 .. n) += sum over events [begin, end) of value * src[at .. at + n): strips of kBlocks vectors, then narrower ones.
template <class T, int kBlocks, bool kUnit>
inline void Gather(const T* src, const PhaseLists<T>& events, int64_t begin, int64_t end, int64_t n, T* dst) {
  constexpr int64_t kLanes = Lanes<T>::kCount;
  for (; n >= kBlocks * kLanes; n -= kBlocks * kLanes, src += kBlocks * kLanes, dst += kBlocks * kLanes) {
    typename Lanes<T>::Vec sum[kBlocks];
    for (int j = 0; j < kBlocks; ++j) sum[j] = Load(dst + j * kLanes);
    for (int64_t e = begin; e < end; ++e)
      for (int j = 0; j < kBlocks; ++j) {
        const auto line = Load(src + events.at[e] + j * kLanes);
        sum[j] += kUnit ? line : events.value[e] * line;
      }
    for (int j = 0; j < kBlocks; ++j) Store(dst + j * kLanes, sum[j]);
  }
  if constexpr (kBlocks > 1) {
    Gather<T, kBlocks / 2, kUnit>(src, events, begin, end, n, dst);
  } else {
    for (int64_t e = begin; e < end && n > 0; ++e)
      for (int64_t j = 0; j < n; ++j) dst[j] += kUnit ? src[events.at[e] + j] : events.value[e] * src[events.at[e] + j];
  }
}

// One phase of a channel: dw are its weights from the phase's first taps on.
template <class T, bool kUnit>
void GatherPhase(const ConvPlan<T>& p, const T* grads, const PhaseLists<T>& lists, int64_t begin, int64_t end, int64_t taps_y,
                 int64_t taps_x, T* dw) {
  const int64_t runs = p.x.apart == 1 ? 1 : taps_x, n = p.x.apart == 1 ? taps_x * p.width : p.width;
  for (int64_t k = 0; k < taps_y; ++k)
    for (int64_t j = 0; j < runs; ++j)
      Gather<T, kAccumulators, kUnit>(grads + k * p.y.apart * p.line + j * p.x.apart * p.width, lists, begin, end, n,
                                      dw + k * p.cell + j * p.width);
}

// Rows of g that are listed together: what their events reach has to fit 32 bits.
template <class T>
int64_t ConvTileRows(const ConvPlan<T>& p, int64_t n_rows) {
  return std::max<int64_t>(1, std::min(n_rows, kConvTile / std::max<int64_t>(1, p.space * int64_t(sizeof(T)))));
}

// dW in the layout of the loops, which is overwritten; g (n_rows, c_out, height, width).
template <class T>
void EventConvOuter(const ConvPlan<T>& p, const T* x, const T* ct, int64_t n_rows, T* dw) {
  const int64_t n_out = p.c_out * p.Outputs(), groups = p.shape.groups, tile = ConvTileRows(p, n_rows);
  std::fill(dw, dw + p.shape.c_in * p.weights, T(0));
  const std::unique_ptr<T[]> grads(new T[tile * p.space]());
  PhaseLists<T> lists(p.y.phases * p.x.phases, tile * p.image);
  for (int64_t r0 = 0; r0 < n_rows; r0 += tile) {
    const int64_t rows = std::min(tile, n_rows - r0);
    for (int64_t g = 0; g < groups; ++g) {
      for (int64_t r = 0; r < rows; ++r) ChannelsLast(p, ct + ((r0 + r) * groups + g) * n_out, grads.get() + r * p.space);
      for (int64_t c = g * p.c_in; c < (g + 1) * p.c_in; ++c) {
        T* own = dw + c * p.weights;
        ListByPhase(p, x + (r0 * p.shape.c_in + c) * p.image, p.shape.c_in * p.image, rows, grads.get(), own, &lists);
        for (int64_t f = 0; f < p.y.phases * p.x.phases; ++f) {
          const int64_t begin = lists.start[f], end = lists.start[f + 1];
          if (begin == end) continue;
          const AxisPlan::Phase &i = p.y.first[size_t(f / p.x.phases)], &j = p.x.first[size_t(f % p.x.phases)];
          const auto gather = lists.unit ? GatherPhase<T, true> : GatherPhase<T, false>;
          gather(p, grads.get(), lists, begin, end, i.taps, j.taps, own + i.tap * p.cell + j.tap * p.width);
        }
      }
    }
  }
}

// dx of kPixels inputs `step` apart on a line, whose outputs are neighbours, and of kChannels channels.
template <class T, int kPixels, int kChannels>
inline void PullBlock(const ConvPlan<T>& p, const T* grads, const T* weights, int64_t taps_y, int64_t taps_x, int64_t step, T* dx) {
  constexpr int64_t kLanes = Lanes<T>::kCount;
  const int64_t runs = p.x.apart == 1 ? 1 : taps_x, n = p.x.apart == 1 ? taps_x * p.width : p.width;
  typename Lanes<T>::Vec sum[kPixels][kChannels] = {};
  T rest[kPixels][kChannels] = {};
  for (int64_t k = 0; k < taps_y; ++k)
    for (int64_t run = 0; run < runs; ++run) {
      const T* from = grads + k * p.y.apart * p.line + run * p.x.apart * p.width;
      const T* w = weights + k * p.cell + run * p.width;
      int64_t l = 0;
      for (; l + kLanes <= n; l += kLanes)
        for (int a = 0; a < kPixels; ++a)
          for (int c = 0; c < kChannels; ++c) sum[a][c] += Load(from + a * p.width + l) * Load(w + c * p.weights + l);
      for (; l < n; ++l)
        for (int a = 0; a < kPixels; ++a)
          for (int c = 0; c < kChannels; ++c) rest[a][c] += from[a * p.width + l] * w[c * p.weights + l];
    }
  for (int a = 0; a < kPixels; ++a)
    for (int c = 0; c < kChannels; ++c) dx[c * p.image + a * step] = SumLanes<T>(sum[a][c]) + rest[a][c];
}

// A line's inputs of one phase: `pixels` of them, `step` apart. The last block may do again what the one before it did.
template <class T, int kPixels, int kChannels>
void PullLine(const ConvPlan<T>& p, const T* grads, const T* weights, int64_t taps_y, int64_t taps_x, int64_t step, int64_t pixels,
              T* dx) {
  if constexpr (kPixels > 1) {
    if (pixels < kPixels) return PullLine<T, kPixels / 2, kChannels>(p, grads, weights, taps_y, taps_x, step, pixels, dx);
  }
  for (int64_t a = 0; a < pixels; a += kPixels) {
    const int64_t at = std::min(a, pixels - kPixels);
    PullBlock<T, kPixels, kChannels>(p, grads + at * p.width, weights, taps_y, taps_x, step, dx + at * step);
  }
}

// All channels of a group, kChannels at a time.
template <class T, int kChannels>
void PullChannels(const ConvPlan<T>& p, const T* grads, const T* weights, int64_t channels, T* dx) {
  constexpr int kPixels = kAccumulators >= 16 ? 4 : 2;
  for (; channels >= kChannels; channels -= kChannels, weights += kChannels * p.weights, dx += kChannels * p.image)
    for (int64_t line = 0; line < p.shape.y.in; ++line) {
      const AxisPlan::Reach& i = p.y.reach[size_t(line)];
      for (int64_t column = 0; column < std::min(p.shape.x.stride, p.shape.x.in); ++column) {
        const AxisPlan::Reach& j = p.x.reach[size_t(column)];
        const int64_t pixels = (p.shape.x.in - column + p.shape.x.stride - 1) / p.shape.x.stride;
        PullLine<T, kPixels, kChannels>(p, grads + i.out * p.line + j.out * p.width, weights + i.tap * p.cell + j.tap * p.width,
                                        i.taps, j.taps, p.shape.x.stride, pixels, dx + line * p.shape.x.in + column);
      }
    }
  if constexpr (kChannels > 1) {
    if (channels > 0) PullChannels<T, kChannels / 2>(p, grads, weights, channels, dx);
  }
}

// dx (n_rows, c_in, height, width); g (n_rows, c_out, height, width).
template <class T>
void EventConvPull(const ConvPlan<T>& p, const T* ct, const T* weight, int64_t n_rows, T* dx) {
  constexpr int kChannels = kAccumulators >= 16 ? 4 : kAccumulators >= 4 ? 2 : 1;
  const std::unique_ptr<T[]> grads(new T[p.space]());
  for (int64_t part = 0; part < n_rows * p.shape.groups; ++part) {
    ChannelsLast(p, ct + part * p.c_out * p.Outputs(), grads.get());
    PullChannels<T, kChannels>(p, grads.get(), weight + part % p.shape.groups * p.c_in * p.weights, p.c_in,
                               dx + part * p.c_in * p.image);
  }
}

}  // namespace brainsim::BS_ISA
