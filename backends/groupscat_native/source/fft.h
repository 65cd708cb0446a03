/* Fourier transforms of LANES signals at once, in the cache: Stockham's algorithm, radices 2 to 8 and any prime
 * below MOST. Sample i lies in the vectors 2i (real) and 2i+1 (imaginary). Only the forward transform exists;
 * with real and imaginary parts exchanged before and after, it is the backward one (not normalised).
 * Source: Van Loan 1992, section 1.7. */

#define MOST 64

typedef struct {
    int n, stages;
    int radix[40];
    real *w; /* factors of all stages, then (cos, sin) tables of primes above 7 */
    real *table[40];
} NAME(Fft);
#define Fft NAME(Fft)

static inline __attribute__((always_inline)) void NAME(butterfly2)(vec *r, vec *i)
{
    vec a = r[0] - r[1], b = i[0] - i[1];
    r[0] += r[1], i[0] += i[1];
    r[1] = a, i[1] = b;
}

static inline __attribute__((always_inline)) void NAME(butterfly4)(vec *r, vec *i)
{
    vec ar = r[0] + r[2], ai = i[0] + i[2], br = r[0] - r[2], bi = i[0] - i[2];
    vec cr = r[1] + r[3], ci = i[1] + i[3], dr = r[1] - r[3], di = i[1] - i[3];
    r[0] = ar + cr, i[0] = ai + ci;
    r[2] = ar - cr, i[2] = ai - ci;
    r[1] = br + di, i[1] = bi - dr;
    r[3] = br - di, i[3] = bi + dr;
}

static inline __attribute__((always_inline)) void NAME(butterfly8)(vec *r, vec *i)
{
    vec er[4] = {r[0], r[2], r[4], r[6]}, ei[4] = {i[0], i[2], i[4], i[6]};
    vec or[4] = {r[1], r[3], r[5], r[7]}, oi[4] = {i[1], i[3], i[5], i[7]};
    NAME(butterfly4)(er, ei);
    NAME(butterfly4)(or, oi);
    const vec h = all((real)0.70710678118654752440);
    vec t = or[1];
    or[1] = (t + oi[1]) * h, oi[1] = (oi[1] - t) * h;
    t = or[2];
    or[2] = oi[2], oi[2] = -t;
    t = or[3];
    or[3] = (oi[3] - t) * h, oi[3] = -(t + oi[3]) * h;
    for (int k = 0; k < 4; k++) {
        r[k] = er[k] + or[k], i[k] = ei[k] + oi[k];
        r[k + 4] = er[k] - or[k], i[k + 4] = ei[k] - oi[k];
    }
}

/* An odd radix; table: cos then sin of 2πk/radix. */
static inline __attribute__((always_inline)) void NAME(butterfly_odd)(vec *r, vec *i, int radix, const real *table)
{
    const int half = radix / 2;
    vec pr[MOST / 2], pi[MOST / 2], mr[MOST / 2], mi[MOST / 2], xr = r[0], xi = i[0];
    for (int k = 1; k <= half; k++) {
        pr[k - 1] = r[k] + r[radix - k], pi[k - 1] = i[k] + i[radix - k];
        mr[k - 1] = r[k] - r[radix - k], mi[k - 1] = i[k] - i[radix - k];
        r[0] += pr[k - 1], i[0] += pi[k - 1];
    }
    for (int j = 1; j <= half; j++) {
        vec ar = xr, ai = xi, br = {0}, bi = {0};
        for (int k = 1; k <= half; k++) {
            const int at = j * k % radix;
            const real c = table[at], s = table[radix + at];
            ar += pr[k - 1] * c, ai += pi[k - 1] * c;
            br += mi[k - 1] * s, bi += mr[k - 1] * s;
        }
        r[j] = ar + br, i[j] = ai - bi;
        r[radix - j] = ar - br, i[radix - j] = ai + bi;
    }
}

static const real NAME(table3)[] = {1, -0.5, -0.5, 0, 0.86602540378443864676, -0.86602540378443864676};
static const real NAME(table5)[] = {
    1, 0.30901699437494742410, -0.80901699437494742410, -0.80901699437494742410, 0.30901699437494742410,
    0, 0.95105651629515357212, 0.58778525229247312917, -0.58778525229247312917, -0.95105651629515357212};
static const real NAME(table7)[] = {
    1, 0.62348980185873353053, -0.22252093395631440429, -0.90096886790241912624, -0.90096886790241912624,
    -0.22252093395631440429, 0.62348980185873353053,
    0, 0.78183148246802980871, 0.97492791218182360702, 0.43388373911755812048, -0.43388373911755812048,
    -0.97492791218182360702, -0.78183148246802980871};

/* x_{q,p,k} → y_{q,k,p}: butterflies over k, turned by w^{pk}. The last stage (m = 1) needs no turning. Samples are dx and
 * dy vectors apart, 2 where that is not said. */
#define STAGE(label, RADIX, MOST_, BUTTERFLY)                                                                       \
    static inline __attribute__((always_inline)) void NAME(label##_of)(                                             \
        const vec *restrict x, const int64_t dx, vec *restrict y, const int64_t dy, const real *w, int64_t m, int64_t s, \
        int radix, const real *table)                                                                               \
    {                                                                                                               \
        (void)radix, (void)table;                                                                                   \
        if (m == 1) {                                                                                               \
            for (int64_t q = 0; q < s; q++) {                                                                       \
                vec r[MOST_], i[MOST_];                                                                             \
                for (int k = 0; k < RADIX; k++)                                                                     \
                    r[k] = x[dx * (q + s * k)], i[k] = x[dx * (q + s * k) + 1];                                     \
                BUTTERFLY;                                                                                          \
                for (int k = 0; k < RADIX; k++)                                                                     \
                    y[dy * (q + s * k)] = r[k], y[dy * (q + s * k) + 1] = i[k];                                     \
            }                                                                                                       \
            return;                                                                                                 \
        }                                                                                                           \
        for (int64_t p = 0; p < m; p++, w += 2 * (RADIX - 1))                                                       \
            for (int64_t q = 0; q < s; q++) {                                                                       \
                const vec *a = x + dx * (q + s * p);                                                                \
                vec *b = y + dy * (q + s * RADIX * p);                                                              \
                vec r[MOST_], i[MOST_];                                                                             \
                for (int k = 0; k < RADIX; k++)                                                                     \
                    r[k] = a[dx * s * m * k], i[k] = a[dx * s * m * k + 1];                                         \
                BUTTERFLY;                                                                                          \
                b[0] = r[0], b[1] = i[0];                                                                           \
                for (int k = 1; k < RADIX; k++) {                                                                   \
                    const real c = w[2 * k - 2], d = w[2 * k - 1];                                                  \
                    b[dy * s * k] = r[k] * c - i[k] * d;                                                            \
                    b[dy * s * k + 1] = r[k] * d + i[k] * c;                                                        \
                }                                                                                                   \
            }                                                                                                       \
    }                                                                                                               \
    static void NAME(label)(const vec *restrict x, vec *restrict y, const real *w, int64_t m, int64_t s, int radix, \
                            const real *table)                                                                      \
    {                                                                                                               \
        NAME(label##_of)(x, 2, y, 2, w, m, s, radix, table);                                                        \
    }                                                                                                               \
    static void NAME(label##_apart)(const vec *restrict x, int64_t dx, vec *restrict y, int64_t dy, const real *w,  \
                                    int64_t m, int64_t s, int radix, const real *table)                             \
    {                                                                                                               \
        NAME(label##_of)(x, dx, y, dy, w, m, s, radix, table);                                                      \
    }

STAGE(stage2, 2, 2, NAME(butterfly2)(r, i))
STAGE(stage4, 4, 4, NAME(butterfly4)(r, i))
STAGE(stage8, 8, 8, NAME(butterfly8)(r, i))
STAGE(stage3, 3, 3, NAME(butterfly_odd)(r, i, 3, NAME(table3)))
STAGE(stage5, 5, 5, NAME(butterfly_odd)(r, i, 5, NAME(table5)))
STAGE(stage7, 7, 7, NAME(butterfly_odd)(r, i, 7, NAME(table7)))
STAGE(stage_prime, radix, MOST, NAME(butterfly_odd)(r, i, radix, table))

/* Transform x, with y as scratch; the result lies in the one that is returned. */
static vec *NAME(fft)(const Fft *f, vec *x, vec *y)
{
    const real *w = f->w;
    int64_t m = f->n, s = 1;
    for (int k = 0; k < f->stages; k++) {
        const int radix = f->radix[k];
        m /= radix;
        switch (radix) {
        case 2: NAME(stage2)(x, y, w, m, s, radix, 0); break;
        case 3: NAME(stage3)(x, y, w, m, s, radix, 0); break;
        case 4: NAME(stage4)(x, y, w, m, s, radix, 0); break;
        case 5: NAME(stage5)(x, y, w, m, s, radix, 0); break;
        case 7: NAME(stage7)(x, y, w, m, s, radix, 0); break;
        case 8: NAME(stage8)(x, y, w, m, s, radix, 0); break;
        default: NAME(stage_prime)(x, y, w, m, s, radix, f->table[k]);
        }
        w += 2 * (radix - 1) * m;
        s *= radix;
        vec *swap = x;
        x = y, y = swap;
    }
    return x;
}

/* Transform samples dx vectors apart to places dy apart, another array; x and y are scratch. */
static void NAME(fft_apart)(const Fft *f, const vec *in, int64_t dx, vec *out, int64_t dy, vec *x, vec *y)
{
    const real *w = f->w;
    int64_t m = f->n, s = 1;
    if (f->stages == 0)
        out[0] = in[0], out[1] = in[1];
    for (int k = 0; k < f->stages; k++) {
        const int radix = f->radix[k];
        const int64_t dz = k + 1 == f->stages ? dy : 2;
        vec *to = k + 1 == f->stages ? out : x;
        m /= radix;
        switch (radix) {
        case 2: NAME(stage2_apart)(in, dx, to, dz, w, m, s, radix, 0); break;
        case 3: NAME(stage3_apart)(in, dx, to, dz, w, m, s, radix, 0); break;
        case 4: NAME(stage4_apart)(in, dx, to, dz, w, m, s, radix, 0); break;
        case 5: NAME(stage5_apart)(in, dx, to, dz, w, m, s, radix, 0); break;
        case 7: NAME(stage7_apart)(in, dx, to, dz, w, m, s, radix, 0); break;
        case 8: NAME(stage8_apart)(in, dx, to, dz, w, m, s, radix, 0); break;
        default: NAME(stage_prime_apart)(in, dx, to, dz, w, m, s, radix, f->table[k]);
        }
        w += 2 * (radix - 1) * m;
        s *= radix;
        in = to, dx = dz;
        vec *swap = x;
        x = y, y = swap;
    }
}

/* The factors of a length; NULL where a prime factor is too large or memory ran out. */
static void NAME(fft_free)(Fft *f)
{
    if (f) {
        free(f->w);
        free(f);
    }
}

static Fft *NAME(fft_new)(int n)
{
    static const int first[] = {7, 5, 3, 8, 4, 2};
    Fft *f = calloc(1, sizeof *f);
    if (!f)
        return 0;
    f->n = n;
    int left = n, extra = 0;
    for (int k = 0; k < 6; k++)
        while (left % first[k] == 0 && !(first[k] == 8 && left % 16 == 0 && left % 32 && left > 16))
            f->radix[f->stages++] = first[k], left /= first[k];
    for (int p = 11; left > 1; p += 2)
        while (left % p == 0) {
            if (p >= MOST) {
                free(f);
                return 0;
            }
            f->radix[f->stages++] = p, left /= p, extra += 2 * p;
        }
    int64_t total = 0, m = n;
    for (int k = 0; k < f->stages; k++)
        m /= f->radix[k], total += 2 * (f->radix[k] - 1) * m;
    real *w = f->w = malloc((total + extra + 1) * sizeof *w);
    if (!w) {
        free(f);
        return 0;
    }
    m = n;
    for (int s = 0; s < f->stages; s++) {
        const int radix = f->radix[s];
        const int64_t period = m;
        m /= radix;
        for (int64_t p = 0; p < m; p++)
            for (int k = 1; k < radix; k++) {
                const double angle = -2 * PI * (double)(p * k % period) / (double)period;
                *w++ = (real)cos(angle), *w++ = (real)sin(angle);
            }
    }
    for (int s = 0; s < f->stages; s++)
        if (f->radix[s] > 8) {
            const int radix = f->radix[s];
            f->table[s] = w;
            for (int k = 0; k < radix; k++)
                w[k] = (real)cos(2 * PI * k / radix), w[radix + k] = (real)sin(2 * PI * k / radix);
            w += 2 * radix;
        }
    return f;
}
