// How an instruction is cut into blocks, and how the blocks of a stage are shared out among the members of a team.
//
// Blocks never change a result: elements and targets are independent of each other. A member has the same part of every instruction
// of every stage, so that what it wrote last is still in its cache.
#pragma once
#include <algorithm>
#include <vector>

#include "program.h"

namespace brainsim {

inline constexpr int64_t kBlock = 2048;             // elements
inline constexpr int64_t kEventWork = 12;           // a synaptic event in units of one element of one operand
inline constexpr int64_t kWorthSharing = 50000;     // units of a stage, about 4 us
inline constexpr int64_t kWorthHiring = 400000;     // units of a call: a fork costs 1 to 26 us

// Where part `part` of `parts` begins among n elements: at a multiple of 64.
inline int64_t CutAt(int64_t n, int64_t parts, int64_t part) { return part == parts ? n : n * part / parts / kBitsWord * kBitsWord; }

// Elements [begin, end) of rows [row_begin, row_end).
struct Part {
  int64_t row_begin, row_end, begin, end;
};

// Rows in runs of `rows_per`, each row in `pieces`.
struct Cut {
  int64_t rows = 0, n = 0, rows_per = 1, pieces = 1;

  int64_t Count() const { return (rows + rows_per - 1) / rows_per * pieces; }
  int64_t RowBegin(int64_t block) const { return block / pieces * rows_per; }
  int64_t RowEnd(int64_t block) const { return std::min(rows, RowBegin(block) + rows_per); }
  int64_t Begin(int64_t block) const { return CutAt(n, pieces, block % pieces); }
  int64_t End(int64_t block) const { return CutAt(n, pieces, block % pieces + 1); }

  // Calls f(part) for the parts that blocks [first, last) make together: whole rows, or neighbouring pieces of one row.
  template <class F>
  void Each(int64_t first, int64_t last, F&& f) const {
    if (pieces == 1) return f(Part{RowBegin(first), RowEnd(last - 1), 0, n});
    while (first < last) {
      const int64_t next = std::min(last, (first / pieces + 1) * pieces);
      f(Part{RowBegin(first), RowEnd(first), Begin(first), End(next - 1)});
      first = next;
    }
  }
};

inline Cut Whole(int64_t rows, int64_t n) { return {rows, n, std::max<int64_t>(rows, 1), 1}; }

inline Cut CutElements(int64_t rows, int64_t n, int64_t members) {
  if (members <= 1 || rows * n < 2 * kBlock) return Whole(rows, n);
  if (n < kBlock) return {rows, n, kBlock / n, 1};
  return {rows, n, 1, (n + kBlock * members - 1) / (kBlock * members) * members};
}

inline Cut CutRows(int64_t rows, int64_t n, int64_t members) {
  if (members <= 1) return Whole(rows, n);
  return {rows, n, std::clamp<int64_t>(kBlock / std::max<int64_t>(n, 1), 1, std::max<int64_t>(rows, 1)), 1};
}

// The elements of a push are its targets. Ranges of them need sorted rows, and cost each range a visit of every row: a push that is
// a small part of its stage stays whole.
inline Cut CutPush(const Push& p, int64_t members, int64_t synapses_of_stage) {
  if (members <= 1) return Whole(p.rows, p.n_post);
  const bool small = 2 * members * p.nnz <= synapses_of_stage, ranges = p.sorted && p.rows < members && p.n_post >= members * kBitsWord;
  return {p.rows, p.n_post, 1, ranges && !small ? members : 1};
}

inline Cut CutProcedural(const Procedural& p, int64_t members, int64_t synapses_of_stage) {
  if (members <= 1) return Whole(p.rows, p.n_post);
  const bool small = 2 * members * p.n_pre * p.mean <= synapses_of_stage, ranges = p.rows < members && p.n_post >= members * kBitsWord;
  return {p.rows, p.n_post, 1, ranges && !small ? members : 1};
}

// The elements are the neurons that may have an event, each with synapses of its own.
inline Cut CutStdp(const Stdp& s, int64_t members) {
  if (members <= 1) return Whole(s.rows, s.n_own);
  return {s.rows, s.n_own, 1, s.rows < members && s.n_own >= members * kBitsWord ? 4 * members : 1};
}

struct CutInstruction {
  int64_t members, synapses_of_stage;
  Cut operator()(const KernelCall& k) const { return CutElements(k.rows, k.n, members); }
  Cut operator()(const Push& p) const { return CutPush(p, members, synapses_of_stage); }
  Cut operator()(const Procedural& p) const { return CutProcedural(p, members, synapses_of_stage); }
  Cut operator()(const Stdp& s) const { return CutStdp(s, members); }
  Cut operator()(const Take& t) const { return CutElements(t.rows, t.n, members); }
  Cut operator()(const Count& c) const { return CutRows(c.rows, c.n / kBitsWord, members); }
  Cut operator()(const Sum& s) const { return CutRows(s.rows, s.n, members); }
  Cut operator()(const Cross& c) const { return Whole(c.rows, c.n); }
  Cut operator()(const Copy&) const { return Whole(1, 0); }
  Cut operator()(const Gather& g) const { return CutElements(g.rows, g.m, members); }
};

// Units of work that are known beforehand.
struct KnownWork {
  int64_t operator()(const KernelCall& k) const { return k.rows * k.n * int64_t(k.in.size() + k.out.size()); }
  int64_t operator()(const Push&) const { return 0; }
  int64_t operator()(const Procedural&) const { return 0; }
  int64_t operator()(const Stdp&) const { return 0; }
  int64_t operator()(const Take& t) const { return t.rows * t.n * 2; }
  int64_t operator()(const Count& c) const { return c.rows * c.n / 16; }
  int64_t operator()(const Sum& s) const { return s.rows * s.n / 2; }
  int64_t operator()(const Cross& c) const { return c.rows * c.n * (1 + c.n / 16); }
  int64_t operator()(const Copy& c) const { return c.bytes / 8; }
  int64_t operator()(const Gather& g) const { return g.rows * g.m * 4; }
};

struct ProbableWork : KnownWork {
  using KnownWork::operator();
  int64_t operator()(const Push& p) const { return p.rows * p.nnz; }
  int64_t operator()(const Procedural& p) const { return p.rows * p.n_pre * p.mean; }
  int64_t operator()(const Stdp& s) const { return s.rows * s.nnz; }
};

struct StagePlan {
  struct Run {
    size_t instruction;
    int64_t first, last;  // blocks
  };

  const Stage* stage;
  std::vector<Cut> cuts, whole;           // of each instruction, for the team and for the caller alone
  std::vector<std::vector<Run>> queues;   // of each member
  std::vector<int64_t> lengths;           // blocks of each member
  int64_t work = 0;
  bool eventful = false;  // work may come on top, depending on the events

  StagePlan(const Stage& s, int64_t members) : stage(&s), queues(size_t(members)), lengths(size_t(members)) {
    int64_t synapses = 0, plastic = 0;
    for (const Instruction& instruction : s) {
      if (const Push* p = std::get_if<Push>(&instruction)) synapses += p->nnz;
      if (const Procedural* p = std::get_if<Procedural>(&instruction)) synapses += p->n_pre * p->mean;
      if (const Stdp* p = std::get_if<Stdp>(&instruction)) plastic += p->nnz;
    }
    eventful = synapses + plastic > 0;
    std::vector<int64_t> load(size_t(members), 0);
    for (const Instruction& instruction : s) {
      whole.push_back(std::visit(CutInstruction{1, synapses}, instruction));
      cuts.push_back(std::visit(CutInstruction{members, synapses}, instruction));
      work += std::visit(KnownWork{}, instruction);
      ShareOut(cuts.size() - 1, std::visit(ProbableWork{}, instruction), &load);
    }
  }

  // Calls f(instruction, first block, last block) for items [first, last) of the queue of member `owner`.
  template <class F>
  void Each(int64_t owner, int64_t first, int64_t last, F&& f) const {
    int64_t before = 0;
    for (const Run& run : queues[size_t(owner)]) {
      const int64_t length = run.last - run.first;
      const int64_t from = std::max(first - before, int64_t(0)), to = std::min(last - before, length);
      if (from < to) f(run.instruction, run.first + from, run.first + to);
      before += length;
    }
  }

 private:
  // Every member has an equal run of the blocks; where there are fewer, each goes to who has least to do.
  void ShareOut(size_t instruction, int64_t work_of_it, std::vector<int64_t>* load) {
    const int64_t members = int64_t(queues.size()), count = cuts[instruction].Count();
    const auto give = [&](int64_t m, int64_t first, int64_t last) {
      queues[size_t(m)].push_back({instruction, first, last});
      lengths[size_t(m)] += last - first;
      (*load)[size_t(m)] += work_of_it * (last - first) / count;
    };
    if (count >= members) {
      for (int64_t m = 0; m < members; ++m) give(m, count * m / members, count * (m + 1) / members);
    } else {
      for (int64_t b = 0; b < count; ++b) give(std::min_element(load->begin(), load->end()) - load->begin(), b, b + 1);
    }
  }
};

}  // namespace brainsim
