// Threads that stay with a call for all its stages, so that a stage costs no fork: a barrier without waiting for late comers.
//
// A stage is a number of items, shared out among the members in advance: member m owns a queue of items and takes half of what is
// left from its front. A queue is one atomic word (front, back); who succeeds in changing the word owns the items and may read
// what the stage is, because the stage does not end before its claimed items are done. The caller is member 0 and waits for
// claimed items only: it never depends on the pool having a free thread, and a helper that starts late or never makes no
// difference. What a member wrote is in its cache, and to work on it elsewhere costs more than the work: members keep their share
// from stage to stage, and take from the back of another's queue, one item at a time, only where the owner did not begin or
// stopped. Helpers compute in the caller's floating-point mode: XLA flushes denormal numbers to zero, and the bits must not depend
// on who worked.
#pragma once
#include <atomic>
#include <cfenv>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "parallel.h"

namespace brainsim {

inline void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

class Team {
 public:
  // Does items [first, last) of the queue of member `owner`; `member` is who does it.
  struct Work {
    virtual void Do(int64_t owner, int64_t first, int64_t last, int64_t member) = 0;

   protected:
    ~Work() = default;
  };

  explicit Team(const Pool& pool) : pool_(pool), shared_(std::make_shared<Shared>(Members(pool))) {}
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team() { shared_->stop.store(true, std::memory_order_release); }

  static int64_t Members(const Pool& pool) { return pool.threads > 1 ? pool.threads : 1; }

  int64_t members() const { return int64_t(shared_->queues.size()); }
  bool hired() const { return hired_; }

  // Asks the pool for the other members, once.
  void Hire() {
    if (hired_) return;
    hired_ = true;
    std::fegetenv(&shared_->float_mode);
    for (int64_t m = 1; m < members(); ++m) pool_.schedule([shared = shared_] { Help(*shared); });
  }

  // Does all items of the queues, `lengths[m]` of them in that of member m (fewer than 2^32).
  void Run(Work& work, const std::vector<int64_t>& lengths) {
    Shared& s = *shared_;
    s.work = &work;
    s.helped.store(0, std::memory_order_relaxed);
    s.stage.fetch_add(1, std::memory_order_relaxed);
    int64_t items = lengths[0];
    for (int64_t m = members() - 1; m > 0; --m) {
      items += lengths[size_t(m)];
      s.queues[size_t(m)].range.store(uint64_t(lengths[size_t(m)]), std::memory_order_release);
    }
    int64_t own = (lengths[0] + 1) / 2;
    s.queues[0].range.store(uint64_t(own) << 32 | uint64_t(lengths[0]), std::memory_order_release);
    if (own > 0) work.Do(0, 0, own, 0);
    for (int64_t idle = 0; s.helped.load(std::memory_order_acquire) < items - own;) {
      const int64_t done = s.DoSome(0, idle);
      own += done;
      if (done == 0) Wait(idle++);
    }
  }

 private:
  static constexpr int64_t kReluctance = 16;  // spins, about half a microsecond, before taking what its owner did not touch
  static constexpr int64_t kPatience = 100;   // before taking what its owner has begun
  static constexpr int64_t kSpins = 400;      // before letting other threads run

  static void Wait(int64_t idle) { idle < kSpins ? Relax() : std::this_thread::yield(); }

  struct alignas(64) Queue {
    std::atomic<uint64_t> range{0};  // first item << 32 | end
  };

  struct Shared {
    explicit Shared(int64_t members) : queues(size_t(members)) {}

    std::vector<Queue> queues;
    alignas(64) std::atomic<int64_t> helped{0};  // items that were done by helpers
    alignas(64) std::atomic<bool> stop{false};
    std::atomic<int64_t> stage{0};  // how many have begun
    std::atomic<int64_t> newcomer{1};
    std::fenv_t float_mode{};
    Work* work = nullptr;  // read by owners of an item only
    const std::thread::id caller = std::this_thread::get_id();

    struct Claim {
      int64_t first, last;
    };

    // Claims items of a queue, perhaps none.
    static Claim Take(Queue& queue, bool own) {
      uint64_t range = queue.range.load(std::memory_order_acquire);
      while (true) {
        const uint64_t first = range >> 32, last = range & 0xffffffff;
        if (first >= last) return {0, 0};
        const uint64_t taken = own ? (last - first + 1) / 2 : 1;
        const uint64_t rest = own ? (first + taken) << 32 | last : first << 32 | (last - taken);
        if (!queue.range.compare_exchange_weak(range, rest, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
        return own ? Claim{int64_t(first), int64_t(first + taken)} : Claim{int64_t(last - taken), int64_t(last)};
      }
    }

    // Does items for a member that has been idle for so many spins, and returns how many.
    int64_t DoSome(int64_t member, int64_t idle) {
      const int64_t n = idle < kReluctance ? 1 : int64_t(queues.size());
      for (int64_t d = 0; d < n; ++d) {
        const int64_t owner = (member + d) % int64_t(queues.size());
        Queue& queue = queues[size_t(owner)];
        if (d > 0 && idle < kPatience && queue.range.load(std::memory_order_relaxed) >> 32 != 0) continue;
        const Claim claim = Take(queue, d == 0);
        if (claim.first == claim.last) continue;
        work->Do(owner, claim.first, claim.last, member);
        return claim.last - claim.first;
      }
      return 0;
    }
  };

  // A helper's life. A pool that is full may run the task on the caller's own thread, which has better things to do.
  static void Help(Shared& s) {
    if (std::this_thread::get_id() == s.caller) return;
    std::fenv_t own_mode;
    std::fegetenv(&own_mode);
    std::fesetenv(&s.float_mode);
    const int64_t member = s.newcomer.fetch_add(1, std::memory_order_relaxed);
    int64_t idle = 0, seen = 0;
    while (!s.stop.load(std::memory_order_acquire)) {
      const int64_t stage = s.stage.load(std::memory_order_relaxed);
      if (stage != seen) idle = 0;
      seen = stage;
      if (const int64_t done = s.DoSome(member, idle)) {
        s.helped.fetch_add(done, std::memory_order_release);
      } else {
        Wait(idle++);
      }
    }
    std::fesetenv(&own_mode);
  }

  const Pool pool_;
  const std::shared_ptr<Shared> shared_;
  bool hired_ = false;
};

}  // namespace brainsim
