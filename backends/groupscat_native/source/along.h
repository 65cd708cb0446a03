/* |x ⋆ ψ| along rows by real matrices, for wavelets of both spins at once, and averages of it along the rows: a few
 * samples of all rows at a time, so that nothing but x and the result is ever in memory.
 * Source: Andén, Lostanlen & Mallat 2019, section III. */

#define TILE (256 / (int64_t)sizeof(real)) /* samples at a time: as the callers count them */

/* Matrices and where their rows are not zero: (first, behind) for each. */
typedef struct {
    int64_t parts, rows, samples;     /* of x: real or re and im, rows, samples */
    const real *psi;               /* (filters, rows), then, if planar, as many imaginary parts */
    const int32_t *live;
    int64_t filters, planar;
    const real *average;           /* (outputs, filters), or NULL: outputs are the moduli */
    const int32_t *average_live;
    int64_t outputs, spins, spin;     /* how many spins, the first one; 0: the filters are real */
    int64_t add;                      /* whether a gradient is added to what is there */
} NAME(Along);
#define Along NAME(Along)

/* Samples t … of all rows of an array, zeros behind the last. */
static void NAME(tile_in)(const real *x, int64_t rows, int64_t samples, int64_t t, real *y)
{
    const int64_t count = samples - t < TILE ? samples - t : TILE;
    for (int64_t r = 0; r < rows; r++, x += samples, y += TILE)
        if (count == TILE)
            memcpy(y, x + t, TILE * sizeof(real)); /* of a known length, so that nothing is called */
        else {
            memcpy(y, x + t, count * sizeof(real));
            memset(y + count, 0, (TILE - count) * sizeof(real));
        }
}

#if defined(__AVX512VL__) || defined(__aarch64__) /* 32 registers */
#define STRIP 4 /* vectors of samples whose sums are in registers */
#else
#define STRIP 2
#endif

/* Rows lo … hi−1 of a tile summed with weights: A·re, B·re, A·im, B·im, STRIP vectors each. */
static inline __attribute__((always_inline)) void NAME(products)(const real *x, const real *a, const real *b, int64_t lo,
                                                                 int64_t hi, int64_t im, const int planar, const int parts,
                                                                 vec *y)
{
    for (int i = 0; i < 4 * STRIP; i++)
        y[i] = (vec){0};
    for (int64_t k = lo; k < hi; k++) {
        const vec u = all(a[k]), w = planar ? all(b[k]) : (vec){0};
        for (int i = 0; i < STRIP; i++) {
            const vec v = load(x + k * TILE + i * LANES);
            y[i] += u * v;
            if (planar)
                y[STRIP + i] += w * v;
            if (parts == 2) {
                const vec z = load(x + im + k * TILE + i * LANES);
                y[2 * STRIP + i] += u * z;
                if (planar)
                    y[3 * STRIP + i] += w * z;
            }
        }
    }
}

/* Re and im of the response of a spin, vector i of STRIP, from the products. */
static inline void NAME(spun)(const vec *y, int i, int64_t spin, vec *re, vec *im)
{
    if (spin > 0)
        *re = y[i] - y[3 * STRIP + i], *im = y[STRIP + i] + y[2 * STRIP + i];
    else if (spin < 0)
        *re = y[i] + y[3 * STRIP + i], *im = y[2 * STRIP + i] - y[STRIP + i];
    else
        *re = y[i], *im = y[2 * STRIP + i];
}

/* Some outputs from o on: out[o] ← Σ_r w[o, r] u[r], tile rows lo … hi−1. */
static inline __attribute__((always_inline)) void NAME(mix_some)(const real *w, int64_t rows, const real *u, int64_t lo,
                                                                 int64_t hi, real *out, const int some)
{
    for (int64_t i = 0; i < TILE; i += 4 * LANES) {
        vec s[3 * 4];
        for (int k = 0; k < 4 * some; k++)
            s[k] = (vec){0};
        for (int64_t r = lo; r < hi; r++)
            for (int o = 0; o < some; o++) {
                const vec c = all(w[o * rows + r]);
                for (int k = 0; k < 4; k++)
                    s[4 * o + k] += c * load(u + r * TILE + i + k * LANES);
            }
        for (int o = 0; o < some; o++)
            for (int k = 0; k < 4; k++)
                store(out + o * TILE + i + k * LANES, s[4 * o + k]);
    }
}

/* out[o] ← Σ_r w[o, r] u[r]: a few outputs at a time, which read the same u. */
static void NAME(mix)(const real *w, const int32_t *live, int64_t outputs, int64_t rows, const real *u, real *out)
{
    for (int64_t o = 0, some; o < outputs; o += some) {
        some = outputs - o < 3 ? outputs - o : 3;
        int64_t lo = rows, hi = 0;
        for (int64_t k = o; k < o + some; k++)
            if (live[2 * k] < live[2 * k + 1]) {
                lo = live[2 * k] < lo ? live[2 * k] : lo;
                hi = live[2 * k + 1] > hi ? live[2 * k + 1] : hi;
            }
        if (some == 3)
            NAME(mix_some)(w + o * rows, rows, u, lo, hi, out + o * TILE, 3);
        else if (some == 2)
            NAME(mix_some)(w + o * rows, rows, u, lo, hi, out + o * TILE, 2);
        else
            NAME(mix_some)(w + o * rows, rows, u, lo, hi, out + o * TILE, 1);
    }
}

static void NAME(tile_out)(const real *x, int64_t rows, int64_t samples, int64_t t, real *y)
{
    const int64_t count = samples - t < TILE ? samples - t : TILE;
    for (int64_t r = 0; r < rows; r++)
        if (count == TILE)
            memcpy(y + r * samples + t, x + r * TILE, TILE * sizeof(real));
        else
            memcpy(y + r * samples + t, x + r * TILE, count * sizeof(real));
}

/* What depends on the kinds of filters and of x, compiled for each of them: sums then stay in registers. */
#define AS_KNOWN(p, call)                     \
    do {                                      \
        if ((p)->planar && (p)->parts == 2) { \
            enum { planar = 1, parts = 2 };   \
            call;                             \
        } else if ((p)->planar) {             \
            enum { planar = 1, parts = 1 };   \
            call;                             \
        } else if ((p)->parts == 2) {         \
            enum { planar = 0, parts = 2 };   \
            call;                             \
        } else {                              \
            enum { planar = 0, parts = 1 };   \
            call;                             \
        }                                     \
    } while (0)

/* Roots of STRIP vectors of each spin. */
static inline void NAME(draw_roots)(real *u, int64_t spins, int64_t apart)
{
    for (int64_t s = 0; s < spins; s++)
        for (int v = 0; v < STRIP; v++)
            store(u + s * apart + v * LANES, root(load(u + s * apart + v * LANES)));
}

/* Moduli of the responses to all filters that do not vanish. Roots are drawn while the next products are summed:
 * processors do both at once. */
static inline __attribute__((always_inline)) void NAME(moduli_along)(const Along *p, const real *in, real *u, int64_t spins,
                                                                     const int planar, const int parts)
{
    const int64_t im = p->rows * TILE, apart = p->filters * TILE;
    real *before = 0;
    for (int64_t r = 0; r < p->filters; r++) {
        const real *a = p->psi + r * p->rows, *b = a + p->filters * p->rows;
        const int64_t lo = p->live[2 * r], hi = p->live[2 * r + 1];
        for (int64_t c = 0; lo < hi && c < TILE; c += STRIP * LANES) {
            vec y[4 * STRIP], re, ie;
            real *to = u + r * TILE + c;
            if (before)
                NAME(draw_roots)(before, spins, apart);
            NAME(products)(in + c, a, b, lo, hi, im, planar, parts, y);
            for (int64_t s = 0; s < spins; s++)
                for (int v = 0; v < STRIP; v++) {
                    NAME(spun)(y, v, s ? -p->spin : p->spin, &re, &ie);
                    store(to + s * apart + v * LANES, re * re + ie * ie);
                }
            before = to;
        }
    }
    if (before)
        NAME(draw_roots)(before, spins, apart);
}

/* Tiles first … stop−1, those of all arrays counted through; out: (arrays, spins·outputs, samples). */
static __attribute__((noinline)) int NAME(along)(const Along *p, const real *x, real *out, int64_t first, int64_t stop)
{
    const int64_t tiles = (p->samples + TILE - 1) / TILE, spins = p->spins ? p->spins : 1;
    const Mark before = mark();
    real *in = take(p->parts * p->rows * TILE * sizeof(real));
    real *u = in ? take(spins * p->filters * TILE * sizeof(real)) : 0;
    real *mean = u ? take((p->outputs + 1) * TILE * sizeof(real)) : 0;
    if (mean)
        memset(u, 0, spins * p->filters * TILE * sizeof(real)); /* and so it stays where filters vanish */
    for (int64_t i = first; mean && i < stop; i++) {
        const int64_t t = i % tiles * TILE, array = i / tiles;
        NAME(tile_in)(x + array * p->parts * p->rows * p->samples, p->parts * p->rows, p->samples, t, in);
        AS_KNOWN(p, NAME(moduli_along)(p, in, u, spins, planar, parts));
        for (int64_t s = 0; s < spins; s++) {
            real *from = u + s * p->filters * TILE, *to = out + (array * spins + s) * p->outputs * p->samples;
            if (p->average) {
                NAME(mix)(p->average, p->average_live, p->outputs, p->filters, from, mean);
                from = mean;
            }
            NAME(tile_out)(from, p->outputs, p->samples, t, to);
        }
    }
    give_back(before);
    return mean != 0;
}

/* What the gradients by moduli add to that by x. */
static inline __attribute__((always_inline)) void NAME(slopes_along)(const Along *p, const real *in, const real *g, real *dx,
                                                                     int64_t spins, const int planar, const int parts)
{
    const int64_t im = p->rows * TILE;
    for (int64_t r = 0; r < p->filters; r++) {
        const real *a = p->psi + r * p->rows, *b = a + p->filters * p->rows;
        const int64_t lo = p->live[2 * r], hi = p->live[2 * r + 1];
        for (int64_t c = 0; lo < hi && c < TILE; c += STRIP * LANES) {
            vec y[4 * STRIP], d[4 * STRIP], re, ie;
            NAME(products)(in + c, a, b, lo, hi, im, planar, parts, y);
            for (int k = 0; k < 4 * STRIP; k++)
                d[k] = (vec){0};
            for (int64_t s = 0; s < spins; s++)
                for (int v = 0; v < STRIP; v++) {
                    const int64_t spin = s ? -p->spin : p->spin;
                    NAME(spun)(y, v, spin, &re, &ie);
                    const vec m = root(re * re + ie * ie);
                    const vec q = load(g + (s * p->filters + r) * TILE + c + v * LANES) /
                                  (vec)(m + (vec)((m == 0) & (__typeof__(m == 0))all(1)));
                    re *= q, ie *= q;
                    d[v] += re, d[2 * STRIP + v] += ie;
                    if (spin > 0)
                        d[3 * STRIP + v] -= re, d[STRIP + v] += ie;
                    else if (spin < 0)
                        d[3 * STRIP + v] += re, d[STRIP + v] -= ie;
                }
            for (int64_t k = lo; k < hi; k++) {
                const vec u = all(a[k]), w = planar ? all(b[k]) : (vec){0};
                real *q = dx + k * TILE + c;
                for (int v = 0; v < STRIP; v++, q += LANES) {
                    store(q, load(q) + u * d[v] + w * d[STRIP + v]);
                    if (parts == 2)
                        store(q + im, load(q + im) + u * d[2 * STRIP + v] + w * d[3 * STRIP + v]);
                }
            }
        }
    }
}

/* The gradient by x, from that by the result. */
static __attribute__((noinline)) int NAME(along_vjp)(const Along *p, const real *x, const real *grad, real *out, int64_t first, int64_t stop)
{
    const int64_t tiles = (p->samples + TILE - 1) / TILE, spins = p->spins ? p->spins : 1;
    const Mark before = mark();
    real *in = take(2 * p->parts * p->rows * TILE * sizeof(real)), *dx = in + p->parts * p->rows * TILE;
    real *g = in ? take(spins * p->filters * TILE * sizeof(real)) : 0;
    real *mean = g ? take((p->outputs + 1) * TILE * sizeof(real)) : 0;
    for (int64_t i = first; mean && i < stop; i++) {
        const int64_t t = i % tiles * TILE, array = i / tiles, size = p->parts * p->rows;
        NAME(tile_in)(x + array * size * p->samples, size, p->samples, t, in);
        if (p->add)
            NAME(tile_in)(out + array * size * p->samples, size, p->samples, t, dx);
        else
            memset(dx, 0, size * TILE * sizeof(real));
        for (int64_t s = 0; s < spins; s++) {
            const real *from = grad + (array * spins + s) * p->outputs * p->samples;
            real *to = g + s * p->filters * TILE;
            if (!p->average) {
                NAME(tile_in)(from, p->outputs, p->samples, t, to);
                continue;
            }
            NAME(tile_in)(from, p->outputs, p->samples, t, mean);
            memset(to, 0, p->filters * TILE * sizeof(real));
            for (int64_t o = 0; o < p->outputs; o++)
                for (int64_t r = p->average_live[2 * o]; r < p->average_live[2 * o + 1]; r++) {
                    const vec w = all(p->average[o * p->filters + r]);
                    for (int64_t c = 0; c < TILE; c += LANES) {
                        real *q = to + r * TILE + c;
                        store(q, load(q) + w * load(mean + o * TILE + c));
                    }
                }
        }
        AS_KNOWN(p, NAME(slopes_along)(p, in, g, dx, spins, planar, parts));
        NAME(tile_out)(dx, size, p->samples, t, out + array * size * p->samples);
    }
    give_back(before);
    return mean != 0;
}
#undef TILE
#undef AS_KNOWN
#undef STRIP
