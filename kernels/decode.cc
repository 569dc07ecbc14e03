// Code words to a Program. Every word is checked as it is read; every operand is followed to its first and last byte.
#include <algorithm>
#include <initializer_list>

#include "procedural.h"
#include "program.h"
#include "words.h"

namespace brainsim {
namespace {

constexpr int64_t kVersion = 2;
constexpr int64_t kMaxIndex = INT32_MAX;
constexpr int64_t kMaxProduct = int64_t(1) << 30;  // entries of a tile: they are counted in 32 bits
constexpr int64_t kMaxTargets = int64_t(1) << 30;  // of a regenerated matrix: a gap and a target fit 32 bits together

class Decoder : Words {
 public:
  Decoder(const int64_t* words, int64_t n_words, Program* program) : Words(words, n_words), p_(*program) {}

  std::string Run(const std::string& digests) {
    Kernels(digests);
    Buffers();
    const int64_t n_loops = Next("number of loops", 0, kMaxSize);
    for (int64_t l = 0; l < n_loops && Good(); ++l) ReadLoop();
    if (Good() && at_ != end_) Fail(Number(end_ - at_) + " words are left over");
    return error_;
  }

 private:
  enum Access { kRead, kWrite };

  void Kernels(const std::string& digests) {
    for (size_t begin = 0; begin < digests.size() && Good();) {
      const size_t end = std::min(digests.find(',', begin), digests.size());
      const std::string digest = digests.substr(begin, end - begin);
      p_.kernels.push_back(FindKernel(digest));
      if (!p_.kernels.back())
        error_ = "kernel " + digest + " is not loaded in this process; trace the function again (jax.clear_caches())";
      begin = end + 1;
    }
  }

  void Buffers() {
    Next("version", kVersion, kVersion);
    p_.n_args = Next("number of arguments", 0, kMaxIndex);
    p_.n_results = Next("number of results", 0, kMaxIndex);
    const int64_t n_temps = Next("number of temporaries", 0, std::max<int64_t>(end_ - at_, 0));
    int64_t total = 0;
    for (int64_t b = 0; b < n_temps && Good(); ++b) {
      p_.temps.push_back(Size("size of a temporary"));
      total += p_.temps.back();
      if (total > kMaxSize) Fail("the temporaries are too large");
    }
    const int64_t n_aliases = Next("number of aliases", 0, std::max<int64_t>(end_ - at_, 0));
    for (int64_t a = 0; a < n_aliases && Good(); ++a) {
      const int64_t arg = Next("aliased argument", 0, p_.n_args - 1);
      const int64_t result = Next("aliased result", 0, p_.n_results - 1);
      for (const auto& other : p_.aliases)
        if (other.first == arg || other.second == result) Fail("a buffer is aliased twice");
      p_.aliases.emplace_back(arg, result);
    }
    p_.tile = Size("tile");
    if (p_.tile % kBitsWord != 0) Fail("the tile is no multiple of " + Number(kBitsWord));
    p_.band = Next("number of rows of a tile", 1, kMaxIndex);
    if (Good()) p_.needed.assign(size_t(p_.n_args + p_.n_results), 0);
  }

  void ReadLoop() {
    p_.loops.push_back({Size("number of steps"), Flag("reverse flag"), {}});
    steps_ = p_.loops.back().steps;
    const int64_t n_instructions = Next("number of instructions", 0, kMaxSize);
    int64_t stage = -1;
    for (int64_t i = 0; i < n_instructions && Good(); ++i) {
      const int64_t length = Next("length of an instruction", 2, std::max<int64_t>(end_ - at_ - 1, 2)), first = at_;
      const int64_t opcode = Next("opcode", 0, 9), its_stage = Next("stage", std::max<int64_t>(stage, 0), kMaxSize);
      if (its_stage > stage) p_.loops.back().stages.emplace_back();
      stage = its_stage;
      Instruction instruction = ReadInstruction(opcode);
      if (at_ - first != length) Fail("the instruction has " + Number(length) + " words, expected " + Number(at_ - first));
      if (!Good()) return;
      p_.loops.back().stages.back().push_back(std::move(instruction));
    }
  }

  Instruction ReadInstruction(int64_t opcode) {
    if (p_.tile > 0 && opcode != 0 && opcode != 9) Fail("only kernels and products run in tiles");
    if (p_.tile == 0 && opcode == 9) Fail("a product runs in tiles only");
    switch (opcode) {
      case 0: return ReadKernelCall();
      case 1: return ReadPush();
      case 2: return ReadTake();
      case 3: return ReadCount();
      case 4: return ReadSum();
      case 5: return ReadCopy();
      case 6: return ReadGather();
      case 7: return ReadProcedural();
      case 8: return ReadStdp();
      default: return ReadCross();
    }
  }

  Operand ReadOperand(const char* name) {
    Operand o;
    o.buffer = Next("buffer", -1, p_.n_args + p_.n_results + int64_t(p_.temps.size()) - 1);
    o.kind = Kind(Next("kind", 0, int64_t(Kind::kBits)));
    o.item = Next("item size", 1, 8);
    o.stride = Next("stride in time", -kMaxSize, kMaxSize);
    o.shift = Next("shift in time", -kMaxSize, kMaxSize);
    o.row_stride = 0;
    if ((o.item & (o.item - 1)) != 0) Fail(std::string("`") + name + "` has entries of " + Number(o.item) + " bytes");
    return o;
  }

  // Follows `rows` rows of n entries through all steps and notes the bytes that the buffer must have.
  void Place(Operand* o, const char* name, int64_t rows, int64_t n, Access access) {
    if (!Good()) return;
    const std::string who = std::string("`") + name + "` (buffer " + Number(o->buffer) + ") ";
    if (o->buffer < 0) return Fail(who + "is missing");
    if (access == kWrite && o->buffer < p_.n_args) return Fail(who + "is an argument and cannot be written");
    for (const auto& alias : p_.aliases)
      if (alias.first == o->buffer) return Fail(who + "is an argument that is aliased; its result must be named");
    const bool tiled = p_.tile > 0 && p_.IsTemp(o->buffer);
    const int64_t align = o->kind == Kind::kBits ? 8 : o->item;
    if (o->stride % align != 0 || o->shift % align != 0) return Fail(who + "is not aligned to " + Number(align) + " bytes");
    const int64_t width = tiled ? std::min(n, p_.tile) : n;
    const int64_t row = RowBytes(*o, width), per_row = o->kind == Kind::kFull || o->kind == Kind::kBits || o->kind == Kind::kColumn;
    o->row_stride = per_row ? row : 0;
    const int64_t bytes = Times(row, !per_row ? std::min<int64_t>(rows, 1) : tiled ? std::min(rows, p_.band) : rows);
    if (bytes == 0 || steps_ == 0) {
      o->stride = o->shift = 0;
      return;
    }
    const int64_t travel = Times(steps_ - 1, o->stride);
    const int64_t low = o->shift + std::min<int64_t>(travel, 0), high = o->shift + std::max<int64_t>(travel, 0) + bytes;
    if (low < 0) return Fail(who + "begins " + Number(-low) + " bytes before its buffer");
    if (high > kMaxSize) return Fail(who + "is too large");
    if (!p_.IsTemp(o->buffer)) {
      p_.needed[size_t(o->buffer)] = std::max(p_.needed[size_t(o->buffer)], high);
    } else if (high > p_.temps[size_t(o->buffer - p_.n_args - p_.n_results)]) {
      Fail(who + "reaches to byte " + Number(high) + " of a temporary of " +
           Number(p_.temps[size_t(o->buffer - p_.n_args - p_.n_results)]));
    }
  }

  static int64_t RowBytes(const Operand& o, int64_t n) {
    switch (o.kind) {
      case Kind::kScalar:
      case Kind::kColumn: return o.item;
      case Kind::kBits: return BitsRowBytes(n);
      default: return Times(n, o.item);
    }
  }

  // An operand whose layout is given by the instruction.
  Operand Fixed(const char* name, Kind kind, int64_t item, int64_t rows, int64_t n, Access access) {
    Operand o = ReadOperand(name);
    if (kind != Kind::kBits && o.item != item)
      Fail(std::string("`") + name + "` has entries of " + Number(o.item) + " bytes, expected " + Number(item));
    o.kind = kind;
    o.item = item;
    Place(&o, name, rows, n, access);
    return o;
  }

  Instruction ReadKernelCall() {
    KernelCall k{};
    const int64_t index = Next("kernel", 0, int64_t(p_.kernels.size()) - 1);
    if (Good()) k.function = p_.kernels[size_t(index)]->function;
    k.rows = Size("number of rows");
    k.n = Size("number of elements");
    if (Times(k.rows, k.n) > kMaxSize) Fail("the kernel has too many elements");
    const int64_t n_in = Next("number of inputs", 0, kMaxOperands), n_out = Next("number of outputs", 0, kMaxOperands - n_in);
    for (int64_t i = 0; i < n_in && Good(); ++i) {
      k.in.push_back(ReadOperand("input"));
      Place(&k.in.back(), "input", k.rows, k.n, kRead);
    }
    for (int64_t i = 0; i < n_out && Good(); ++i) {
      k.out.push_back(ReadOperand("output"));
      if (k.out.back().kind != Kind::kFull && k.out.back().kind != Kind::kBits) Fail("an output of a kernel is neither full nor bits");
      Place(&k.out.back(), "output", k.rows, k.n, kWrite);
    }
    if (p_.tile > 0) Tiled(k.rows, k.n);
    return k;
  }

  // What runs in tiles has one shape.
  void Tiled(int64_t rows, int64_t n) {
    if (tiled_ && (rows != p_.tile_rows || n != p_.tile_n)) Fail("what runs in tiles must have one shape");
    tiled_ = true;
    p_.tile_rows = rows;
    p_.tile_n = n;
  }

  Instruction ReadPush() {
    Push p{};
    p.f64 = Flag("type");
    p.ring = Flag("ring flag");
    p.sorted = Flag("order flag");
    p.rows = Size("number of rows");
    p.groups = Size("number of weight groups");
    p.steps = Size("number of step numbers");
    p.n_pre = Next("number of presynaptic neurons", 0, kMaxIndex - 1);
    p.n_post = Next("number of postsynaptic neurons", 0, kMaxIndex - 1);
    p.n_slots = Next("number of slots", 1, kMaxIndex - 1);
    p.nnz = Next("number of synapses", 0, kMaxIndex);
    p.n_weights = Size("number of weights");
    p.n_delays = Size("number of delays");
    if (p.n_weights != 1 && p.n_weights != p.nnz) Fail("there must be one weight, or one per synapse");
    if (p.n_delays != 1 && p.n_delays != p.nnz) Fail("there must be one delay, or one per synapse");
    Divides("groups of weights", p.groups, p.rows);
    Divides("step numbers", p.steps, p.rows);
    const int64_t item = p.f64 ? 8 : 4;
    p.acc = Fixed("acc", Kind::kFull, item, p.rows, Times(p.n_slots, p.n_post), kWrite);
    p.weight = Fixed("weight", Kind::kFull, item, p.groups, p.n_weights, kRead);
    p.indices = Fixed("indices", Kind::kFull, 4, 1, p.nnz, kRead);
    p.indptr = Fixed("indptr", Kind::kFull, 4, 1, p.n_pre + 1, kRead);
    p.delays = Fixed("delays", Kind::kFull, 4, 1, p.n_delays, kRead);
    p.step = Fixed("step", Kind::kFull, 4, 1, p.steps, kRead);
    p.bits = Fixed("bits", Kind::kBits, 1, p.rows, p.n_pre, kRead);
    p.values = Values(item, p.rows, p.n_pre);
    Apart(p.acc, {&p.weight, &p.indices, &p.indptr, &p.delays, &p.step, &p.bits, &p.values});
    p.constant = Constant(p.indices) && Constant(p.indptr) && Constant(p.delays);
    p.id = p_.n_pushes++;
    return p;
  }

  Instruction ReadProcedural() {
    Procedural p{};
    p.f64 = Flag("type");
    p.ring = Flag("ring flag");
    p.skip = Flag("diagonal flag");
    p.rows = Size("number of rows");
    p.groups = Size("number of weight groups");
    p.steps = Size("number of step numbers");
    p.n_pre = Next("number of presynaptic neurons", 0, kMaxIndex - 1);
    p.n_post = Next("number of postsynaptic neurons", 0, kMaxTargets);
    p.n_slots = Next("number of slots", 1, kMaxIndex - 1);
    p.delay = Next("delay", 0, p.n_slots);
    p.degree = Next("degree", -1, kMaxTargets);
    p.law = Next("law of the weights", 0, int64_t(Law::kNormal));
    const int64_t bits = Next("bits of the scale", INT32_MIN, INT32_MAX);
    p.scale = BitsToFloat(int32_t(bits));
    if (!(p.scale <= 0)) Fail("the scale of the gaps is positive");
    Divides("groups of weights", p.groups, p.rows);
    Divides("step numbers", p.steps, p.rows);
    const int64_t item = p.f64 ? 8 : 4;
    p.acc = Fixed("acc", Kind::kFull, item, p.rows, Times(p.n_slots, p.n_post), kWrite);
    p.weight = Fixed("weight", Kind::kFull, item, p.groups, 2, kRead);
    p.key = Fixed("key", Kind::kFull, 4, 1, 4, kRead);
    p.step = Fixed("step", Kind::kFull, 4, 1, p.steps, kRead);
    p.bits = Fixed("bits", Kind::kBits, 1, p.rows, p.n_pre, kRead);
    p.values = Values(item, p.rows, p.n_pre);
    Apart(p.acc, {&p.weight, &p.key, &p.step, &p.bits, &p.values});
    p.mean = Regenerated{nullptr, p.n_pre, p.n_post, p.n_slots, p.degree, p.scale, p.delay, Law(p.law), p.skip}.MeanDegree();
    return p;
  }

  // Checked once, read again: nothing of that is written in the same call.
  void Apart(const Operand& written, std::initializer_list<const Operand*> read) {
    for (const Operand* o : read)
      if (o->buffer == written.buffer) Fail("buffer " + Number(o->buffer) + " is written over what is read beside it");
  }

  // What events are worth, or nothing where each is 1.
  Operand Values(int64_t item, int64_t rows, int64_t n) {
    if (Good() && at_ < end_ && words_[at_] == -1) return ReadOperand("values");
    return Fixed("values", Kind::kFull, item, rows, n, kRead);
  }

  // An argument that is not aliased does not change during the call.
  bool Constant(const Operand& o) const { return o.buffer < p_.n_args && o.stride == 0; }

  void Divides(const char* what, int64_t parts, int64_t rows) {
    if (rows != 0 && (parts == 0 || rows % parts != 0)) Fail(Number(parts) + " " + what + " do not divide " + Number(rows) + " rows");
  }

  Instruction ReadTake() {
    Take t{};
    t.item = Flag("type") ? 8 : 4;
    t.rows = Size("number of rows");
    t.n = Size("number of elements");
    t.n_slots = Next("number of slots", 1, kMaxIndex - 1);
    t.n_steps = Size("number of step numbers");
    Divides("step numbers", t.n_steps, t.rows);
    t.ring = Fixed("ring", Kind::kFull, t.item, t.rows, Times(t.n_slots, t.n), kWrite);
    t.slot = Fixed("slot", Kind::kFull, 4, 1, t.n_steps, kRead);
    t.arrivals = Fixed("arrivals", Kind::kFull, t.item, t.rows, t.n, kWrite);
    return t;
  }

  Instruction ReadCount() {
    Count c{};
    c.type = Next("type", 0, 2);
    c.rows = Size("number of rows");
    c.n = Size("number of elements");
    c.bits = Fixed("bits", Kind::kBits, 1, c.rows, c.n, kRead);
    c.out = Fixed("count", Kind::kColumn, c.type == 1 ? 8 : 4, c.rows, 1, kWrite);
    return c;
  }

  Instruction ReadSum() {
    Sum s{};
    s.f64 = Flag("type");
    s.rows = Size("number of rows");
    s.n = Size("number of elements");
    s.in = Fixed("summands", Kind::kFull, s.f64 ? 8 : 4, s.rows, s.n, kRead);
    s.out = Fixed("sum", Kind::kColumn, s.f64 ? 8 : 4, s.rows, 1, kWrite);
    return s;
  }

  Instruction ReadCopy() {
    Copy c{};
    c.bytes = Size("number of bytes");
    c.from = ReadOperand("source");
    c.to = ReadOperand("target");
    for (Operand* o : {&c.from, &c.to}) {
      o->kind = Kind::kFull;
      o->item = 1;
      Place(o, o == &c.from ? "source" : "target", 1, c.bytes, o == &c.from ? kRead : kWrite);
    }
    return c;
  }

  Instruction ReadGather() {
    Gather g{};
    g.type = Next("type", 0, 3);
    g.rows = Size("number of rows");
    g.n = Size("number of elements");
    g.m = Size("number of indices");
    if (g.n == 0 && g.rows > 0 && g.m > 0) Fail("there is nothing to gather from");
    g.from = ReadOperand("source");
    if (g.from.kind != Kind::kFull && g.from.kind != Kind::kBits) Fail("the source is neither full nor bits");
    Place(&g.from, "source", g.rows, g.n, kRead);
    const int64_t of_type[] = {4, 8, 4, 1};
    g.indices = Fixed("indices", Kind::kFull, 4, 1, g.m, kRead);
    g.out = Fixed("picked", Kind::kFull, g.from.kind == Kind::kBits ? of_type[g.type] : g.from.item, g.rows, g.m, kWrite);
    return g;
  }

  Instruction ReadStdp() {
    Stdp s{};
    const int64_t index = Next("kernel", 0, int64_t(p_.kernels.size()) - 1);
    if (Good()) s.function = p_.kernels[size_t(index)]->function;
    s.f64 = Flag("type");
    s.permuted = Flag("order flag");
    s.rows = Size("number of rows");
    s.n_own = Next("number of neurons with events", 0, kMaxIndex - 1);
    s.n_other = Next("number of neurons at the other ends", 0, kMaxIndex - 1);
    s.nnz = Next("number of synapses", 0, kMaxIndex);
    const int64_t n_values = Next("number of values", 0, kMaxValues), item = s.f64 ? 8 : 4;
    for (int64_t v = 0; v < n_values && Good(); ++v) s.roles.push_back(Role(Next("role", 0, int64_t(Role::kShared))));
    s.weight = Fixed("weight", Kind::kFull, item, s.rows, s.nnz, kWrite);
    s.indices = Fixed("indices", Kind::kFull, 4, 1, s.nnz, kRead);
    s.indptr = Fixed("indptr", Kind::kFull, 4, 1, s.n_own + 1, kRead);
    s.order = Fixed("order", Kind::kFull, 4, 1, s.permuted ? s.nnz : 1, kRead);
    s.bits = Fixed("bits", Kind::kBits, 1, s.rows, s.n_own, kRead);
    Apart(s.weight, {&s.indices, &s.indptr, &s.order, &s.bits});
    for (int64_t v = 0; v < n_values && Good(); ++v) {
      const Role role = s.roles[size_t(v)];
      const bool shared = role == Role::kShared;
      const int64_t n = role == Role::kOwn ? s.n_own : role == Role::kOther ? s.n_other : 1;
      s.values.push_back(Fixed("value", shared ? Kind::kScalar : Kind::kFull, item, shared ? 1 : s.rows, n, kRead));
    }
    return s;
  }

  Instruction ReadCross() {
    Cross c{};
    c.f64 = Flag("type");
    c.rows = Size("number of rows");
    c.n = Next("number of elements", 0, kMaxIndex);
    Tiled(c.rows, c.n);
    if (c.n > p_.tile) Fail("a product needs tiles of whole rows");
    if (Times(std::min(c.rows, p_.band), c.n) > kMaxProduct) Fail("the tiles of a product are too large");
    const int64_t item = c.f64 ? 8 : 4;
    c.first = Fixed("first", Kind::kFull, item, c.rows, c.n, kRead);
    c.from = Fixed("from", Kind::kFull, item, c.rows, c.n, kRead);
    c.weight = Fixed("weight", Kind::kFull, item, 1, Times(c.n, c.n), kRead);
    c.out = Fixed("product", Kind::kFull, item, c.rows, c.n, kWrite);
    if (p_.IsTemp(c.weight.buffer)) Fail("the weight of a product is a temporary");
    Apart(c.out, {&c.first, &c.from, &c.weight});
    return c;
  }

  int64_t steps_ = 0;
  bool tiled_ = false;
  Program& p_;
};

}  // namespace

std::string Decode(const int64_t* words, int64_t n_words, const std::string& digests, Program* program) {
  return Decoder(words, n_words, program).Run(digests);
}

}  // namespace brainsim
