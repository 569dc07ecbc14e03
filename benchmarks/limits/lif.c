/* A population of leaky integrate-and-fire neurons by hand, one thread, dt = 0.1 ms: many steps of n neurons.
 *
 *     tau dv/dt = (v_rest - v) + i                    exact for a constant current i (mV, through 1 GOhm)
 *     tau dv/dt = (v_rest - v) + r - g v              exponential Euler; r = sum g e_rev
 *
 * v_rest = v_reset = -60, threshold -50 mV, tau 20 ms, refractory 5 ms. One pass a step, which the compiler vectorises;
 * refractory counters are bytes. v is [n] and is left as it is after the last step; both return the number of spikes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { HOLD = 50 };

static const float DT_OVER_TAU = 0.1f / 20, KEEP = 0.99501248f /* exp(-0.1 / 20) */;
static const float REST = -60, THRESHOLD = -50, RESET = -60;

/* exp(x): the integer part of x / ln 2 goes to the exponent, the rest, at most ln 2 / 2, to a Taylor series (2e-7). */
static inline float exponential(float x) {
    float whole = __builtin_rintf(x * 1.44269504f), r = x - whole * 0.69314718f;
    float p = 1 + r * (1 + r * (1 / 2.f + r * (1 / 6.f + r * (1 / 24.f + r * (1 / 120.f)))));
    int32_t bits = ((int32_t)whole + 127) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

/* Where v goes, and how much of the way is left after dt. */
static inline void course(int with_conductance, float i, float g, float *target, float *left) {
    float total = 1 + g;
    *target = with_conductance ? (REST + i) / total : REST + i;
    *left = with_conductance ? exponential(-DT_OVER_TAU * total) : KEEP;
}

/* Steps of all neurons; -1 where there is no memory. */
static inline int64_t run(int with_conductance, int32_t n, int32_t steps, const float *restrict i,
                          const float *restrict g, float *restrict v) {
    uint8_t *restrict hold = calloc((size_t)n, 1);
    int64_t spikes = 0;
    if (hold == NULL) return -1;
    for (int32_t t = 0; t < steps; t++) {
        int32_t count = 0;
        for (int32_t q = 0; q < n; q++) {
            float target, left;
            course(with_conductance, i[q], with_conductance ? g[q] : 0, &target, &left);
            float next = target + (v[q] - target) * left;
            int held = hold[q] > 0;
            next = held ? v[q] : next;
            int spike = next >= THRESHOLD;
            v[q] = spike ? RESET : next;
            hold[q] = spike ? HOLD : hold[q] - held;
            count += spike;
        }
        spikes += count;
    }
    free(hold);
    return spikes;
}

/* i: current of each neuron (pA). */
int64_t lif_current(int32_t n, int32_t steps, const float *i, const float *g, float *v) {
    return run(0, n, steps, i, g, v);
}

/* i: sum of g e_rev (pA) and g: sum of g (nS) of each neuron. */
int64_t lif_conductance(int32_t n, int32_t steps, const float *i, const float *g, float *v) {
    return run(1, n, steps, i, g, v);
}
