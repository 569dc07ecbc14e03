"""Running average of the parameters: validation and the result take it in place of the last step's.

    m_k = d m_{k-1} + (1 - d) p_k,  m_0 = 0,     served: m_k / (1 - d^k)

`optax.ema` of the parameters. Polyak and Juditsky, SIAM J. Control Optim. 30 (1992) 838; the correction is that of
Kingma and Ba, ICLR 2015.
"""

from typing import Any

import equinox as eqx
import jax
import optax

from .constrain import constrain


class Average:
    """The running average of parameters.

    Args:
        decay: d, the weight of the past; 1 / (1 - d) steps are averaged.

    Raises:
        ValueError: d is not in (0, 1).
    """

    def __init__(self, decay: float):
        if not 0 < decay < 1:
            raise ValueError(f"`ema`: expected a decay between 0 and 1, such as 0.999, got {decay!r}.")
        ema = optax.ema(decay, debias=False)
        self.init = ema.init

        @eqx.filter_jit
        def advanced(params: Any, state: Any) -> Any:
            with jax.numpy_dtype_promotion("standard"):
                return ema.update(params, state)[1]

        @eqx.filter_jit
        def served(state: Any) -> Any:
            with jax.numpy_dtype_promotion("standard"):
                return constrain(optax.tree.bias_correction(state.ema, decay, state.count))

        self.advanced, self.served = advanced, served
