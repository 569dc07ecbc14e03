// Fork-join over fixed blocks on somebody else's thread pool, without deadlock.
//
// Blocks are claimed through one atomic counter; the caller works too and waits only for blocks that were claimed, so it never
// depends on the pool having a free thread. A task that starts late finds nothing to claim and only drops its share of the state.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "fault.h"

namespace brainsim {

struct Pool {
  int64_t threads = 1;
  std::function<void(std::function<void()>)> schedule;
};

inline Fault RunBlock(const std::function<Fault(int64_t)>& block, int64_t b) {
  try {
    return block(b);
  } catch (const std::bad_alloc&) {
    return {"memory"};
  }
}

// Runs block(0) ... block(n - 1) and returns the fault of the lowest block that had one.
inline Fault ParallelFor(const Pool& pool, int64_t n, const std::function<Fault(int64_t)>& block) {
  if (pool.threads <= 1 || n <= 1) {
    for (int64_t b = 0; b < n; ++b)
      if (Fault f = RunBlock(block, b)) return f;
    return {};
  }
  struct State {
    std::atomic<int64_t> next{0}, done{0};
    int64_t n;
    const std::function<Fault(int64_t)>* block;  // alive until every claimed block is done
    std::vector<Fault> faults;
  };
  const auto state = std::make_shared<State>();
  state->n = n;
  state->block = &block;
  state->faults.resize(n);
  const auto work = [](const std::shared_ptr<State>& s) {
    for (int64_t b; (b = s->next.fetch_add(1, std::memory_order_relaxed)) < s->n;) {
      s->faults[b] = RunBlock(*s->block, b);
      s->done.fetch_add(1, std::memory_order_release);
    }
  };
  for (int64_t t = 1; t < std::min(pool.threads, n); ++t) pool.schedule([state, work] { work(state); });
  work(state);
  for (int64_t spins = 0; state->done.load(std::memory_order_acquire) < n; ++spins)
    if (spins > 2000) std::this_thread::yield();
  for (const Fault& f : state->faults)
    if (f) return f;
  return {};
}

}  // namespace brainsim
