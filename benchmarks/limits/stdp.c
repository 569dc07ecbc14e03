/* Plastic inputs onto conductance neurons by hand, one thread: the numbers of `benchmarks/stdp.py`, dt = 0.1 ms.
 *
 *     tau_m dv/dt = (e_l - v) + g (0 - v), exponential Euler;   tau_e dg/dt = -g;   g <- g + w at a presynaptic spike
 *     pre spike of i:  w_ij <- max(w_ij - a_minus y_j, 0),   x_i <- x_i + 1
 *     post spike of j: w_ij <- min(w_ij + a_plus  x_i, w_max), y_j <- y_j + 1
 *
 * All inputs reach all neurons, w lies row by row. The columns of the neurons that fire in one step advance side by side,
 * so that a page of memory is looked up once for all of them. Units: ms, mV, 1.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { RUN = 256 };

static const float DT_OVER_TAU = 0.01f;                                    /* 0.1 / 10 */
static const float DECAY_G = 0.98019867f, DECAY_TRACE = 0.99501248f;       /* exp(-0.1 / 5), exp(-0.1 / 20) */
static const float REST = -74, THRESHOLD = -54, RESET = -60;

static inline float exponential(float x) {
    float whole = __builtin_rintf(x * 1.44269504f), r = x - whole * 0.69314718f;
    float p = 1 + r * (1 + r * (1 / 2.f + r * (1 / 6.f + r * (1 / 24.f + r * (1 / 120.f)))));
    int32_t bits = ((int32_t)whole + 127) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

/* Every neuron one step ahead; lists those that fire. */
static int32_t integrate(float *restrict v, float *restrict g, int32_t n, int32_t *restrict fired) {
    int32_t count = 0;
    for (int32_t j = 0; j < n; j++) {
        float total = 1 + g[j], target = REST / total;
        v[j] = target + (v[j] - target) * exponential(-DT_OVER_TAU * total);
        g[j] *= DECAY_G;
    }
    for (int32_t j = 0; j < n; j++)
        if (v[j] >= THRESHOLD) {
            v[j] = RESET;
            fired[count++] = j;
        }
    return count;
}

/* Transmit along a row, then depress it. */
static void presynaptic(float *restrict row, float *restrict g, const float *restrict y, int32_t n, float a_minus) {
    for (int32_t j = 0; j < n; j++) {
        g[j] += row[j];
        float next = row[j] - a_minus * y[j];
        row[j] = next > 0 ? next : 0;
    }
}

/* Potentiate the columns of all neurons that fired. */
static void postsynaptic(float *w, const float *x, int32_t n_pre, int32_t n, const int32_t *fired, int32_t count, float a_plus,
                         float w_max) {
    for (int32_t from = 0; from < n_pre; from += RUN)
        for (int32_t k = 0; k < count; k++) {
            int32_t to = from + RUN < n_pre ? from + RUN : n_pre;
            for (int32_t i = from; i < to; i++) {
                float *at = w + (int64_t)i * n + fired[k], next = *at + a_plus * x[i];
                *at = next < w_max ? next : w_max;
            }
        }
}

/* Run `steps` steps from v = REST, with the inputs ids[at[t] .. at[t + 1]) in step t; w[n_pre][n] is changed.
 *
 * spikes: how many times each neuron fired, zeros before. Returns 0, or 1 where there is no memory.
 */
int stdp(int32_t n_pre, int32_t n, int32_t steps, const int32_t *at, const int32_t *ids, float a_plus, float a_minus, float w_max,
         float *w, int32_t *spikes) {
    float *memory = calloc((size_t)(3 * n + n_pre), sizeof(float));
    int32_t *fired = malloc((size_t)n * sizeof(int32_t));
    if (memory == NULL || fired == NULL) return 1;
    float *v = memory, *g = v + n, *y = g + n, *x = y + n;
    for (int32_t j = 0; j < n; j++) v[j] = REST;
    for (int32_t t = 0; t < steps; t++) {
        int32_t count = integrate(v, g, n, fired);
        for (int32_t j = 0; j < n; j++) y[j] *= DECAY_TRACE;
        for (int32_t i = 0; i < n_pre; i++) x[i] *= DECAY_TRACE;
        for (int32_t e = at[t]; e < at[t + 1]; e++) presynaptic(w + (int64_t)ids[e] * n, g, y, n, a_minus);
        for (int32_t e = at[t]; e < at[t + 1]; e++) x[ids[e]] += 1;
        if (count > 0) postsynaptic(w, x, n_pre, n, fired, count, a_plus, w_max);
        for (int32_t k = 0; k < count; k++) {
            y[fired[k]] += 1;
            spikes[fired[k]]++;
        }
    }
    free(memory);
    free(fired);
    return 0;
}
