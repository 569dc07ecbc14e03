// Compiled once per instruction set, with -DBS_ISA=avx512|avx2|baseline and that set's flags.
#include "bits.h"
#include "cross.h"
#include "csr.h"
#include "event_conv.h"
#include "event_dense.h"
#include "packed.h"
#include "procedural.h"
#include "push_bits.h"
#include "sampled_dense.h"
#include "stdp_csr.h"
#include "sum.h"
#include "table.h"

#define BS_JOIN_(a, b) a##b
#define BS_JOIN(a, b) BS_JOIN_(a, b)
#define BS_TEXT_(a) #a
#define BS_TEXT(a) BS_TEXT_(a)

namespace brainsim {

template <class T>
constexpr Loops<T> MakeLoops() {
  using namespace BS_ISA;
  return {NonZero<T>,        SumRow<T>,       CsrPush<T>,      PushBits<T>,        ProceduralPush<T>, CsrPull<T>,
          CsrOuterEach<T>,   CsrOuterShared<T>, StdpCsr<T>,     EventDense<T>,      CrossRows<T>,      EventDenseOuter<T>,
          PackRows<T>,       PackedOuter<T>,  SampledDense<T>, EventConv<T>,       EventConvOuter<T>, EventConvPull<T>};
}

extern const Table BS_JOIN(kTable_, BS_ISA);
const Table BS_JOIN(kTable_, BS_ISA) = {BS_TEXT(BS_ISA), MakeLoops<float>(), MakeLoops<double>(), BS_ISA::kMasked,
                                        BS_ISA::CountBits, BS_ISA::ListBits};

}  // namespace brainsim
