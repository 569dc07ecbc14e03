// A program's words, read one by one; the first fault is kept and what follows it reads as the least that is allowed.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

namespace brainsim {

constexpr int64_t kMaxSize = int64_t(1) << 46;  // of anything that is counted
constexpr int64_t kHuge = int64_t(1) << 60;     // where products saturate; a sum of a few still fits

inline int64_t Times(int64_t a, int64_t b) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) return (a < 0) == (b < 0) ? kHuge : -kHuge;
  return std::clamp(product, -kHuge, kHuge);
}

inline std::string Number(int64_t value) { return std::to_string(value); }

inline float BitsToFloat(int32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

class Words {
 public:
  Words(const int64_t* words, int64_t n_words) : words_(words), end_(n_words) {}

 protected:
  bool Good() const { return error_.empty(); }

  void Fail(const std::string& what) {
    if (Good()) error_ = "word " + Number(at_) + ": " + what;
  }

  // The next word, which must lie within [low, high]; `low` after a fault.
  int64_t Next(const char* what, int64_t low, int64_t high) {
    if (!Good()) return low;
    if (at_ >= end_) {
      Fail(std::string("the program ends where its ") + what + " should stand");
      return low;
    }
    const int64_t value = words_[at_];
    if (value < low || value > high) {
      Fail(std::string("the ") + what + " is " + Number(value) + ", expected " + Number(low) + " to " + Number(high));
      return low;
    }
    ++at_;
    return value;
  }

  int64_t Size(const char* what) { return Next(what, 0, kMaxSize); }
  bool Flag(const char* what) { return Next(what, 0, 1) == 1; }

  const int64_t* words_;
  const int64_t end_;
  int64_t at_ = 0;
  std::string error_;
};

}  // namespace brainsim
