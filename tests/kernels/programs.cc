// Drives the registry, the decoder and the executor with functions that stand for compiled kernels, on real threads, with good and
// with hostile code words and arrays; built with sanitizers, so that a stray access or a race stops it.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <thread>
#include <vector>

#include "executor.h"
#include "program.h"
#include "registry.h"

using namespace brainsim;

namespace {

std::mt19937 rng(1);
int64_t Below(int64_t n) { return n > 0 ? int64_t(rng() % uint64_t(n)) : 0; }
void Require(bool ok, const std::string& what) {
  if (ok) return;
  std::printf("wrong: %s\n", what.c_str());
  std::exit(1);
}

// ---- kernels ----

// v, bits = f(v, input, gain): v climbs to 8 and is then reset.
void Neuron(const void* const* in, void* const* out, int64_t begin, int64_t end, int64_t base) {
  const float *v = static_cast<const float*>(in[0]), *input = static_cast<const float*>(in[1]), gain = *static_cast<const float*>(in[2]);
  float* next = static_cast<float*>(out[0]);
  uint8_t* bits = static_cast<uint8_t*>(out[1]);
  for (int64_t g = begin; g < end; g += 8) {
    uint8_t group = 0;
    for (int64_t e = g; e < std::min(g + 8, end); ++e) {
      const float reached = v[e] + gain * (1 + input[e]) + float((base + e) % 3);
      group |= uint8_t((reached >= 8) << (e - g));
      next[e] = reached >= 8 ? 0 : reached;
    }
    bits[g / 8] = group;
  }
}

// out = a + b.
void Add(const void* const* in, void* const* out, int64_t begin, int64_t end, int64_t) {
  const float *a = static_cast<const float*>(in[0]), *b = static_cast<const float*>(in[1]);
  for (int64_t e = begin; e < end; ++e) static_cast<float*>(out[0])[e] = a[e] + b[e];
}

// ---- pools: helpers at once, late, never, or on the caller's own thread ----

struct Threads {
  std::vector<std::thread> threads;
  std::vector<std::function<void()>> waiting;
  ~Threads() {
    for (auto& task : waiting) task();  // long after the call
    for (std::thread& t : threads) t.join();
  }
  Pool AtOnce(int64_t n) {
    return {n, [this](std::function<void()> task) { threads.emplace_back(std::move(task)); }};
  }
  Pool Never(int64_t n) {
    return {n, [this](std::function<void()> task) { waiting.push_back(std::move(task)); }};
  }
  static Pool OnCaller(int64_t n) {
    return {n, [](std::function<void()> task) { task(); }};
  }
};

// ---- a network as a program ----

using Words = std::vector<int64_t>;

struct Builder {
  Words words;
  std::vector<size_t> fixed;  // what a kernel relies on and the decoder cannot know

  void Put(std::initializer_list<int64_t> more) { words.insert(words.end(), more); }
  void Operand(int64_t buffer, Kind kind, int64_t item, int64_t stride = 0, int64_t shift = 0, bool of_kernel = false) {
    if (of_kernel) fixed.insert(fixed.end(), {words.size() + 1, words.size() + 2});
    Put({buffer, int64_t(kind), item, stride, shift});
  }
};

constexpr int64_t kSteps = 40, kRecorded = 5;

// Arguments: gain, indices, indptr, delays, weight, step numbers, recorded neurons. Results: v, ring, counts of spikes, sums,
// arrivals of the recorded neurons, their raster.
struct Network {
  int64_t rows, n, nnz, slots = 4, word_bytes;
  bool delay_each = Below(2), weight_each = Below(2);
  std::vector<int32_t> indices, indptr{0}, delays, steps, picked;
  std::vector<float> weight, gain{1.5f};
  Builder b;

  Network(int64_t rows, int64_t n) : rows(rows), n(n), word_bytes((n + 63) / 64 * 8) {
    for (int64_t i = 0; i < n; ++i) indptr.push_back(indptr.back() + int32_t(Below(12)));
    nnz = indptr.back();
    for (int64_t k = 0; k < nnz; ++k) indices.push_back(int32_t(Below(n)));
    for (int64_t i = 0; i < n; ++i) std::sort(indices.begin() + indptr[size_t(i)], indices.begin() + indptr[size_t(i) + 1]);
    for (int64_t k = 0; k < (delay_each ? nnz : 1); ++k) delays.push_back(int32_t(1 + Below(slots)));
    for (int64_t k = 0; k < (weight_each ? nnz : 1); ++k) weight.push_back(float(Below(17)) / 16);
    for (int64_t t = 0; t < kSteps; ++t) steps.push_back(int32_t(t + 3));
    for (int64_t j = 0; j < kRecorded; ++j) picked.push_back(int32_t(Below(n)));
    Write();
  }

  void Instruction(const std::function<void()>& body) {
    const size_t length = b.words.size();
    b.Put({0});
    body();
    b.words[length] = int64_t(b.words.size() - length) - 1;
  }

  void Write() {
    const int64_t v = 7, ring = 8, counts = 9, sums = 10, recorded = 11, raster = 12, arrivals = 13, bits = 14, copy = 15;
    b.Put({2, 7, 6, 3, rows * n * 4, rows * word_bytes, rows * n * 4, 0, 0, 1, 2, kSteps, 0, 7});
    Instruction([&] {
      b.Put({2, 0, 0, rows, n, slots, 1});
      b.Operand(ring, Kind::kFull, 4);
      b.Operand(5, Kind::kFull, 4, 4);
      b.Operand(arrivals, Kind::kFull, 4);
    });
    Instruction([&] {
      b.Put({0, 1});
      b.fixed.insert(b.fixed.end(), {b.words.size(), b.words.size() + 3, b.words.size() + 4});
      b.Put({0, rows, n, 3, 2});
      b.Operand(v, Kind::kFull, 4, 0, 0, true);
      b.Operand(arrivals, Kind::kFull, 4, 0, 0, true);
      b.Operand(0, Kind::kScalar, 4, 0, 0, true);
      b.Operand(v, Kind::kFull, 4, 0, 0, true);
      b.Operand(bits, Kind::kBits, 1, 0, 0, true);
    });
    Instruction([&] {
      b.Put({1, 2, 0, 1, 1, rows, 1, 1, n, n, slots, nnz, int64_t(weight.size()), int64_t(delays.size())});
      b.Operand(ring, Kind::kFull, 4);
      b.Operand(4, Kind::kFull, 4);
      b.Operand(1, Kind::kFull, 4);
      b.Operand(2, Kind::kFull, 4);
      b.Operand(3, Kind::kFull, 4);
      b.Operand(5, Kind::kFull, 4, 4);
      b.Operand(bits, Kind::kBits, 1);
      b.Operand(-1, Kind::kFull, 4);
    });
    Instruction([&] {
      b.Put({3, 2, 2, rows, n});
      b.Operand(bits, Kind::kBits, 1);
      b.Operand(counts, Kind::kColumn, 4, rows * 4);
    });
    Instruction([&] {
      b.Put({4, 2, 0, rows, n});
      b.Operand(arrivals, Kind::kFull, 4);
      b.Operand(sums, Kind::kColumn, 4);
    });
    Instruction([&] {
      b.Put({6, 2, 3, rows, n, kRecorded});
      b.Operand(bits, Kind::kBits, 1);
      b.Operand(6, Kind::kFull, 4);
      b.Operand(raster, Kind::kFull, 1, rows * kRecorded, 0);
    });
    Instruction([&] {
      b.Put({5, 2, rows * n * 4});
      b.Operand(arrivals, Kind::kFull, 4);
      b.Operand(copy, Kind::kFull, 4);
    });
    b.Put({1, 1, 1});  // the second loop: one step backwards
    Instruction([&] {
      b.Put({6, 0, 0, rows, n, kRecorded});
      b.Operand(copy, Kind::kFull, 4);
      b.Operand(6, Kind::kFull, 4);
      b.Operand(recorded, Kind::kFull, 4);
    });
  }

  std::vector<std::vector<char>> Arguments() const {
    const auto bytes = [](const auto& v) {
      std::vector<char> copy(v.size() * sizeof v[0]);
      if (!v.empty()) std::memcpy(copy.data(), v.data(), copy.size());
      return copy;
    };
    return {bytes(gain), bytes(indices), bytes(indptr), bytes(delays), bytes(weight), bytes(steps), bytes(picked)};
  }
};

// Runs on memory that is exactly as long as the program asks for.
Outcome Run(const Program& p, const std::vector<std::vector<char>>& arguments, const Pool& pool, std::vector<std::vector<char>>* results) {
  std::vector<std::vector<char>> memory;
  for (size_t i = 0; i < p.needed.size(); ++i) {
    memory.emplace_back(size_t(p.needed[i]));
    if (i < arguments.size() && !memory[i].empty())
      std::memcpy(memory[i].data(), arguments[i].data(), std::min(arguments[i].size(), memory[i].size()));
  }
  std::vector<char*> buffers;
  for (auto& m : memory) buffers.push_back(m.data());
  const Outcome outcome = Execute(p, buffers.data(), pool);
  if (results) results->assign(memory.begin() + int64_t(arguments.size()), memory.end());
  return outcome;
}

Program Decoded(const Words& words, const std::string& digests) {
  Program p;
  const std::string problem = Decode(words.data(), int64_t(words.size()), digests, &p);
  Require(problem.empty(), problem);
  return p;
}

// What the program means, one element after the other: membrane potentials after the last step, and spikes of each step.
void Reference(const Network& net, std::vector<float>* v, std::vector<int32_t>* counts) {
  std::vector<float> ring(size_t(net.rows * net.slots * net.n));
  v->assign(size_t(net.rows * net.n), 0);
  for (int64_t t = 0; t < kSteps; ++t)
    for (int64_t r = 0; r < net.rows; ++r) {
      float* of_row = &ring[size_t(r * net.slots * net.n)];
      float* slot = of_row + net.steps[size_t(t)] % net.slots * net.n;
      std::vector<float> arrivals(slot, slot + net.n);
      std::fill(slot, slot + net.n, 0.0f);
      counts->push_back(0);
      for (int64_t e = 0; e < net.n; ++e) {
        float& x = (*v)[size_t(r * net.n + e)];
        x = x + net.gain[0] * (1 + arrivals[size_t(e)]) + float((r * net.n + e) % 3);
        if (x < 8) continue;
        x = 0;
        ++counts->back();
        for (int64_t k = net.indptr[size_t(e)]; k < net.indptr[size_t(e) + 1]; ++k) {
          const int64_t at = (net.steps[size_t(t)] + net.delays[net.delay_each ? size_t(k) : 0]) % net.slots;
          of_row[at * net.n + net.indices[size_t(k)]] += net.weight[net.weight_each ? size_t(k) : 0];
        }
      }
    }
}

void Good() {
  for (const auto& [rows, n] : {std::pair<int64_t, int64_t>{1, 5}, {3, 130}, {1, 20000}, {2, 15000}, {40, 700}}) {
    const Network net(rows, n);
    const Program p = Decoded(net.b.words, "neuron");
    std::vector<std::vector<char>> one, other;
    Require(!Run(p, net.Arguments(), {}, &one).fault, "a good network has a fault");
    std::vector<float> v;
    std::vector<int32_t> counts;
    Reference(net, &v, &counts);
    Require(std::memcmp(one[0].data(), v.data(), one[0].size()) == 0, "membrane potentials");
    Require(std::memcmp(one[2].data(), counts.data(), one[2].size()) == 0, "spike counts");
    Threads threads;
    for (const Pool& pool : {threads.AtOnce(2), threads.AtOnce(5), threads.Never(3), Threads::OnCaller(3)}) {
      Require(!Run(p, net.Arguments(), pool, &other).fault, "a good network has a fault on threads");
      Require(one == other, "threads change the bits");
    }
  }
}

// Loops over tiles: s[t] = s[t - 1] + x[t] forwards, then y[t] = s[t] + y[t + 1] backwards, with s a temporary of one tile.
void Tiles() {
  const int64_t rows = 3, n = 5000, steps = 6, tile = 128, row = rows * n * 4;
  Builder b;
  b.Put({2, 1, 1, 2, steps * tile * 4, tile * 4, 0, tile, 1, 2, steps, 0, 2});
  const auto add = [&](int64_t stage, std::vector<std::array<int64_t, 3>> operands) {
    b.Put({7 + 15, 0, stage, 0, rows, n, 2, 1});
    for (const auto& o : operands) b.Operand(o[0], Kind::kFull, 4, o[1], o[2]);
  };
  add(0, {{3, 0, 0}, {0, row, 0}, {3, 0, 0}});
  add(1, {{3, 0, 0}, {2, tile * 4, 0}, {2, tile * 4, 0}});
  b.Put({steps, 1, 2});
  add(0, {{3, 0, 0}, {2, tile * 4, 0}, {3, 0, 0}});
  add(1, {{3, 0, 0}, {0, row, 0}, {1, row, 0}});
  const Program p = Decoded(b.words, "add");
  std::vector<float> x(size_t(steps * rows * n));
  for (float& value : x) value = float(Below(16));
  std::vector<char> bytes(x.size() * 4);
  std::memcpy(bytes.data(), x.data(), bytes.size());
  std::vector<std::vector<char>> one, other;
  Threads threads;
  Require(!Run(p, {bytes}, {}, &one).fault && !Run(p, {bytes}, threads.AtOnce(3), &other).fault, "tiles have a fault");
  Require(one == other, "threads change the bits of tiles");
  std::vector<float> expected(x.size());
  for (int64_t e = 0; e < rows * n; ++e) {
    std::vector<float> s;
    float sum = 0;
    for (int64_t t = 0; t < steps; ++t) s.push_back(sum += x[size_t(t * rows * n + e)]);
    for (int64_t t = steps - 1; t >= 0; --t) expected[size_t(t * rows * n + e)] = (sum += s[size_t(t)]) + x[size_t(t * rows * n + e)];
  }
  Require(std::memcmp(one[0].data(), expected.data(), one[0].size()) == 0, "tiles");
}

bool Short(const Program& p) {
  int64_t bytes = 0, work = 0;
  for (const int64_t b : p.needed) bytes += b;
  for (const int64_t b : p.temps) bytes += b;
  for (const Loop& loop : p.loops)
    for (const Stage& stage : loop.stages)
      for (const Instruction& i : stage) {
        int64_t size = 1;
        if (const auto* k = std::get_if<KernelCall>(&i)) size = k->rows * k->n + k->rows;
        if (const auto* k = std::get_if<Push>(&i)) size = k->rows;
        if (const auto* k = std::get_if<Take>(&i)) size = k->rows;
        if (const auto* k = std::get_if<Count>(&i)) size = k->rows;
        if (const auto* k = std::get_if<Sum>(&i)) size = k->rows;
        if (const auto* k = std::get_if<Gather>(&i)) size = k->rows;
        if (const auto* k = std::get_if<Stdp>(&i)) size = k->rows;
        if (loop.steps > 200 || size > 100000) return false;
        work += loop.steps * size;
      }
  return bytes < 4000000 && work < 4000000;
}

// Rows that hear each other, a band at a time: y[t] = x[t] + y[t - 1] W, of which what is heard is a temporary.
void Bands() {
  for (int round = 0; round < 60; ++round) {
    const int64_t rows = 1 + Below(40), n = 1 + Below(round % 2 ? 20 : 150), steps = 2 + Below(4), band = 1 + Below(20);
    const int64_t tile = (n + 63) / 64 * 64, row = rows * n * 4;
    Builder b;
    b.Put({2, 3, 1, 1, band * tile * 4, 0, tile, band, 2, 1, 0, 1, 7 + 15, 0, 0, 0, rows, n, 2, 1});
    for (const int64_t buffer : {0, 2, 3}) b.Operand(buffer, Kind::kFull, 4);
    b.Put({steps - 1, 0, 2, 5 + 20, 9, 0, 0, rows, n});
    b.Operand(0, Kind::kFull, 4, row, row);
    b.Operand(3, Kind::kFull, 4, row);
    b.Operand(1, Kind::kFull, 4);
    b.Operand(4, Kind::kFull, 4);
    b.Put({7 + 15, 0, 1, 0, rows, n, 2, 1});
    b.Operand(4, Kind::kFull, 4);
    b.Operand(2, Kind::kFull, 4);
    b.Operand(3, Kind::kFull, 4, row, row);
    const Program p = Decoded(b.words, "add");
    std::vector<float> x(size_t(steps * rows * n)), weight(size_t(n * n)), none(size_t(rows * n)), y;
    for (float& value : x) value = Below(1 + round % 10) == 0 ? float(Below(3)) - 1 : 0;
    for (float& value : weight) value = Below(n) < 2 ? float(Below(3)) - 1 : 0;
    y = x;
    for (int64_t r = rows; r < steps * rows; ++r)
      for (int64_t k = 0; k < n; ++k)
        for (int64_t j = 0; j < n; ++j) y[size_t(r * n + j)] += y[size_t((r - rows) * n + k)] * weight[size_t(k * n + j)];
    std::vector<std::vector<char>> arguments, one, other;
    for (const std::vector<float>* values : {&x, &weight, &none}) {
      const char* begin = reinterpret_cast<const char*>(values->data());
      arguments.emplace_back(begin, begin + values->size() * 4);
    }
    Threads threads;
    Require(!Run(p, arguments, {}, &one).fault && !Run(p, arguments, threads.AtOnce(3), &other).fault, "bands have a fault");
    Require(one == other, "threads change the bits of bands");
    Require(std::memcmp(one[0].data(), y.data(), y.size() * 4) == 0, "bands");
    for (int wild = 0; wild < 40; ++wild) {
      Words words = b.words;
      const size_t at = size_t(Below(int64_t(words.size())));
      const bool of_kernel = at >= 12 && (at < 12 + 8 + 15 || at >= words.size() - 15);
      if (of_kernel) continue;
      const int64_t values[] = {-1, 0, 1, 3, INT64_MAX, words[at] + 8, words[at] * 2, Below(200)};
      words[at] = values[Below(8)];
      Program q;
      if (Decode(words.data(), int64_t(words.size()), "add", &q).empty() && Short(q)) Run(q, arguments, {}, nullptr);
    }
  }
}

// w += own * other.
void Learn(const void* const* in, void* const* out, int64_t begin, int64_t end, int64_t) {
  const float *w = static_cast<const float*>(in[0]), own = *static_cast<const float*>(in[1]), *other = static_cast<const float*>(in[2]);
  for (int64_t e = begin; e < end; ++e) static_cast<float*>(out[0])[e] = w[e] + own * other[e];
}

// Plastic synapses. Arguments: indices, indptr and order of the columns, bits, own and other values. Result: weights.
struct Columns {
  int64_t rows, n_own, n_other, nnz;
  std::vector<int32_t> indices, indptr{0}, order;
  std::vector<uint8_t> bits;
  std::vector<float> own, other;
  Builder b;

  Columns(int64_t rows, int64_t n_own, int64_t n_other) : rows(rows), n_own(n_own), n_other(n_other) {
    for (int64_t i = 0; i < n_own; ++i) indptr.push_back(indptr.back() + int32_t(Below(600)));
    nnz = indptr.back();
    for (int64_t k = 0; k < nnz; ++k) {
      indices.push_back(int32_t(Below(n_other)));
      order.push_back(int32_t(k));
    }
    std::shuffle(order.begin(), order.end(), rng);
    bits.resize(size_t(rows * ((n_own + 63) / 64 * 8)));
    for (uint8_t& byte : bits) byte = uint8_t(Below(256) & Below(256));
    for (int64_t i = 0; i < rows * n_own; ++i) own.push_back(float(Below(9)) / 4);
    for (int64_t i = 0; i < rows * n_other; ++i) other.push_back(float(Below(9)) / 4);
    b.Put({2, 6, 1, 0, 0, 0, 1, 1, kSteps, 0, 1, 47});
    b.Put({8, 0});
    b.fixed.push_back(b.words.size() + 7);  // how many values the kernel reads
    b.fixed.insert(b.fixed.end(), {b.words.size() + 8, b.words.size() + 9});
    b.Put({0, 0, 1, rows, n_own, n_other, nnz, 2, 0, 1});
    b.Operand(6, Kind::kFull, 4);
    for (int64_t a = 0; a < 3; ++a) b.Operand(a, Kind::kFull, 4);
    b.Operand(3, Kind::kBits, 1);
    b.Operand(4, Kind::kFull, 4);
    b.Operand(5, Kind::kFull, 4);
  }

  template <class T>
  static std::vector<char> Bytes(const std::vector<T>& v) {
    std::vector<char> copy(v.size() * sizeof(T));
    if (!v.empty()) std::memcpy(copy.data(), v.data(), copy.size());
    return copy;
  }
  std::vector<std::vector<char>> Arguments() const {
    return {Bytes(indices), Bytes(indptr), Bytes(order), Bytes(bits), Bytes(own), Bytes(other)};
  }
  std::vector<float> Reference() const {
    std::vector<float> w(size_t(rows * nnz));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < n_own; ++i) {
        if (!(bits[size_t(r * ((n_own + 63) / 64 * 8) + i / 8)] >> (i % 8) & 1)) continue;
        for (int64_t k = indptr[size_t(i)]; k < indptr[size_t(i) + 1]; ++k)
          w[size_t(r * nnz + order[size_t(k)])] += kSteps * own[size_t(r * n_own + i)] * other[size_t(r * n_other + indices[size_t(k)])];
      }
    return w;
  }
};

void Plastic() {
  for (const auto& [rows, n_own] : {std::pair<int64_t, int64_t>{1, 5}, {1, 700}, {3, 300}, {9, 40}}) {
    const Columns columns(rows, n_own, 50);
    const Program p = Decoded(columns.b.words, "learn");
    std::vector<std::vector<char>> one, other;
    Require(!Run(p, columns.Arguments(), {}, &one).fault, "good synapses have a fault");
    Require(one[0] == Columns::Bytes(columns.Reference()), "plastic weights");
    Threads threads;
    for (const Pool& pool : {threads.AtOnce(2), threads.AtOnce(5), Threads::OnCaller(3)}) {
      Require(!Run(p, columns.Arguments(), pool, &other).fault, "good synapses have a fault on threads");
      Require(one == other, "threads change the bits of plastic weights");
    }
  }
  int refused = 0, caught = 0;
  for (int round = 0; round < 1500; ++round) {
    Columns columns(1 + Below(2), 1 + Below(90), 1 + Below(20));
    Words words = columns.b.words;
    const size_t at = size_t(Below(int64_t(words.size())));
    const int64_t wild[] = {-1, 0, 1, 2, 8, INT64_MIN, INT64_MAX, int64_t(1) << 46, words[at] + 8, words[at] - 8, Below(200)};
    if (round % 2 && std::find(columns.b.fixed.begin(), columns.b.fixed.end(), at) == columns.b.fixed.end()) words[at] = wild[Below(11)];
    const int32_t bad[] = {-1, INT32_MIN, INT32_MAX, int32_t(columns.nnz + 1), int32_t(Below(1 << 30))};
    if (round % 2 == 0)
      for (std::vector<int32_t>* array : {&columns.indices, &columns.indptr, &columns.order})
        if (!array->empty()) (*array)[size_t(Below(int64_t(array->size())))] = bad[Below(5)];
    Program p;
    if (!Decode(words.data(), int64_t(words.size()), "learn", &p).empty()) ++refused;
    else if (Short(p)) caught += bool(Run(p, columns.Arguments(), {}, nullptr).fault);
  }
  Require(refused > 200 && caught > 100, "hostile plasticity is refused or harmless");
}

// Random words in the place of good ones: a program is refused, or stays within its buffers.
void HostileWords() {
  int refused = 0, ran = 0;
  for (int round = 0; round < 3000; ++round) {
    const Network net(1 + Below(3), 1 + Below(150));
    Words words = net.b.words;
    for (int64_t hits = 1 + Below(2); hits > 0; --hits) {
      const size_t at = size_t(Below(int64_t(words.size())));
      if (std::find(net.b.fixed.begin(), net.b.fixed.end(), at) != net.b.fixed.end()) continue;
      const int64_t wild[] = {-1, 0, 1, 2, 8, INT64_MIN, INT64_MAX, int64_t(1) << 46, net.b.words[at] + 8, net.b.words[at] - 8, net.b.words[at] * 2, Below(200)};
      words[at] = wild[Below(12)];
    }
    if (Below(20) == 0) words.resize(size_t(Below(int64_t(words.size()))));
    Program p;
    if (!Decode(words.data(), int64_t(words.size()), "neuron", &p).empty()) {
      ++refused;
    } else if (Short(p)) {
      Run(p, net.Arguments(), {}, nullptr);
      ++ran;
    }
  }
  Require(refused > 500 && ran > 200, "hostile words are refused or harmless");
}

void HostileArrays() {
  int caught = 0;
  for (int round = 0; round < 300; ++round) {
    Network net(1 + Below(2), 1 + Below(300));
    const int32_t wild[] = {-1, INT32_MIN, INT32_MAX, int32_t(net.n), int32_t(net.nnz + 1), int32_t(Below(1 << 30)), 0};
    for (std::vector<int32_t>* array : {&net.indices, &net.indptr, &net.delays, &net.steps, &net.picked})
      for (int64_t hits = Below(4); hits > 0 && !array->empty(); --hits) (*array)[size_t(Below(int64_t(array->size())))] = wild[Below(7)];
    Threads threads;
    caught += bool(Run(Decoded(net.b.words, "neuron"), net.Arguments(), Below(2) ? Pool{} : threads.AtOnce(3), nullptr).fault);
  }
  Require(caught > 100, "hostile arrays are noticed");
}

void Register() {
  AddKernel("neuron", Neuron);
  AddKernel("learn", Learn);
  AddKernel("add", Add);
  AddKernel("add", nullptr);  // the first one stays
  Require(FindKernel("add")->function == Add, "a kernel is replaced");
  Require(KernelUsers("add") == 0 && KernelUsers("other") == -1, "users");
  Program p;
  Require(Decode(nullptr, 0, "add,other", &p).find("kernel other is not loaded") != std::string::npos, "unknown kernel");
  Require(KernelUsers("add") == 1, "a program holds its kernel");
  DropKernel("add");
  Require(KernelUsers("add") == 1, "a kernel in use stays");
  p = {};
  AddKernel("third", Add);
  DropKernel("third");
  Require(KernelUsers("third") == -1 && KernelUsers("add") == 0, "a kernel is forgotten");
}

}  // namespace

int main() {
  Register();
  Good();
  Tiles();
  Bands();
  Plastic();
  HostileWords();
  HostileArrays();
  std::puts("all programs agree");
}
