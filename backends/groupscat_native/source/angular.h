/* |V ⋆ ψ̃| along the channels of groups (orientations, scales) by real matrices, and linear combinations of the channels
 * of each group: a few positions of all channels at a time, so that nothing but V and the result is ever in memory.
 * Source: Sifre & Mallat 2013, section 3. */

#define TILE (256 / (int64_t)sizeof(real)) /* positions at a time: as the callers and along.h count them */
#if defined(__AVX512VL__) || defined(__aarch64__) /* 32 registers */
#define STRIP 4 /* vectors of positions whose sums are in registers */
#else
#define STRIP 2
#endif

/* A matrix on the channels of each group, and of each row the first column that is not zero and the one behind. The
 * adjoint is that of the transposed matrix. */
typedef struct {
    int64_t groups, inputs, outputs, positions;
    const real *matrix; /* (outputs, inputs) */
    const int32_t *live;
} NAME(Mix);
#define Mix NAME(Mix)

static inline int64_t NAME(tiles)(int64_t positions) { return (positions + TILE - 1) / TILE; }

/* Units of work of one array: (group, tile). */
static inline int64_t NAME(mix_units)(const Mix *p) { return p->groups * NAME(tiles)(p->positions); }

/* n vectors of one output; rows of x are `apart`. */
static inline __attribute__((always_inline)) void NAME(combination)(const real *w, const int32_t *live, const real *x,
                                                                    int64_t apart, const int n, real *out)
{
    vec y[4];
    for (int i = 0; i < n; i++)
        y[i] = (vec){0};
    for (int64_t k = live[0]; k < live[1]; k++) {
        const vec u = all(w[k]);
        for (int i = 0; i < n; i++)
            y[i] += u * load(x + k * apart + i * LANES);
    }
    for (int i = 0; i < n; i++)
        store(out + i * LANES, y[i]);
}

/* The outputs of one group at `count` positions. */
static void NAME(combine)(const Mix *p, const real *x, int64_t apart, int64_t count, real *out)
{
    for (int64_t o = 0; o < p->outputs; o++, out += p->positions) {
        const real *w = p->matrix + o * p->inputs;
        const int32_t *live = p->live + 2 * o;
        int64_t c = 0;
        for (; c + 4 * LANES <= count; c += 4 * LANES)
            NAME(combination)(w, live, x + c, apart, 4, out + c);
        for (; c + LANES <= count; c += LANES)
            NAME(combination)(w, live, x + c, apart, 1, out + c);
        for (; c < count; c++) {
            real y = 0;
            for (int64_t k = live[0]; k < live[1]; k++)
                y += w[k] * x[k * apart + c];
            out[c] = y;
        }
    }
}

/* Units first … stop−1, those of all arrays counted through; out: (arrays, groups·outputs, positions). */
static int NAME(mix_channels)(const Mix *p, const real *x, real *out, int64_t first, int64_t stop)
{
    const int64_t tiles = NAME(tiles)(p->positions);
    for (int64_t unit = first; unit < stop; unit++) {
        const int64_t t = unit % tiles * TILE, count = p->positions - t < TILE ? p->positions - t : TILE;
        NAME(combine)(p, x + unit / tiles * p->inputs * p->positions + t, p->positions, count,
                      out + unit / tiles * p->outputs * p->positions + t);
    }
    return 1;
}

/* A matrix by entries: two samples of V ⋆ ψ̃ that differ in the sign of what Im V contributes, or a single one. */
typedef struct {
    int64_t parts, groups, inputs, samples, positions; /* parts of V: re and im, or real */
    int64_t entries, apart;  /* of the matrix; numbers from a group's matrix to the next, 0: one for all */
    const real *matrix;      /* (groups or 1, entries, parts, inputs, 2): what goes into re and im of a sample */
    const int32_t *table;    /* by entry: sample, the other one or −1, first input that matters and behind */
    const Mix *average;      /* what is made of the moduli of a group: the result; NULL: nothing */
    const int32_t *order;    /* the channel that is an input of a group, of all groups; NULL: one after the other */
    int64_t channels;        /* of V */
} NAME(Angular);
#define Angular NAME(Angular)

/* Units of work of one array: (group, tile). */
static inline int64_t NAME(angular_units)(const Angular *p) { return p->groups * NAME(tiles)(p->positions); }

static inline const real *NAME(matrix_of)(const Angular *p, int64_t unit)
{
    return p->matrix + unit / NAME(tiles)(p->positions) % p->groups * p->apart;
}

/* Positions t … of the inputs of a unit, planar, zeros behind the last; or, `out`, the way back. */
static void NAME(inputs)(const Angular *p, real *z, int64_t unit, int64_t t, int64_t count, real *x, int out)
{
    const int64_t group = unit / NAME(tiles)(p->positions), first = group % p->groups * p->inputs;
    real *v = z + p->parts * (group / p->groups * p->channels * p->positions + t);
    for (int64_t k = 0; k < p->inputs; k++) {
        real *re = x + k * TILE, *im = re + p->inputs * TILE;
        real *at = v + p->parts * p->positions * (p->order ? p->order[first + k] : first + k);
        if (p->parts == 2)
            NAME(planes)(at, re, im, count, out);
        else
            memcpy(out ? at : re, out ? re : at, count * sizeof(real));
        if (!out && count < TILE) {
            memset(re + count, 0, (TILE - count) * sizeof(real));
            if (p->parts == 2)
                memset(im + count, 0, (TILE - count) * sizeof(real));
        }
    }
}

/* y ← what goes from Re V into re (n vectors) and im (as many) of an entry, then what from Im V. */
static inline __attribute__((always_inline)) void NAME(contributions)(const real *x, const real *w, int64_t inputs, int64_t lo,
                                                                      int64_t hi, const int parts, const int n, vec *y)
{
    for (int i = 0; i < 4 * n; i++)
        y[i] = (vec){0};
    for (int64_t k = lo; k < hi; k++) {
        const vec u = all(w[2 * k]), v = all(w[2 * k + 1]);
        for (int i = 0; i < n; i++) {
            const vec z = load(x + k * TILE + i * LANES);
            y[i] += u * z, y[n + i] += v * z;
        }
        if (parts == 2) {
            const vec s = all(w[2 * (inputs + k)]), t = all(w[2 * (inputs + k) + 1]);
            for (int i = 0; i < n; i++) {
                const vec z = load(x + (inputs + k) * TILE + i * LANES);
                y[2 * n + i] += s * z, y[3 * n + i] += t * z;
            }
        }
    }
}

/* Moduli of all samples at n vectors of positions; rows of `u` are `apart`. */
static inline __attribute__((always_inline)) void NAME(moduli)(const Angular *p, const real *x, const real *w, const int parts,
                                                               const int n, real *u, int64_t apart)
{
    const int64_t inputs = p->inputs;
    const int32_t *e = p->table, *end = e + 4 * p->entries;
    for (; e < end; e += 4, w += 2 * parts * inputs) {
        vec y[4 * STRIP];
        NAME(contributions)(x, w, inputs, e[2], e[3], parts, n, y);
        for (int i = 0; i < n; i++) {
            const vec a = y[i] + y[2 * n + i], b = y[n + i] + y[3 * n + i];
            store(u + e[0] * apart + i * LANES, root(a * a + b * b));
        }
        if (e[1] >= 0)
            for (int i = 0; i < n; i++) {
                const vec a = y[i] - y[2 * n + i], b = y[n + i] - y[3 * n + i];
                store(u + e[1] * apart + i * LANES, root(a * a + b * b));
            }
    }
}

/* Channels of the result by group. */
static inline int64_t NAME(results)(const Angular *p) { return p->average ? p->average->outputs : p->samples; }

/* Units first … stop−1, those of all arrays counted through; out: (arrays, groups·results, positions). */
static int NAME(angular)(const Angular *p, const real *x, real *out, int64_t first, int64_t stop)
{
    const int64_t tiles = NAME(tiles)(p->positions);
    const Mark before = mark();
    real *in = take((p->parts * p->inputs + p->samples) * TILE * sizeof(real));
    for (int64_t unit = first; in && unit < stop; unit++) {
        const int64_t t = unit % tiles * TILE, count = p->positions - t < TILE ? p->positions - t : TILE;
        const real *w = NAME(matrix_of)(p, unit);
        real *to = out + unit / tiles * NAME(results)(p) * p->positions + t, *u = to;
        real *spare = in + p->parts * p->inputs * TILE;
        int64_t apart = p->positions, left = (count + LANES - 1) / LANES;
        NAME(inputs)(p, (real *)x, unit, t, count, in, 0);
        if (p->average || count % LANES)
            u = spare, apart = TILE;
        for (int64_t c = 0, n; left; left -= n, c += n * LANES) {
            n = p->parts == 1 || left < 2 ? 1 : left < STRIP ? 2 : STRIP;
            if (p->parts == 1)
                NAME(moduli)(p, in + c, w, 1, 1, u + c, apart);
            else if (n == STRIP)
                NAME(moduli)(p, in + c, w, 2, STRIP, u + c, apart);
            else if (n == 2) /* of four */
                NAME(moduli)(p, in + c, w, 2, 2, u + c, apart);
            else
                NAME(moduli)(p, in + c, w, 2, 1, u + c, apart);
        }
        if (p->average)
            NAME(combine)(p->average, u, TILE, count, to);
        else if (u == spare)
            for (int64_t r = 0; r < p->samples; r++)
                memcpy(to + r * p->positions, u + r * TILE, count * sizeof(real));
    }
    give_back(before);
    return in != 0;
}

/* Gradients by the contributions of an entry to two samples, from those by their moduli, 0 where a modulus is. */
static inline __attribute__((always_inline)) void NAME(angular_slope)(const int32_t *e, const int n, const real *g,
                                                                      int64_t apart, const vec *y, vec *d)
{
    for (int i = 0; i < n; i++) {
        const real *at = g + i * LANES;
        vec a = y[i] + y[2 * n + i], b = y[n + i] + y[3 * n + i], m = root(a * a + b * b);
        vec q = load(at + e[0] * apart) / (vec)(m + (vec)((m == 0) & (__typeof__(m == 0))all(1)));
        d[i] = d[2 * n + i] = a * q, d[n + i] = d[3 * n + i] = b * q;
        if (e[1] < 0)
            continue;
        a = y[i] - y[2 * n + i], b = y[n + i] - y[3 * n + i], m = root(a * a + b * b);
        q = load(at + e[1] * apart) / (vec)(m + (vec)((m == 0) & (__typeof__(m == 0))all(1)));
        a *= q, b *= q;
        d[i] += a, d[n + i] += b, d[2 * n + i] -= a, d[3 * n + i] -= b;
    }
}

/* Gradients by V at n vectors of positions, over x; d: room for 4·n vectors by entry. */
static inline __attribute__((always_inline)) void NAME(strip_back)(const Angular *p, real *x, const real *w, const int parts,
                                                                   const int n, const real *g, int64_t apart, vec *d)
{
    const int64_t step = 2 * parts * p->inputs;
    for (int64_t k = 0; k < p->entries; k++) {
        vec y[4 * STRIP], slope[4 * STRIP];
        const int32_t *e = p->table + 4 * k;
        NAME(contributions)(x, w + k * step, p->inputs, e[2], e[3], parts, n, y);
        NAME(angular_slope)(e, n, g, apart, y, slope);
        for (int i = 0; i < 4 * n; i++)
            d[4 * n * k + i] = slope[i];
    }
    for (int64_t part = 0; part < parts; part++)
        for (int64_t k = 0; k < p->inputs; k += 2) {
            const int two = k + 1 < p->inputs; /* an input alone is computed twice */
            const real *at = w + 2 * (part * p->inputs + k);
            const vec *from = d + 2 * n * part;
            vec y[2 * STRIP];
            for (int i = 0; i < 2 * n; i++)
                y[i] = (vec){0};
            for (int64_t e = 0; e < p->entries; e++, at += step, from += 4 * n) {
                const vec a0 = all(at[0]), b0 = all(at[1]), a1 = all(at[2 * two]), b1 = all(at[2 * two + 1]);
                for (int i = 0; i < n; i++) {
                    y[i] += a0 * from[i] + b0 * from[n + i];
                    y[n + i] += a1 * from[i] + b1 * from[n + i];
                }
            }
            real *to = x + (part * p->inputs + k) * TILE;
            for (int i = 0; i < n; i++)
                store(to + two * TILE + i * LANES, y[n + i]), store(to + i * LANES, y[i]);
        }
}

/* A tile of zeros becomes gradients by moduli, from those by the result. */
static void NAME(slopes)(const Angular *p, const real *grad, int64_t count, real *g)
{
    if (!p->average)
        for (int64_t r = 0; r < p->samples; r++)
            memcpy(g + r * TILE, grad + r * p->positions, count * sizeof(real));
    for (int64_t o = 0; p->average && o < p->average->outputs; o++, grad += p->positions)
        for (int64_t r = p->average->live[2 * o]; r < p->average->live[2 * o + 1]; r++)
            for (int64_t c = 0; c < count; c++)
                g[r * TILE + c] += p->average->matrix[o * p->samples + r] * grad[c];
}

/* The gradient by V, from that by the result; channels that are nobody's input are not written. */
static int NAME(angular_vjp)(const Angular *p, const real *x, const real *grad, real *out, int64_t first, int64_t stop)
{
    const int64_t tiles = NAME(tiles)(p->positions);
    const Mark before = mark();
    real *in = take((p->parts * p->inputs + p->samples) * TILE * sizeof(real));
    vec *d = in ? take(4 * STRIP * p->entries * sizeof(vec)) : 0;
    for (int64_t unit = first; d && unit < stop; unit++) {
        const int64_t t = unit % tiles * TILE, count = p->positions - t < TILE ? p->positions - t : TILE;
        const real *w = NAME(matrix_of)(p, unit), *g = grad + unit / tiles * NAME(results)(p) * p->positions + t;
        real *spare = in + p->parts * p->inputs * TILE;
        int64_t apart = p->positions, left = (count + LANES - 1) / LANES;
        NAME(inputs)(p, (real *)x, unit, t, count, in, 0);
        if (p->average || count % LANES) {
            memset(spare, 0, p->samples * TILE * sizeof(real));
            NAME(slopes)(p, g, count, spare);
            g = spare, apart = TILE;
        }
        for (int64_t c = 0, n; left; left -= n, c += n * LANES) {
            n = p->parts == 1 || left < 2 ? 1 : left < STRIP ? 2 : STRIP;
            if (p->parts == 1)
                NAME(strip_back)(p, in + c, w, 1, 1, g + c, apart, d);
            else if (n == STRIP)
                NAME(strip_back)(p, in + c, w, 2, STRIP, g + c, apart, d);
            else if (n == 2) /* of four */
                NAME(strip_back)(p, in + c, w, 2, 2, g + c, apart, d);
            else
                NAME(strip_back)(p, in + c, w, 2, 1, g + c, apart, d);
        }
        NAME(inputs)(p, out, unit, t, count, in, 1);
    }
    give_back(before);
    return d != 0;
}

#undef TILE
#undef STRIP
