// Drives every loop with random and with hostile input; built with sanitizers, so that a stray access stops it.
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

#include "conv_plan.h"
#include "cross.h"
#include "csr.h"
#include "delay_ring.h"
#include "event_conv.h"
#include "event_dense.h"
#include "bits.h"
#include "packed.h"
#include "gather.h"
#include "parallel.h"
#include "procedural.h"
#include "push.h"
#include "sampled_dense.h"
#include "stdp_csr.h"
#include "sum.h"

using namespace brainsim;
using namespace brainsim::BS_ISA;

namespace {

std::mt19937 rng(1);
int64_t Below(int64_t n) { return n > 0 ? int64_t(rng() % uint64_t(n)) : 0; }
void Require(bool ok, const char* what) {
  if (ok) return;
  std::printf("wrong: %s\n", what);
  std::exit(1);
}

// Exactly as long as asked, so that the address sanitizer sees one entry too far.
template <class T>
std::vector<T> Quarters(int64_t n, double density) {
  std::vector<T> values(n);
  for (T& v : values) v = Below(1000) < density * 1000 ? T(Below(17) - 8) / 4 : T(0);
  return values;
}

template <class T>
struct Network {
  int64_t n_pre = Below(200), n_post = 1 + Below(60), n_slots = 1 + Below(4), step = Below(n_slots), nnz;
  std::vector<int32_t> indptr{0}, indices, delays;
  bool weight_each = Below(2), delay_each = Below(2);
  std::vector<T> weight, spikes = Quarters<T>(n_pre, 0.3), ct = Quarters<T>(n_slots * n_post, 1);

  Network() {
    for (int64_t i = 0; i < n_pre; ++i) indptr.push_back(indptr.back() + int32_t(Below(3) ? Below(40) : 0));
    nnz = indptr.back();
    for (int64_t k = 0; k < nnz; ++k) indices.push_back(int32_t(Below(n_post)));
    for (int64_t i = 0; i < n_pre; ++i) std::sort(indices.begin() + indptr[i], indices.begin() + indptr[i + 1]);
    for (int64_t k = 0; k < (delay_each ? nnz : 1); ++k) delays.push_back(int32_t(Below(n_slots + 1)));
    weight = Quarters<T>(weight_each ? nnz : 1, 1);
  }
  Csr View() const {
    return {indices.data(), indptr.data(), delays.data(), n_pre, nnz, n_post, n_slots, delay_each, weight_each, true};
  }
  int64_t Target(int64_t k) const { return (step + delays[delay_each ? k : 0]) % n_slots * n_post + indices[k]; }
};

// All faults of one call of every operator; the results are compared where there was none.
template <class T>
int RunCsr(const Network<T>& net, bool compare) {
  const Csr m = net.View();
  const T *w = net.weight.data(), *s = net.spikes.data(), *c = net.ct.data();
  std::vector<int32_t> active(net.n_pre);
  const int64_t n_active = NonZero(s, net.n_pre, active.data());
  std::vector<T> whole(net.ct.size()), parts(net.ct.size()), pulled(net.n_pre), outer(net.nnz);
  double shared = 0;
  int faults = 0;
  const int64_t cut = Below(net.n_post + 1);
  const Events<T> events{active.data(), n_active, s};
  faults += bool(CsrPush(m, w, events, net.step, {0, net.n_post, nullptr}, whole.data()));
  faults += bool(CsrPush(m, w, events, net.step, {0, cut, nullptr}, parts.data()));
  faults += bool(CsrPush(m, w, events, net.step, {cut, net.n_post, nullptr}, parts.data()));
  std::vector<std::atomic<uint64_t>> spans(size_t(net.n_pre));
  for (int round = 0; round < 2; ++round) {  // the second follows what the first remembered
    std::vector<T> remembered(net.ct.size());
    faults += bool(CsrPush(m, w, events, net.step, {cut, net.n_post, spans.data()}, remembered.data()));
    faults += bool(CsrPush(m, w, events, net.step, {0, cut, nullptr}, remembered.data()));
    Require(faults > 0 || remembered == whole, "a remembered row differs");
  }
  faults += bool(CsrPull(m, w, c, net.step, 0, net.n_pre, pulled.data()));
  faults += bool(CsrOuterEach(m, s, active.data(), n_active, c, net.step, 0, net.nnz, outer.data()));
  faults += bool(CsrOuterShared(m, s, active.data(), n_active, c, net.step, &shared));
  if (!compare) return faults;
  Require(whole == parts, "a split by target changes the sums");
  std::vector<T> expected(net.ct.size());
  double total = 0;
  for (int64_t i = 0; i < net.n_pre; ++i) {
    T sum = 0;
    for (int64_t k = net.indptr[i]; k < net.indptr[i + 1]; ++k) {
      const T weight = w[net.weight_each ? k : 0];
      expected[net.Target(k)] += weight * s[i];
      sum += weight * c[net.Target(k)];
      total += double(s[i] * c[net.Target(k)]);
      Require(outer[k] == s[i] * c[net.Target(k)], "outer");
    }
    Require(pulled[i] == sum, "pull");
  }
  Require(whole == expected, "push");
  Require(shared == total, "outer with one weight");
  return faults;
}

template <class T>
void Hostile() {
  int caught = 0;
  for (int round = 0; round < 2000; ++round) {
    Network<T> net;
    const int32_t wild[] = {-1, INT32_MIN, INT32_MAX, int32_t(net.n_post), int32_t(net.nnz + 1), int32_t(Below(1 << 30)), 0};
    for (std::vector<int32_t>* array : {&net.indices, &net.indptr, &net.delays})
      for (int64_t hits = Below(3); hits > 0 && !array->empty(); --hits) (*array)[Below(array->size())] = wild[Below(7)];
    for (T& s : net.spikes) s = 1;
    caught += RunCsr(net, false) > 0;
  }
  Require(caught > 500, "hostile networks are noticed");
}

// A part of the targets finds its share of a row by bisection, so a row that does not ascend is a fault there.
void Unsorted() {
  const std::vector<int32_t> indices{3, 0}, indptr{0, 2}, delays{0}, active{0};
  const std::vector<float> one{1};
  std::vector<float> out(4);
  const Csr m{indices.data(), indptr.data(), delays.data(), 1, 2, 4, 1, false, false, true};
  const Events<float> events{active.data(), 1, nullptr};
  Require(!CsrPush(m, one.data(), events, 0, {0, 4, nullptr}, out.data()), "the whole needs no order");
  const Fault low = CsrPush(m, one.data(), events, 0, {0, 2, nullptr}, out.data());
  const Fault high = CsrPush(m, one.data(), events, 0, {2, 4, nullptr}, out.data());
  Require((low && *low.note) || (high && *high.note), "a part needs ascending rows");
}

// One word of a row of a regenerated matrix, by Threefry-2x32 on single numbers.
uint32_t FirstWord(const uint32_t* key, uint32_t row, uint32_t draw) {
  const uint32_t keys[3] = {key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDAu};
  const int rotations[8] = {13, 15, 26, 6, 17, 29, 16, 24};
  uint32_t x0 = row + keys[0], x1 = draw + keys[1];
  for (uint32_t round = 0; round < 20; ++round) {
    const int by = rotations[round % 8];
    x0 += x1;
    x1 = x0 ^ (x1 << by | x1 >> (32 - by));
    if (round % 4 == 3) x0 += keys[(round / 4 + 1) % 3], x1 += keys[(round / 4 + 2) % 3] + round / 4 + 1;
  }
  return x0;
}

template <class T>
void Drawn() {
  double synapses = 0, mean = 0;
  for (int round = 0; round < 300; ++round) {
    const bool skip = Below(2), bernoulli = Below(2);
    const int64_t n_post = Below(80), n_pre = skip ? n_post : Below(80), slots = 1 + Below(3), delay = Below(slots + 1), step = Below(slots);
    const double p = Below(11) / 10.0;
    const uint32_t key[] = {uint32_t(rng()), uint32_t(rng()), uint32_t(rng()), uint32_t(rng())};
    const Regenerated m{key, n_pre, n_post, slots, bernoulli ? -1 : Below(40), float(1 / std::log1p(-p)), delay, Law(Below(3)), skip};
    const std::vector<T> weight{T(0.5), T(m.law == Law::kConstant ? 0 : 0.25)}, spikes = Quarters<T>(n_pre, 0.4);
    std::vector<int32_t> active(n_pre);
    const Events<T> events{active.data(), NonZero(spikes.data(), n_pre, active.data()), spikes.data()};
    std::vector<T> whole(slots * n_post), parts(slots * n_post), expected(slots * n_post);
    const int64_t cut = Below(n_post + 1);
    ProceduralPush(m, weight.data(), events, step, 0, n_post, whole.data());
    ProceduralPush(m, weight.data(), events, step, 0, cut, parts.data());
    ProceduralPush(m, weight.data(), events, step, cut, n_post, parts.data());
    Require(whole == parts, "a split by target changes what is drawn");
    for (int64_t t = 0; t < slots * n_post; ++t)
      Require(whole[t] == 0 || t / n_post == (step + delay) % slots, "an event is in a slot that is not its own");
    for (int64_t i = 0; i < n_pre; ++i) {
      std::vector<T> row(slots * n_post);
      const int32_t one = int32_t(i);
      ProceduralPush<T>({key, n_pre, n_post, slots, m.degree, m.scale, delay, Law::kConstant, skip}, std::vector<T>{1, 0}.data(),
                        {&one, 1, nullptr}, step, 0, n_post, row.data());
      for (int64_t t = 0; t < slots * n_post; ++t) {
        Require(!bernoulli || row[t] <= 1, "a Bernoulli row has an entry twice");
        Require(!skip || t % n_post != i || row[t] == 0, "a neuron reaches itself");
        if (bernoulli) synapses += double(row[t]);
      }
      if (bernoulli) mean += double(m.Width()) * p;
      if (bernoulli || m.law != Law::kConstant || spikes[i] == 0 || m.Width() == 0) continue;
      for (int64_t draw = 0; draw < m.degree; ++draw) {
        const int64_t place = int64_t(uint64_t(FirstWord(key, uint32_t(i), uint32_t(draw))) * uint64_t(m.Width()) >> 32);
        expected[(step + delay) % slots * n_post + place + (skip && place >= i)] += T(0.5) * spikes[i];
      }
    }
    Require(bernoulli || m.law != Law::kConstant || whole == expected, "a row of fixed degree");
  }
  Require(std::abs(synapses - mean) < 5 * std::sqrt(mean), "the number of Bernoulli entries");
}

template <class T>
void Dense() {
  for (int round = 0; round < 60; ++round) {
    const int64_t rows = Below(150), n_in = Below(150), n_out = Below(300);
    auto s = Quarters<T>(rows * n_in, round % 3 ? 0.05 : 0.7), w = Quarters<T>(n_in * n_out, 1), g = Quarters<T>(rows * n_out, 1);
    if (round % 2)
      for (T& v : s) v = v != 0;
    const auto bias = Quarters<T>(n_out, 1);
    std::vector<T> y(rows * n_out, T(7)), dw(n_in * n_out, T(7)), y0(rows * n_out), dw0(n_in * n_out);
    std::vector<uint8_t> bits(rows * PackedBytes(n_in), 255), bits0(bits.size(), 255);
    const bool unit = EventDense(s.data(), w.data(), round % 5 ? bias.data() : nullptr, rows, n_in, n_out, y.data(),
                                 round % 4 ? bits.data() : nullptr);
    Require(unit == std::all_of(s.begin(), s.end(), [](T v) { return v == 0 || v == 1; }), "ones and zeros");
    PackRows(s.data(), rows, n_in, bits0.data());
    Require(round % 4 == 0 || bits == bits0, "bits of a product");
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t k = 0; k < PackedBytes(n_in) * 8; ++k)
        Require((bits0[r * PackedBytes(n_in) + k / 8] >> k % 8 & 1) == (k < n_in && s[r * n_in + k] != 0), "bits");
    const int64_t cut = Below(n_in + 1);
    EventDenseOuter(s.data(), g.data(), rows, n_in, n_out, 0, cut, dw.data());
    EventDenseOuter(s.data(), g.data(), rows, n_in, n_out, cut, n_in, dw.data());
    for (int64_t r = 0; r < rows && round % 5; ++r) std::copy(bias.begin(), bias.end(), y0.begin() + r * n_out);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t k = 0; k < n_in; ++k)
        for (int64_t m = 0; m < n_out; ++m) {
          y0[r * n_out + m] += s[r * n_in + k] * w[k * n_out + m];
          dw0[k * n_out + m] += s[r * n_in + k] * g[r * n_out + m];
        }
    Require(y == y0, "event_dense");
    Require(dw == dw0, "event_dense_outer");
    const int64_t half = Below(n_in + 1) / 64 * 64;
    std::vector<T> of_bits(n_in * n_out, T(7)), of_bits0(n_in * n_out);
    PackedOuter(bits0.data(), g.data(), rows, n_in, n_out, 0, half, of_bits.data());
    PackedOuter(bits0.data(), g.data(), rows, n_in, n_out, half, n_in, of_bits.data());
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t k = 0; k < n_in; ++k)
        for (int64_t m = 0; m < n_out && s[r * n_in + k] != 0; ++m) of_bits0[k * n_out + m] += g[r * n_out + m];
    Require(of_bits == of_bits0, "packed_outer");
    const auto first = Quarters<T>(rows * n_out, 1);
    std::vector<T> heard(rows * n_out, T(7)), heard0 = first;
    CrossRows(s.data(), w.data(), first.data(), rows, n_in, n_out, heard.data());
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t k = 0; k < n_in; ++k)
        for (int64_t m = 0; m < n_out; ++m) heard0[r * n_out + m] += s[r * n_in + k] * w[k * n_out + m];
    Require(heard == heard0, "cross_rows");
    std::vector<uint8_t> wanted(rows * n_in);
    for (uint8_t& flag : wanted) flag = uint8_t(Below(round % 3 ? 20 : 2) == 0);
    std::vector<T> few(rows * n_in, T(7));
    SampledDense(g.data(), w.data(), wanted.data(), rows, n_in, n_out, few.data());
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t k = 0; k < n_in; ++k) {
        T sum = 0;
        for (int64_t m = 0; m < n_out && wanted[r * n_in + k]; ++m) sum += g[r * n_out + m] * w[k * n_out + m];
        Require(few[r * n_in + k] == sum, "sampled_dense");
      }
  }
}

ConvAxis RandomAxis() {
  ConvAxis a{Below(14), 0, 1 + Below(5), 1 + Below(4), 1 + Below(3), Below(4)};
  const int64_t room = a.in + a.before + Below(4) - (a.kernel - 1) * a.dilation - 1;
  a.out = room < 0 ? 0 : room / a.stride + 1;
  return a;
}

// y, dW and dx, each tap of each output in turn.
template <class T>
struct ByTaps {
  std::vector<T> y, dw, dx;
  ByTaps(const ConvShape& s, const std::vector<T>& x, const std::vector<T>& w, const std::vector<T>& g, int64_t rows)
      : y(g.size()), dw(w.size()), dx(x.size()) {
    const int64_t c_in = s.c_in / s.groups, c_out = s.c_out / s.groups;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t o = 0; o < s.c_out; ++o)
        for (int64_t c = o / c_out * c_in; c < (o / c_out + 1) * c_in; ++c)
          for (int64_t ky = 0; ky < s.y.kernel; ++ky)
            for (int64_t kx = 0; kx < s.x.kernel; ++kx)
              for (int64_t i = 0; i < s.y.out; ++i)
                for (int64_t j = 0; j < s.x.out; ++j) {
                  const int64_t u = i * s.y.stride + ky * s.y.dilation - s.y.before, v = j * s.x.stride + kx * s.x.dilation - s.x.before;
                  if (u < 0 || u >= s.y.in || v < 0 || v >= s.x.in) continue;
                  const int64_t in = ((r * s.c_in + c) * s.y.in + u) * s.x.in + v, out = ((r * s.c_out + o) * s.y.out + i) * s.x.out + j;
                  const int64_t k = ((c % c_in * s.c_out + o) * s.y.kernel + ky) * s.x.kernel + kx;
                  y[size_t(out)] += w[size_t(k)] * x[size_t(in)];
                  dw[size_t(k)] += x[size_t(in)] * g[size_t(out)];
                  dx[size_t(in)] += w[size_t(k)] * g[size_t(out)];
                }
  }
};

template <class T>
void Convolved() {
  for (int round = 0; round < 400; ++round) {
    const int64_t groups = 1 + Below(3), rows = Below(6);
    const ConvShape s{groups * (1 + Below(4)), groups * (1 + Below(Below(2) ? 20 : 5)), groups, RandomAxis(), RandomAxis()};
    const ConvPlan<T> p(s);
    auto x = Quarters<T>(rows * s.c_in * p.image, round % 5 ? 0.1 : 1);
    const auto w = Quarters<T>(s.c_in / groups * s.c_out * s.y.kernel * s.x.kernel, 1), g = Quarters<T>(rows * s.c_out * p.Outputs(), 1);
    if (round % 2)
      for (T& v : x) v = v != 0;
    std::vector<T> weight(size_t(s.c_in * p.weights)), grad(weight.size(), T(7)), y(g.size(), T(7)), dw(w.size()), dx(x.size(), T(7));
    EachWeight(p, [&](int64_t from, int64_t to) { weight[size_t(to)] = w[size_t(from)]; });
    EventConv(p, x.data(), weight.data(), rows, y.data());
    EventConvOuter(p, x.data(), g.data(), rows, grad.data());
    EventConvPull(p, g.data(), weight.data(), rows, dx.data());
    EachWeight(p, [&](int64_t to, int64_t from) { dw[size_t(to)] = grad[size_t(from)]; });
    const ByTaps<T> expected(s, x, w, g, rows);
    Require(y == expected.y, "event_conv");
    Require(dw == expected.dw, "event_conv_outer");
    Require(dx == expected.dx, "event_conv_pull");
    if (x.empty()) continue;
    x[size_t(Below(int64_t(x.size())))] = std::numeric_limits<T>::infinity();  // reaches no weight but through an output
    EventConvOuter(p, x.data(), g.data(), rows, grad.data());
    EachWeight(p, [&](int64_t to, int64_t from) { dw[size_t(to)] = grad[size_t(from)]; });
    const ByTaps<T> wild(s, x, w, g, rows);
    for (size_t k = 0; k < dw.size(); ++k)
      Require(std::isfinite(dw[k]) == std::isfinite(wild.dw[k]) && (!std::isfinite(dw[k]) || dw[k] == wild.dw[k]),
              "an event that is not finite");
  }
}

void Ring() {
  std::vector<float> ring{1, 2, 3, 4, 5, 6}, values(2);
  DelayRingTake(ring.data(), 2, 1, values.data());
  Require(ring == std::vector<float>{1, 2, 0, 0, 5, 6} && values == std::vector<float>{3, 4}, "take");
  DelayRingPut(ring.data(), 2, 2, values.data());
  Require(ring == std::vector<float>{1, 2, 0, 0, 3, 4}, "put");
}

void Bits() {
  for (int64_t n = 0; n < 300; n += 7) {
    std::vector<uint8_t> bits(size_t((n + 63) / 64 * 8));
    for (uint8_t& b : bits) b = uint8_t(Below(256)) & uint8_t(Below(256));  // those past the end do not count
    std::vector<int32_t> ids(size_t(n + 1)), expected;
    for (int64_t e = 0; e < n; ++e)
      if (bits[size_t(e / 8)] >> (e % 8) & 1) expected.push_back(int32_t(e));
    ids.resize(size_t(ListBits(bits.data(), n, ids.data())));
    Require(ids == expected && CountBits(bits.data(), n) == int64_t(ids.size()), "bits");
    if (n == 0) continue;
    const std::vector<int32_t> indices{-5, 0, int32_t(n / 2), int32_t(n - 1), INT32_MAX};
    std::vector<float> values = Quarters<float>(n, 1), picked(5), flags(5);
    GatherEntries(values.data(), n, indices.data(), 0, 5, picked.data());
    GatherBits(bits.data(), n, indices.data(), 0, 5, flags.data());
    for (size_t j = 0; j < 5; ++j) {
      const int64_t e = Clip(indices[j], n);
      Require(picked[j] == values[size_t(e)] && flags[j] == float(bits[size_t(e / 8)] >> (e % 8) & 1), "gather");
    }
    float sum = 0;
    for (const float v : values) sum += v;
    Require(SumRow(values.data(), n) == sum, "sum");
  }
}

// w = min(w + own * other + shared, 4), as a compiled kernel would do it.
template <class T>
void Learn(const void* const* in, void* const* out, int64_t begin, int64_t end, int64_t) {
  const T *w = static_cast<const T*>(in[0]), own = *static_cast<const T*>(in[1]), *other = static_cast<const T*>(in[2]);
  for (int64_t k = begin; k < end; ++k) static_cast<T*>(out[0])[k] = std::min(w[k] + own * other[k] + *static_cast<const T*>(in[3]), T(4));
}

template <class T>
void Plasticity() {
  int caught = 0;
  for (int round = 0; round < 600; ++round) {
    Network<T> net;  // its rows are those of the neurons with events; the synapses may be anywhere
    std::vector<int32_t> order(net.nnz), ids(net.n_pre);
    for (int64_t k = 0; k < net.nnz; ++k) order[k] = int32_t(k);
    std::shuffle(order.begin(), order.end(), rng);
    ids.resize(NonZero(net.spikes.data(), net.n_pre, ids.data()));
    const bool permuted = round % 2, hostile = round % 3 == 0;
    std::vector<T> weight = Quarters<T>(net.nnz, 1), expected = weight, own = Quarters<T>(net.n_pre, 1), other = Quarters<T>(net.n_post, 1);
    const T shared = T(0.25);
    if (hostile) {
      const int32_t wild[] = {-1, INT32_MIN, INT32_MAX, int32_t(net.n_post), int32_t(net.nnz + 1)};
      for (std::vector<int32_t>* array : {&net.indices, &net.indptr, &order})
        if (!array->empty()) (*array)[Below(array->size())] = wild[Below(5)];
    }
    const Role roles[] = {Role::kOwn, Role::kOther, Role::kShared};
    const T* values[] = {own.data(), other.data(), &shared};
    const Synapses s{net.indices.data(), net.indptr.data(), permuted ? order.data() : nullptr, net.n_pre, net.n_post, net.nnz};
    std::vector<T> room(size_t(StdpRoom(3)));
    const Fault f = StdpCsr(s, Update<T>{Learn<T>, roles, values, 3}, ids.data(), int64_t(ids.size()), weight.data(), room.data());
    caught += bool(f);
    if (hostile) continue;
    Require(!f, "good synapses have a fault");
    for (const int32_t i : ids)
      for (int64_t k = net.indptr[i]; k < net.indptr[i + 1]; ++k) {
        T& w = expected[permuted ? order[k] : k];
        w = std::min(w + own[i] * other[net.indices[k]] + shared, T(4));
      }
    Require(weight == expected, "stdp_csr");
  }
  Require(caught > 40, "hostile synapses are noticed");
}

// Tasks on real threads, some of which start after the call has returned.
void Parallel() {
  std::vector<std::thread> threads;
  const Pool pool{4, [&](std::function<void()> task) { threads.emplace_back(std::move(task)); }};
  for (int round = 0; round < 200; ++round) {
    std::vector<int> seen(37);
    const Fault f = ParallelFor(pool, 37, [&](int64_t b) -> Fault {
      ++seen[b];
      if (b == 11 || b == 30) return {"block", b};
      if (b == 20) throw std::bad_alloc();
      return {};
    });
    Require(seen == std::vector<int>(37, 1), "every block runs once");
    Require(f && f.at == 11, "the lowest fault is reported");
  }
  for (std::thread& t : threads) t.join();
}

}  // namespace

int main() {
  for (int round = 0; round < 400; ++round) {
    Require(RunCsr(Network<float>(), true) == 0, "a good network has a fault");
    Require(RunCsr(Network<double>(), true) == 0, "a good network has a fault");
  }
  Hostile<float>();
  Hostile<double>();
  Unsorted();
  Drawn<float>();
  Drawn<double>();
  Plasticity<float>();
  Plasticity<double>();
  Dense<float>();
  Dense<double>();
  Convolved<float>();
  Convolved<double>();
  Ring();
  Bits();
  Parallel();
  std::puts("all loops agree");
}
