/* A layer of leaky integrate-and-fire neurons through time, and its gradient, by hand on one thread.
 *
 *     u_t = beta v_{t-1} + x_t,    s_t = [u_t >= 1],    v_t = u_t - s_t (no gradient crosses this reset),    v_{-1} = 0
 *     a_t = h(u_t - 1) ct_t + beta a_{t+1},    h(z) = 1 / (1 + (pi z)^2),    dx_t = a_t,    dbeta = sum a_t v_{t-1}
 *
 * All steps of a tile of neurons are done before the next tile begins: v stays in the first cache, and so does u, which
 * only the backward loop needs, in the second. What remains is the traffic of x, s, ct and dx. Arrays are [steps][n].
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { TILE = 1024 };

static const float PI = 3.14159265f;

static inline float spike(float u) { return u >= 1 ? 1.f : 0.f; }

/* The spikes s of n neurons; n is a multiple of TILE. */
void lif_forward(int32_t n, int32_t steps, float beta, const float *restrict x, float *restrict s) {
    for (int32_t from = 0; from < n; from += TILE) {
        float v[TILE] = {0};
        for (int32_t t = 0; t < steps; t++) {
            const float *in = x + (size_t)t * n + from;
            float *out = s + (size_t)t * n + from;
            for (int q = 0; q < TILE; q++) {
                float u = beta * v[q] + in[q];
                out[q] = spike(u);
                v[q] = u - out[q];
            }
        }
    }
}

/* The steps of one tile, with every u kept. */
static void tile_forward(int32_t n, int32_t steps, float beta, const float *restrict x, float *restrict s,
                         float *restrict kept) {
    float v[TILE] = {0};
    for (int32_t t = 0; t < steps; t++, x += n, s += n, kept += TILE)
        for (int q = 0; q < TILE; q++) {
            float u = beta * v[q] + x[q];
            kept[q] = u;
            s[q] = spike(u);
            v[q] = u - s[q];
        }
}

/* The same backwards; returns the tile's part of dbeta. */
static double tile_backward(int32_t n, int32_t steps, float beta, const float *restrict ct, float *restrict dx,
                            const float *restrict kept) {
    float a[TILE] = {0}, sum[TILE] = {0};
    for (int32_t t = steps - 1; t >= 0; t--) {
        const float *u = kept + (size_t)t * TILE, *before = t > 0 ? u - TILE : NULL, *c = ct + (size_t)t * n;
        float *out = dx + (size_t)t * n;
        for (int q = 0; q < TILE; q++) {
            float z = PI * (u[q] - 1);
            out[q] = beta * a[q] + c[q] / (1 + z * z);
        }
        for (int q = 0; before != NULL && q < TILE; q++) sum[q] += out[q] * (before[q] - spike(before[q]));
        memcpy(a, out, sizeof a);
    }
    double total = 0;
    for (int q = 0; q < TILE; q++) total += sum[q];
    return total;
}

/* The spikes s, and from their cotangents ct the gradients dx and *dbeta. Returns 0, or 1 where there is no memory. */
int lif_gradient(int32_t n, int32_t steps, float beta, const float *x, const float *ct, float *s, float *dx,
                 float *dbeta) {
    float *kept = aligned_alloc(64, (size_t)steps * TILE * sizeof(float));
    if (kept == NULL) return 1;
    double total = 0;
    for (int32_t from = 0; from < n; from += TILE) {
        tile_forward(n, steps, beta, x + from, s + from, kept);
        total += tile_backward(n, steps, beta, ct + from, dx + from, kept);
    }
    *dbeta = (float)total;
    free(kept);
    return 0;
}
