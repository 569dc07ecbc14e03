"""How a spike crosses: event-driven products as JAX primitives, on native CPU kernels or on XLA."""

from .._native import WHY_XLA as WHY_XLA
from .._native import status as status
from .csr import csr_outer as csr_outer
from .csr import csr_pull as csr_pull
from .csr import csr_push as csr_push
from .delay_ring import delay_ring_push as delay_ring_push
from .delay_ring import delay_ring_take as delay_ring_take
from .event_conv import event_conv as event_conv
from .event_conv import event_conv_outer as event_conv_outer
from .event_dense import event_dense as event_dense
from .event_dense import event_dense_outer as event_dense_outer
from .packed_dense import event_dense_packed as event_dense_packed
from .procedural import Rows as Rows
from .procedural import procedural_edges as procedural_edges
from .procedural import procedural_pull as procedural_pull
from .procedural import procedural_push as procedural_push
from .sampled_dense import event_dense_where as event_dense_where
from .sampled_dense import sampling_pays as sampling_pays
from .stdp_csr import stdp_csr as stdp_csr
