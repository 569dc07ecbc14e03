/* The conductance-based E-I network by hand, one thread: the numbers of `brainsim.networks.balanced.coba`, dt = 0.1 ms.
 *
 *     tau dv/dt = (v_rest - v) + g_E (e_E - v) + g_I (e_I - v) + drive, exponential Euler;    tau_k dg_k/dt = -g_k
 *
 * One pass over the neurons of a step integrates, tests the threshold, resets and decays, block by block, in loops that
 * the compiler turns into vectors; only a block with a spike is looked at again. Then each spike adds its weight along
 * its row, with the rows of the next spikes on their way from memory. Refractory counters are bytes. Units: ms, mV, nS.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64, AHEAD = 6, HOLD = 50, PER_LINE = 16 };

static const float DT_OVER_TAU = 0.1f / 20;
static const float DECAY_E = 0.98019867f, DECAY_I = 0.99004983f; /* exp(-0.1 / 5), exp(-0.1 / 10) */
static const float REST = -60, DRIVE = 20, THRESHOLD = -50, RESET = -60;
static const float REVERSAL_I = -80, WEIGHT_E = 0.6f, WEIGHT_I = 6.7f; /* e_E = 0 */

typedef struct {
    float *v, *g_e, *g_i;
    uint8_t *hold;   /* steps that v stays where it is */
    int32_t *spikes; /* the neurons that fire in this step */
} State;

/* exp(x): the integer part of x / ln 2 goes to the exponent, the rest, at most ln 2 / 2, to a Taylor series (2e-7). */
static inline float exponential(float x) {
    float whole = __builtin_rintf(x * 1.44269504f), r = x - whole * 0.69314718f;
    float p = 1 + r * (1 + r * (1 / 2.f + r * (1 / 6.f + r * (1 / 24.f + r * (1 / 120.f)))));
    int32_t bits = ((int32_t)whole + 127) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

/* One step of a block; `fired` is 1 where a neuron spikes. Returns whether any did. */
static inline int update(float *restrict v, float *restrict g_e, float *restrict g_i, uint8_t *restrict hold,
                         uint8_t *restrict fired) {
    int any = 0;
    for (int q = 0; q < BLOCK; q++) {
        float total = 1 + g_e[q] + g_i[q];
        float target = (REST + DRIVE + REVERSAL_I * g_i[q]) / total;
        float next = target + (v[q] - target) * exponential(-DT_OVER_TAU * total);
        int held = hold[q] > 0;
        next = held ? v[q] : next;
        int spike = next >= THRESHOLD;
        v[q] = spike ? RESET : next;
        hold[q] = spike ? HOLD : hold[q] - held;
        g_e[q] *= DECAY_E;
        g_i[q] *= DECAY_I;
        fired[q] = spike;
        any |= spike;
    }
    return any;
}

static inline void prefetch_row(const int32_t *indices, int32_t from, int32_t to) {
    for (int32_t j = from; j < to; j += PER_LINE) __builtin_prefetch(indices + j);
}

/* Every neuron one step ahead; returns how many fired. What fills the last block up is integrated and not listed. */
static int32_t integrate(State s, int32_t n) {
    int32_t count = 0;
    uint8_t fired[BLOCK];
    for (int32_t b = 0; b < n; b += BLOCK) {
        if (!update(s.v + b, s.g_e + b, s.g_i + b, s.hold + b, fired)) continue;
        int32_t size = n - b < BLOCK ? n - b : BLOCK;
        for (int32_t q = 0; q < size; q++) {
            s.spikes[count] = b + q;
            count += fired[q];
        }
    }
    return count;
}

/* Add the weights of the spikes; returns how many of them are excitatory. */
static int32_t deliver(State s, int32_t count, int32_t n_exc, const int32_t *indptr, const int32_t *indices) {
    int32_t excitatory = 0;
    for (int32_t k = 0; k < count && k < AHEAD; k++)
        prefetch_row(indices, indptr[s.spikes[k]], indptr[s.spikes[k] + 1]);
    for (int32_t k = 0; k < count; k++) {
        if (k + AHEAD < count) {
            int32_t later = s.spikes[k + AHEAD];
            prefetch_row(indices, indptr[later], indptr[later + 1]);
        }
        int32_t pre = s.spikes[k], is_exc = pre < n_exc;
        float *g = is_exc ? s.g_e : s.g_i, weight = is_exc ? WEIGHT_E : WEIGHT_I;
        for (int32_t j = indptr[pre]; j < indptr[pre + 1]; j++) g[indices[j]] += weight;
        excitatory += is_exc;
    }
    return excitatory;
}

/* Run from v(0) = v0 and g = 0; count the spikes of both populations in bins of `per_bin` steps.
 *
 * indptr, indices: rows of the n neurons, the first n_exc of them excitatory.    counts: [steps / per_bin][2], zeros.
 * Returns 0, or 1 where there is no memory.
 */
int coba(int32_t n, int32_t n_exc, const int32_t *indptr, const int32_t *indices, const float *v0, int32_t steps,
         int32_t per_bin, int32_t *counts) {
    size_t padded = ((size_t)n + BLOCK - 1) / BLOCK * BLOCK;
    float *memory = aligned_alloc(BLOCK, padded * (4 * sizeof(float) + 1));
    if (memory == NULL) return 1;
    State s = {memory, memory + padded, memory + 2 * padded, NULL, (int32_t *)(memory + 3 * padded)};
    s.hold = (uint8_t *)(s.spikes + padded);
    memset(memory, 0, padded * (4 * sizeof(float) + 1));
    memcpy(s.v, v0, (size_t)n * sizeof(float));
    for (int32_t t = 0; t < steps; t++) {
        int32_t count = integrate(s, n), excitatory = deliver(s, count, n_exc, indptr, indices);
        counts[2 * (t / per_bin)] += excitatory;
        counts[2 * (t / per_bin) + 1] += count - excitatory;
    }
    free(memory);
    return 0;
}
