// The events of a population pushed through a matrix that is stored nowhere: the synapses of a row are drawn again, by a hash of the
// key, the row and the number of the draw, each time the row has an event.
//
//   Bernoulli:     gap to the next target = 1 + floor(log(u) / log(1 - p))        u = unit of word 0 of hash(i, draw)
//   fixed degree:  target = floor(word 0 * width / 2^32)                          draws 0 ... degree - 1
//   weight         = weight[0] + weight[1] x,    x = 0, the unit of word 1 less 1/2, or normal (Box and Muller, by a hash of its own)
//
// The arithmetic is that of `_streams` and `_exact`, rounded after every operation, so the bits are those of the definition in jnp.
// (Threefry-2x32 with 20 rounds: Salmon et al., SC 2011.)
#pragma once
#include <cmath>

#include "push.h"

namespace brainsim {

enum class Law : int64_t { kConstant, kUniform, kNormal };

struct Regenerated {
  const uint32_t* key;  // two words for the targets, two for normal weights
  int64_t n_pre, n_post, n_slots;
  int64_t degree;  // draws of a row with replacement; -1: Bernoulli
  float scale;     // of a Bernoulli row: 1 / log(1 - p), not positive
  int64_t delay;   // 0 to n_slots
  Law law;
  bool skip;  // leaves out the synapse from i to i

  BS_INLINE int64_t Width() const { return std::max<int64_t>(n_post - skip, 0); }
  // Synapses of a row, on average.
  BS_INLINE int64_t MeanDegree() const { return degree >= 0 ? degree : int64_t(double(Width()) * -std::expm1(1.0 / double(scale))); }
};

namespace BS_ISA {

inline constexpr int64_t kDraws = 32;     // drawn at once: two vectors of 64 bytes hide each other's latency
inline constexpr int64_t kPending = 128;  // synapses on their way, so that their targets come from memory meanwhile

typedef uint32_t Words __attribute__((vector_size(4 * kDraws)));
typedef int32_t Whole __attribute__((vector_size(4 * kDraws)));
typedef float Reals __attribute__((vector_size(4 * kDraws)));

struct WordPair {
  Words first, second;
};

BS_INLINE Words Rotate(Words x, int by) { return (x << by) | (x >> (32 - by)); }

BS_INLINE WordPair Threefry(uint32_t key0, uint32_t key1, Words x0, Words x1) {
  constexpr int kRotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  const uint32_t keys[3] = {key0, key1, key0 ^ key1 ^ 0x1BD11BDAu};
  x0 += keys[0];
  x1 += keys[1];
  for (uint32_t group = 0; group < 5; ++group) {
    for (int round = 0; round < 4; ++round) {
      x0 += x1;
      x1 = x0 ^ Rotate(x1, kRotations[group % 2][round]);
    }
    x0 += keys[(group + 1) % 3];
    x1 += keys[(group + 2) % 3] + group + 1;
  }
  return {x0, x1};
}

// Odd multiples of 2^-24 in (0, 1).
BS_INLINE Reals Unit(Words word) { return __builtin_convertvector((Whole)(word >> 9), Reals) * 0x1p-23f + 0x1p-24f; }

template <int kTerms>
BS_INLINE Reals Horner(Reals x, const float (&coefficients)[kTerms]) {
  Reals total = {};
  total += coefficients[kTerms - 1];
  for (int c = kTerms - 2; c >= 0; --c) total = total * x + coefficients[c];
  return total;
}

BS_INLINE Reals Log(Reals x) {
  constexpr float kP[] = {-0.5f, 0.333332658f, -0.250042379f, 0.200079292f, -0.164723262f, 0.140422225f, -0.151221722f, 0.138203874f};
  const Whole bits = (Whole)x, n = (bits - 0x3f2aaaab) >> 23;
  const Reals f = (Reals)(bits - (n << 23)) - 1.0f;
  return __builtin_convertvector(n, Reals) * 0.693147180559945309f + (f + f * f * Horner(f, kP));
}

BS_INLINE Reals Sine(Reals x) {
  constexpr float kSeries[] = {1.0f,           -1.0f / 6,          1.0f / 120,         -1.0f / 5040,
                               1.0f / 362880, -1.0f / 39916800, 1.0f / 6227020800.0};
  return x * Horner(x * x, kSeries);
}

BS_INLINE Reals Normal(WordPair words) {
  const Reals turn = __builtin_convertvector((Whole)words.second, Reals) * 0x1p-32f, square = -2.0f * Log(Unit(words.first));
  const Reals cosine = Sine(6.28318530717958648f * (0.25f - (turn < 0 ? -turn : turn)));
  Reals root;
  for (int64_t l = 0; l < kDraws; ++l) root[l] = __builtin_sqrtf(square[l]);
  return root * cosine;
}

// Synapses that were drawn and are not added yet.
template <class T>
struct Pending {
  int64_t n = 0;
  int32_t target[kPending];
  T value[kPending];

  BS_INLINE void Flush(T* out) {
    for (int64_t k = 0; k < n; ++k) out[target[k]] += value[k];
    n = 0;
  }
};

// Draws `first` ... `first + kDraws - 1` of row i: targets before the diagonal is left out, and how many of them exist; `*last` is the
// target before them, -1 at first.
BS_INLINE int64_t DrawTargets(const Regenerated& m, Words word, int64_t first, int64_t end, int64_t* last, int64_t* targets) {
  if (m.degree >= 0) {
    for (int64_t l = 0; l < kDraws; ++l) targets[l] = int64_t(uint64_t(word[l]) * uint64_t(m.Width()) >> 32);
    return std::min(kDraws, m.degree - first);
  }
  const Reals wide = Log(Unit(word)) * m.scale, cap = Reals{} + 0x1p30f;
  const Whole gap = __builtin_convertvector(wide < cap ? wide : cap, Whole) + 1;
  int64_t n = 0;
  for (int64_t l = 0; l < kDraws; ++l) {
    *last += gap[l];
    targets[l] = *last;
    n += *last < end;
  }
  return n;
}

template <class T, Law kLaw>
void RegenerateRows(const Regenerated& m, const T* weight, const Events<T>& events, int64_t lo, int64_t hi, T* out) {
  const int64_t end = hi == m.n_post ? m.Width() : hi;  // targets ascend in Bernoulli rows
  constexpr Words kLane = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                           16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
  Pending<T> pending;
  int64_t targets[kDraws];
  for (int64_t e = 0; e < events.n; ++e) {
    const int64_t i = events.rows[e];
    const T spike = events.values ? events.values[i] : T(1), shared = weight[0] * spike;
    const Words row = Words{} + uint32_t(i);
    int64_t last = -1, n = kDraws;
    for (int64_t first = 0; n == kDraws && first != m.degree; first += kDraws) {
      const Words draw = kLane + uint32_t(first);
      const WordPair words = Threefry(m.key[0], m.key[1], row, draw);
      n = DrawTargets(m, words.first, first, end, &last, targets);
      Reals x = {};
      if (kLaw == Law::kUniform) x = Unit(words.second) - 0.5f;
      if (kLaw == Law::kNormal) x = Normal(Threefry(m.key[2], m.key[3], row, draw));
      if (pending.n > kPending - kDraws) pending.Flush(out);
      for (int64_t l = 0; l < n; ++l) {
        const int64_t target = targets[l] + (m.skip && targets[l] >= i);
        pending.target[pending.n] = int32_t(target);
        pending.value[pending.n] = kLaw == Law::kConstant ? shared : (weight[0] + weight[1] * T(x[l])) * spike;
        __builtin_prefetch(out + target, 1);
        pending.n += target >= lo && target < hi;
      }
    }
  }
  pending.Flush(out);
}

// out (L, n_post) += s W for the targets in [lo, hi) and the events given; 0 <= step < L. Sums have one order, whatever the range.
template <class T>
void ProceduralPush(const Regenerated& m, const T* weight, const Events<T>& events, int64_t step, int64_t lo, int64_t hi, T* out) {
  if (m.Width() == 0) return;
  T* slot = out + (step + m.delay) % m.n_slots * m.n_post;
  if (m.law == Law::kConstant) RegenerateRows<T, Law::kConstant>(m, weight, events, lo, hi, slot);
  else if (m.law == Law::kUniform) RegenerateRows<T, Law::kUniform>(m, weight, events, lo, hi, slot);
  else RegenerateRows<T, Law::kNormal>(m, weight, events, lo, hi, slot);
}

}  // namespace BS_ISA
}  // namespace brainsim
