#include "executor.h"

#include <atomic>
#include <cstring>

#include "bits.h"
#include "gather.h"
#include "memory.h"
#include "procedural.h"
#include "push_memory.h"
#include "schedule.h"
#include "table.h"
#include "team.h"

namespace brainsim {
namespace {

// What one member of the team has for itself.
struct alignas(kLine) Desk {
  Zeroed<int32_t> ids;               // the events of the row that was listed last
  const uint8_t* listed = nullptr;   // that row
  int64_t listed_at = -1, n_ids = 0;
  Zeroed<char> temps;                // of a tile
  Zeroed<double> room;               // of a run of synapses
  Outcome outcome;                   // the first fault, in the order of a single thread
  int64_t fault_at = 0;
};

class Executor final : public Team::Work {
 public:
  Executor(const Program& program, char* const* buffers, const Pool& pool)
      : p_(program), team_(pool), buffers_(buffers, buffers + program.n_args + program.n_results), desks_(size_t(team_.members())) {
    int64_t total = 0;
    for (const int64_t bytes : p_.temps) {
      temp_offsets_.push_back(total);
      total += RoundUp(bytes, kLine);
    }
    temp_bytes_ = total;
    if (p_.tile > 0) return;
    temps_ = Zeroed<char>(total);
    for (const int64_t offset : temp_offsets_) buffers_.push_back(temps_.data() + offset);
    for (const Loop& loop : p_.loops) PrepareLoop(loop);
  }

  Outcome Run() {
    if (p_.tile > 0) {
      RunTiles();
      return Failure();
    }
    size_t plan = 0;
    for (const Loop& loop : p_.loops) {
      for (int64_t s = 0; s < loop.steps; ++s) {
        t_ = loop.reverse ? loop.steps - 1 - s : s;
        for (size_t i = 0; i < loop.stages.size(); ++i) {
          RunStage(plans_[plan + i], loop.steps - s);
          if (failed_.load(std::memory_order_relaxed)) return Failure();
        }
      }
      plan += loop.stages.size();
    }
    return {};
  }

  void Do(int64_t owner, int64_t first, int64_t last, int64_t member) override {
    if (p_.tile > 0) {
      const int64_t before = Tiles() * owner / team_.members();
      for (int64_t tile = before + first; tile < before + last; ++tile) RunTile(tile, member);
      return;
    }
    plan_->Each(owner, first, last, [&](size_t i, int64_t from, int64_t to) {
      RunBlocks((*plan_->stage)[i], plan_->cuts[i], int64_t(i), from, to, member);
    });
  }

 private:
  void PrepareLoop(const Loop& loop) {
    for (const Stage& stage : loop.stages) {
      plans_.emplace_back(stage, team_.members());
      for (size_t i = 0; i < stage.size(); ++i) {
        if (const Procedural* p = std::get_if<Procedural>(&stage[i])) most_ids_ = std::max(most_ids_, p->n_pre);
        if (const Stdp* stdp = std::get_if<Stdp>(&stage[i])) {
          most_ids_ = std::max(most_ids_, stdp->n_own);
          most_values_ = std::max(most_values_, int64_t(1 + stdp->values.size()));
        }
        const Push* push = std::get_if<Push>(&stage[i]);
        if (!push) continue;
        most_ids_ = std::max(most_ids_, push->n_pre);
        memories_.emplace_back(*push, loop.steps, plans_.back().cuts[i]);
      }
    }
    for (Desk& desk : desks_) {
      desk.ids = Zeroed<int32_t>(most_ids_ + 1);
      desk.room = Zeroed<double>(kRun * most_values_);
    }
  }

  // ---- one stage at one time ----

  void RunStage(const StagePlan& plan, int64_t steps_left) {
    plan_ = &plan;
    ++stage_number_;
    if (team_.members() > 1 && WorthSharing(plan, steps_left)) {
      team_.Hire();
      team_.Run(*this, plan.lengths);
      return;
    }
    for (size_t i = 0; i < plan.stage->size(); ++i) RunBlocks((*plan.stage)[i], plan.whole[i], int64_t(i), 0, plan.whole[i].Count(), 0);
  }

  bool WorthSharing(const StagePlan& plan, int64_t steps_left) const {
    const int64_t least = team_.hired() ? kWorthSharing : std::max(kWorthSharing, kWorthHiring / steps_left);
    if (plan.work >= least || !plan.eventful) return plan.work >= least;
    int64_t work = plan.work;
    for (const Instruction& instruction : *plan.stage) {
      if (const Push* p = std::get_if<Push>(&instruction)) work += EventWork(p->bits, p->rows, p->n_pre, p->nnz, least);
      if (const Procedural* p = std::get_if<Procedural>(&instruction)) work += EventWork(p->bits, p->rows, p->n_pre, p->n_pre * p->mean, least);
      if (const Stdp* s = std::get_if<Stdp>(&instruction)) work += EventWork(s->bits, s->rows, s->n_own, s->nnz, least);
    }
    return work >= least;
  }

  // Units of work of the events of `rows` rows of n neurons, which share nnz synapses; 0 where it could not be as much as `least`.
  int64_t EventWork(const Operand& bits, int64_t rows, int64_t n, int64_t nnz, int64_t least) const {
    if (n == 0 || rows * nnz * kEventWork < least) return 0;
    int64_t events = 0;
    for (int64_t b = 0; b < rows; ++b) events += ActiveTable().count_bits(At<const uint8_t>(bits, b), n);
    return events * (nnz / n + 1) * kEventWork;
  }

  void RunBlocks(const Instruction& instruction, const Cut& cut, int64_t index, int64_t first, int64_t last, int64_t member) {
    if (const auto* p = std::get_if<Push>(&instruction)) {
      for (int64_t block = first; block < last; ++block) {
        const Fault f = p->f64 ? PushBlock<double>(*p, cut, block, member) : PushBlock<float>(*p, cut, block, member);
        if (f) Note(p->ring ? "delay_ring_push" : "csr_push", f, index << 32 | block, member);
      }
      return;
    }
    if (const auto* p = std::get_if<Procedural>(&instruction)) {
      for (int64_t block = first; block < last; ++block)
        p->f64 ? ProceduralBlock<double>(*p, cut, block, member) : ProceduralBlock<float>(*p, cut, block, member);
      return;
    }
    if (const auto* s = std::get_if<Stdp>(&instruction)) {
      for (int64_t block = first; block < last; ++block) {
        const Fault f = s->f64 ? StdpBlock<double>(*s, cut, block, member) : StdpBlock<float>(*s, cut, block, member);
        if (f) Note("stdp_csr", f, index << 32 | block, member);
      }
      return;
    }
    cut.Each(first, last, [&](const Part& part) { std::visit([&](const auto& i) { RunPart(i, part); }, instruction); });
  }

  template <class T>
  T* At(const Operand& o, int64_t row = 0) const {
    return reinterpret_cast<T*>(buffers_[size_t(o.buffer)] + o.shift + t_ * o.stride + row * o.row_stride);
  }

  void RunPart(const KernelCall& k, const Part& part) const {
    const void* in[kMaxOperands];
    void* out[kMaxOperands];
    if (part.begin == part.end) return;
    for (int64_t r = part.row_begin; r < part.row_end; ++r) {
      for (size_t i = 0; i < k.in.size(); ++i) in[i] = At<char>(k.in[i], r);
      for (size_t i = 0; i < k.out.size(); ++i) out[i] = At<char>(k.out[i], r);
      k.function(in, out, part.begin, part.end, r * k.n);
    }
  }

  // The rows of a matrix that have an event; what was listed last in this stage is listed once.
  template <class T, class P>
  Events<T> List(const P& p, int64_t row, Desk* desk) const {
    const uint8_t* bits = At<const uint8_t>(p.bits, row);
    if (desk->listed != bits || desk->listed_at != stage_number_) {
      desk->n_ids = ActiveTable().list_bits(bits, p.n_pre, desk->ids.data());
      desk->listed = bits;
      desk->listed_at = stage_number_;
    }
    return {desk->ids.data(), desk->n_ids, p.values.buffer < 0 ? nullptr : At<const T>(p.values, row)};
  }

  template <class T>
  Fault PushBlock(const Push& p, const Cut& cut, int64_t block, int64_t member) {
    const Csr m{At<const int32_t>(p.indices), At<const int32_t>(p.indptr), At<const int32_t>(p.delays), p.n_pre, p.nnz, p.n_post,
                p.n_slots, p.n_delays != 1, p.n_weights != 1, p.sorted};
    const PushMemory& memory = memories_[size_t(p.id)];
    const Targets targets{cut.Begin(block), cut.End(block), memory.Spans(p, cut.pieces, block)};
    const BitRows* bits = memory.Bits(cut.pieces, block);
    for (int64_t b = cut.RowBegin(block); b < cut.RowEnd(block); ++b) {
      const Events<T> events = List<T>(p, b, &desks_[size_t(member)]);
      const int64_t step = Modulo(At<const int32_t>(p.step)[b / (p.rows / p.steps)], p.n_slots);
      const T* weight = At<const T>(p.weight, b / (p.rows / p.groups));
      const Loops<T>& loops = ActiveTable().of<T>();
      if (Fault f = bits ? loops.push_bits(m, weight, events, step, targets.lo, targets.hi, *bits, At<T>(p.acc, b))
                         : loops.csr_push(m, weight, events, step, targets, At<T>(p.acc, b)))
        return f;
    }
    return {};
  }

  template <class T>
  void ProceduralBlock(const Procedural& p, const Cut& cut, int64_t block, int64_t member) {
    const Regenerated m{At<const uint32_t>(p.key), p.n_pre, p.n_post, p.n_slots, p.degree, p.scale, p.delay, Law(p.law), p.skip};
    for (int64_t b = cut.RowBegin(block); b < cut.RowEnd(block); ++b) {
      const int64_t step = Modulo(At<const int32_t>(p.step)[b / (p.rows / p.steps)], p.n_slots);
      ActiveTable().of<T>().procedural_push(m, At<const T>(p.weight, b / (p.rows / p.groups)), List<T>(p, b, &desks_[size_t(member)]), step,
                                            cut.Begin(block), cut.End(block), At<T>(p.acc, b));
    }
  }

  template <class T>
  Fault StdpBlock(const Stdp& s, const Cut& cut, int64_t block, int64_t member) {
    const Synapses synapses{At<const int32_t>(s.indices), At<const int32_t>(s.indptr), s.permuted ? At<const int32_t>(s.order) : nullptr,
                            s.n_own, s.n_other, s.nnz};
    Desk& desk = desks_[size_t(member)];
    desk.listed = nullptr;
    const int64_t begin = cut.Begin(block), end = cut.End(block);
    const T* values[kMaxValues];
    for (int64_t b = cut.RowBegin(block); b < cut.RowEnd(block); ++b) {
      const int64_t n_ids = ActiveTable().list_bits(At<const uint8_t>(s.bits, b) + begin / 8, end - begin, desk.ids.data());
      for (int64_t e = 0; e < n_ids; ++e) desk.ids.data()[e] += int32_t(begin);
      for (size_t v = 0; v < s.values.size(); ++v) values[v] = At<const T>(s.values[v], b);
      const Update<T> update{s.function, s.roles.data(), values, int64_t(s.values.size())};
      if (Fault f = ActiveTable().of<T>().stdp_csr(synapses, update, desk.ids.data(), n_ids, At<T>(s.weight, b),
                                                   reinterpret_cast<T*>(desk.room.data())))
        return f;
    }
    return {};
  }

  static int64_t Modulo(int64_t step, int64_t n) {
    if (step >= 0 && step < n) return step;
    const int64_t rest = step % n;
    return rest < 0 ? rest + n : rest;
  }

  template <class I>
  void RunPart(const I&, const Part&) const {}  // what runs in blocks or in tiles

  void RunPart(const Take& t, const Part& part) const {
    const size_t bytes = size_t((part.end - part.begin) * t.item);
    for (int64_t b = part.row_begin; b < part.row_end; ++b) {
      const int64_t slot = Modulo(At<const int32_t>(t.slot)[b / (t.rows / t.n_steps)], t.n_slots);
      char* ring = At<char>(t.ring, b) + (slot * t.n + part.begin) * t.item;
      std::memcpy(At<char>(t.arrivals, b) + part.begin * t.item, ring, bytes);
      std::memset(ring, 0, bytes);
    }
  }

  void RunPart(const Count& c, const Part& part) const {
    for (int64_t b = part.row_begin; b < part.row_end; ++b) {
      const int64_t count = ActiveTable().count_bits(At<const uint8_t>(c.bits, b), c.n);
      if (c.type == 0) *At<float>(c.out, b) = float(count);
      else if (c.type == 1) *At<double>(c.out, b) = double(count);
      else *At<int32_t>(c.out, b) = int32_t(count);
    }
  }

  void RunPart(const Sum& s, const Part& part) const {
    for (int64_t b = part.row_begin; b < part.row_end; ++b)
      if (s.f64) *At<double>(s.out, b) = ActiveTable().f64.sum_row(At<const double>(s.in, b), s.n);
      else *At<float>(s.out, b) = ActiveTable().f32.sum_row(At<const float>(s.in, b), s.n);
  }

  void RunPart(const Copy& c, const Part&) const { std::memmove(At<char>(c.to), At<char>(c.from), size_t(c.bytes)); }

  void RunPart(const Gather& g, const Part& part) const {
    if (g.from.kind == Kind::kBits) {
      switch (g.type) {
        case 0: return GatherAs<float>(g, part);
        case 1: return GatherAs<double>(g, part);
        case 2: return GatherAs<int32_t>(g, part);
        default: return GatherAs<uint8_t>(g, part);
      }
    }
    switch (g.from.item) {
      case 1: return GatherAs<uint8_t>(g, part);
      case 2: return GatherAs<uint16_t>(g, part);
      case 4: return GatherAs<uint32_t>(g, part);
      default: return GatherAs<uint64_t>(g, part);
    }
  }

  template <class T>
  void GatherAs(const Gather& g, const Part& part) const {
    const int32_t* indices = At<const int32_t>(g.indices);
    for (int64_t b = part.row_begin; b < part.row_end; ++b)
      if (g.from.kind == Kind::kBits) GatherBits(At<const uint8_t>(g.from, b), g.n, indices, part.begin, part.end, At<T>(g.out, b));
      else GatherEntries(At<const T>(g.from, b), g.n, indices, part.begin, part.end, At<T>(g.out, b));
  }

  // ---- a tile through all loops ----

  int64_t TilesPerRow() const { return (p_.tile_n + p_.tile - 1) / p_.tile; }
  int64_t Tiles() const { return (p_.tile_rows + p_.band - 1) / p_.band * TilesPerRow(); }

  void RunTiles() {
    const int64_t members = team_.members(), tiles = Tiles();
    int64_t work = 0;
    for (const Loop& loop : p_.loops)
      for (const Stage& stage : loop.stages)
        for (const Instruction& instruction : stage) work += loop.steps * std::visit(KnownWork{}, instruction);
    for (Desk& desk : desks_) desk.temps = Zeroed<char>(temp_bytes_);
    if (members == 1 || tiles == 1 || work < kWorthHiring) {
      for (int64_t tile = 0; tile < tiles; ++tile) RunTile(tile, 0);
      return;
    }
    std::vector<int64_t> lengths;
    for (int64_t m = 0; m < members; ++m) lengths.push_back(tiles * (m + 1) / members - tiles * m / members);
    team_.Hire();
    team_.Run(*this, lengths);
  }

  void RunTile(int64_t tile, int64_t member) {
    const int64_t first = tile / TilesPerRow() * p_.band, begin = tile % TilesPerRow() * p_.tile;
    char* temps = desks_[size_t(member)].temps.data();
    std::memset(temps, 0, size_t(temp_bytes_));
    Tile place{first, std::min(first + p_.band, p_.tile_rows), begin, std::min(begin + p_.tile, p_.tile_n), 0, temps};
    for (const Loop& loop : p_.loops)
      for (int64_t s = 0; s < loop.steps; ++s) {
        place.t = loop.reverse ? loop.steps - 1 - s : s;
        for (const Stage& stage : loop.stages)
          for (const Instruction& instruction : stage)
            if (const auto* c = std::get_if<Cross>(&instruction)) c->f64 ? CrossOnTile<double>(*c, place) : CrossOnTile<float>(*c, place);
            else CallOnTile(std::get<KernelCall>(instruction), place);
      }
  }

  struct Tile {
    int64_t row_begin, row_end, begin, end, t;
    char* temps;
  };
  // A temporary is addressed as if the tile's first element were its element 0.
  char* OnTile(const Operand& o, const Tile& tile, int64_t row) const {
    const int64_t offset = o.shift + tile.t * o.stride;
    if (!p_.IsTemp(o.buffer)) return buffers_[size_t(o.buffer)] + offset + row * o.row_stride;
    const int64_t skipped = o.kind == Kind::kBits ? tile.begin / 8 : o.kind == Kind::kFull || o.kind == Kind::kRow ? tile.begin * o.item : 0;
    return tile.temps + temp_offsets_[size_t(o.buffer - p_.n_args - p_.n_results)] + offset - skipped + (row - tile.row_begin) * o.row_stride;
  }

  void CallOnTile(const KernelCall& k, const Tile& tile) const {
    const void* in[kMaxOperands];
    void* out[kMaxOperands];
    for (int64_t row = tile.row_begin; row < tile.row_end; ++row) {
      for (size_t i = 0; i < k.in.size(); ++i) in[i] = OnTile(k.in[i], tile, row);
      for (size_t i = 0; i < k.out.size(); ++i) out[i] = OnTile(k.out[i], tile, row);
      k.function(in, out, tile.begin, tile.end, row * k.n);
    }
  }

  template <class T>
  void CrossOnTile(const Cross& c, const Tile& tile) const {
    const auto at = [&](const Operand& o, int64_t row) { return reinterpret_cast<T*>(OnTile(o, tile, row)); };
    const int64_t row = tile.row_begin, rows = tile.row_end - row;
    ActiveTable().of<T>().cross_rows(at(c.from, row), at(c.weight, 0), at(c.first, row), rows, c.n, c.n, at(c.out, row));
  }

  // ---- faults ----

  void Note(const char* operation, const Fault& fault, int64_t at, int64_t member) {
    Desk& desk = desks_[size_t(member)];
    if (!desk.outcome.fault || at < desk.fault_at) {
      desk.outcome = {operation, fault};
      desk.fault_at = at;
    }
    failed_.store(true, std::memory_order_relaxed);
  }

  Outcome Failure() const {
    const Desk* first = nullptr;
    for (const Desk& desk : desks_)
      if (desk.outcome.fault && (!first || desk.fault_at < first->fault_at)) first = &desk;
    return first ? first->outcome : Outcome{};
  }

  const Program& p_;
  Team team_;
  std::vector<char*> buffers_;  // arguments, results, temporaries
  std::vector<Desk> desks_;
  std::vector<int64_t> temp_offsets_;
  int64_t temp_bytes_ = 0, most_ids_ = 0, most_values_ = 1;
  Zeroed<char> temps_;
  std::vector<StagePlan> plans_;
  std::vector<PushMemory> memories_;  // by Push::id

  const StagePlan* plan_ = nullptr;  // what the team works on
  int64_t t_ = 0, stage_number_ = 0;
  std::atomic<bool> failed_{false};
};

}  // namespace

Outcome Execute(const Program& program, char* const* buffers, const Pool& pool) {
  try {
    return Executor(program, buffers, pool).Run();
  } catch (const std::bad_alloc&) {
    return {"fused", {"memory"}};
  }
}

}  // namespace brainsim
