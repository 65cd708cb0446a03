/* Fourier transforms of 1 to 3 axes between planar buffers: columns first and rows last on the way back to signals,
 * rows first on the way to spectra, so that every result lies in natural order.
 *
 * A buffer holds several arrays side by side: element (k, g, c) of the last axis c and the others k, array g, lies at
 * k·wide + g·last + c. A long signal is a matrix: n = rows·last, sample u = u0 + rows·u1, bin k = k0·last + k1, with
 * factors w^{u0·k1} between the two passes. Source: Bailey 1990, "FFTs in external or hierarchical memory". */

/* How an array is transformed; `signal`: one axis, as a matrix. */
typedef struct {
    int ndim;        /* axes of the array as it is transformed, a signal's matrix has 2 */
    int signal;      /* whether it is a signal */
    int64_t size[3];    /* samples of these axes */
    int64_t rows, last; /* product of all axes but the last, the last */
    Fft *fft[3];
    real *coarse, *fine; /* w^{16·a·u0} and w^{b·u0}, planar by a or b: cos of all u0, sin of all u0 */
} NAME(Shape);
#define Shape NAME(Shape)
#define STEP 16

static inline int64_t NAME(wide)(int64_t width)
{
    /* Whole vectors, and no multiple of four of them: rows a power of two apart would fall on the same cache lines. */
    const int64_t vectors = (width + LANES - 1) / LANES;
    return (vectors + (vectors % 4 == 0)) * LANES;
}

static void NAME(shape_free)(Shape *s)
{
    if (!s)
        return;
    for (int k = 0; k < 3; k++)
        NAME(fft_free)(s->fft[k]);
    free(s->coarse), free(s->fine), free(s);
}

static real *NAME(factors)(int64_t n, int64_t rows, int64_t count, int64_t step)
{
    real *w = malloc(2 * count * rows * sizeof *w);
    if (w)
        for (int64_t a = 0; a < count; a++)
            for (int64_t u = 0; u < rows; u++) {
                const double angle = 2 * PI * (double)(u * a * step % n) / (double)n;
                w[(2 * a) * rows + u] = (real)cos(angle), w[(2 * a + 1) * rows + u] = (real)sin(angle);
            }
    return w;
}

/* NULL where a prime factor is too large or memory ran out. */
static Shape *NAME(shape_new)(int ndim, const int64_t *size)
{
    Shape *s = calloc(1, sizeof *s);
    if (!s)
        return 0;
    s->ndim = ndim;
    for (int k = 0; k < ndim; k++)
        s->size[k] = size[k];
    if (ndim == 1) {
        const int64_t n = s->size[0];
        int64_t best = 1;
        for (int64_t rows = 1; rows * rows <= n; rows++) /* lanes are rows: their number best fills vectors */
            if (n % rows == 0 && (rows % LANES == 0 || best % LANES))
                best = rows;
        if (n < 4 * LANES)
            best = 1;
        s->ndim = 2, s->signal = 1, s->size[0] = best, s->size[1] = n / best;
        s->coarse = NAME(factors)(n, best, (s->size[1] + STEP - 1) / STEP, STEP);
        s->fine = NAME(factors)(n, best, STEP, 1);
    }
    s->rows = 1;
    for (int k = 0; k < s->ndim; k++) {
        if (k < s->ndim - 1)
            s->rows *= s->size[k];
        s->fft[k] = NAME(fft_new)((int)s->size[k]);
    }
    s->last = s->size[s->ndim - 1];
    int complete = !s->signal || (s->coarse && s->fine);
    for (int k = 0; k < s->ndim; k++)
        complete = complete && s->fft[k];
    if (!complete) {
        NAME(shape_free)(s);
        return 0;
    }
    return s;
}

/* Vectors of a row that are transformed in turn while their cache lines are at hand: as many as fit beside them. */
static int64_t NAME(at_once)(int64_t n)
{
    const int64_t some = LANES_BYTES / (2 * n * (int64_t)sizeof(vec));
    return some < 1 ? 1 : some;
}

/* Memory for transforms of `most` arrays side by side, as many as stay in the cache: planes, and lanes of a row. */
typedef struct {
    real *re, *im;
    vec *x, *y;
    int64_t most, wide;
} NAME(Work);
#define Work NAME(Work)

/* How many of some arrays stay in the cache side by side. */
static int64_t NAME(together)(const Shape *s, int64_t width, int64_t arrays)
{
    const int64_t some = CACHE / (2 * s->rows * width * (int64_t)sizeof(real));
    return some < 1 ? 1 : some > arrays ? arrays : some;
}

/* The memory for lanes of a row; 0 where there is none. */
static int NAME(work_lanes)(const Shape *s, Work *w)
{
    int64_t lanes = 2 * s->last + 8; /* half spectra need some more */
    for (int k = 0; k < s->ndim - 1; k++) {
        const int64_t n = 2 * s->size[k] * NAME(at_once)(s->size[k]);
        lanes = n > lanes ? n : lanes;
    }
    w->x = take(lanes * sizeof(vec));
    w->y = w->x ? take(lanes * sizeof(vec)) : 0;
    return w->y != 0;
}

/* And the one for planes of `most` arrays whose rows are `width` long. */
static int NAME(work_planes)(const Shape *s, int64_t width, int64_t most, Work *w)
{
    w->most = most, w->wide = NAME(wide)(most * width);
    w->re = take(s->rows * w->wide * sizeof(real));
    w->im = w->re ? take(s->rows * w->wide * sizeof(real)) : 0;
    return w->im != 0;
}

/* Arrays whose rows are `width` long, at most `arrays` of them; 0 where memory ran out. */
static int NAME(work)(const Shape *s, int64_t width, int64_t arrays, Work *w)
{
    return NAME(work_lanes)(s, w) && NAME(work_planes)(s, width, NAME(together)(s, width, arrays), w);
}

/* ------------------------------------------------------------------------------------------- columns */

/* Transform all axes but the last, `width` columns of a row, in place; back: exchange real and imaginary. */
static void NAME(columns)(const Shape *s, real *re, real *im, int64_t width, int64_t wide, int back, vec *x, vec *y)
{
    int64_t outer = 1, inner = s->rows;
    for (int k = 0; k < s->ndim - 1; k++) {
        const int64_t n = s->size[k], most = NAME(at_once)(n), step = (inner / n) * wide;
        inner /= n;
        for (int64_t o = 0; n > 1 && o < outer * inner; o++) {
            const int64_t at = (o / inner * n * inner + o % inner) * wide;
            for (int64_t c = 0; c < width;) {
                const int64_t left = (width - c + LANES - 1) / LANES, some = left < most ? left : most;
                real *a = (back ? im : re) + at + c, *b = (back ? re : im) + at + c;
                for (int64_t t = 0; t < n; t++)
                    for (int64_t v = 0; v < some; v++) {
                        x[2 * (v * n + t)] = load(a + t * step + v * LANES);
                        x[2 * (v * n + t) + 1] = load(b + t * step + v * LANES);
                    }
                const vec *z = x;
                for (int64_t v = 0; v < some; v++)
                    z = NAME(fft)(s->fft[k], x + 2 * v * n, y + 2 * v * n) - 2 * v * n;
                for (int64_t t = 0; t < n; t++)
                    for (int64_t v = 0; v < some; v++) {
                        store(a + t * step + v * LANES, z[2 * (v * n + t)]);
                        store(b + t * step + v * LANES, z[2 * (v * n + t) + 1]);
                    }
                c += some * LANES;
            }
        }
        outer *= n;
    }
}

/* ---------------------------------------------------------------------------------------------- rows */

/* Rows r … r+LANES−1 of `count` as offsets in a buffer of arrays `width` wide: the last one repeats. */
typedef struct {
    int64_t row[LANES], array[LANES], count; /* row, array; how many are not repetitions */
} NAME(Group);
#define Group NAME(Group)

static inline Group NAME(group)(int64_t r, int64_t rows, int64_t total)
{
    Group g;
    g.count = total - r < LANES ? total - r : LANES;
    for (int v = 0; v < LANES; v++) {
        const int64_t at = v < g.count ? r + v : r;
        g.row[v] = at % rows, g.array[v] = at / rows;
    }
    return g;
}

/* Lanes ← n contiguous samples behind each of LANES pointers; the sample k goes to x[stride·k]. */
static void NAME(gather)(real *const *from, int64_t n, vec *x, int64_t stride)
{
    int64_t k = 0;
    for (; k + LANES <= n; k += LANES) {
        vec t[LANES];
        for (int v = 0; v < LANES; v++)
            t[v] = load(from[v] + k);
        turn(t);
        for (int v = 0; v < LANES; v++)
            x[stride * (k + v)] = t[v];
    }
    for (; k < n; k++)
        for (int v = 0; v < LANES; v++)
            x[stride * k][v] = from[v][k];
}

/* The way back, for the first `count` pointers. */
static void NAME(scatter)(real *const *to, int64_t count, int64_t n, const vec *x,
                                                                int64_t stride)
{
    int64_t k = 0;
    for (; k + LANES <= n; k += LANES) {
        vec t[LANES];
        for (int v = 0; v < LANES; v++)
            t[v] = x[stride * (k + v)];
        turn(t);
        for (int v = 0; v < count; v++)
            store(to[v] + k, t[v]);
    }
    for (; k < n; k++)
        for (int v = 0; v < count; v++)
            to[v][k] = x[stride * k][v];
}

/* Multiply by w^{u0·k1} (back) or its conjugate, in lanes of rows u0. */
static void NAME(twist)(const Shape *s, const Group *g, vec *x, int back)
{
    const int64_t rows = s->rows;
    if (rows == 1)
        return;
    int together = g->count == LANES && g->array[0] == g->array[LANES - 1];
    vec fc[STEP], fs[STEP], cc = {0}, cs = {0};
    for (int b = 0; b < STEP; b++)
        if (together)
            fc[b] = load(s->fine + 2 * b * rows + g->row[0]), fs[b] = load(s->fine + (2 * b + 1) * rows + g->row[0]);
        else
            for (int v = 0; v < LANES; v++)
                fc[b][v] = s->fine[2 * b * rows + g->row[v]], fs[b][v] = s->fine[(2 * b + 1) * rows + g->row[v]];
    for (int64_t k = 0; k < s->last; k++) {
        const int b = (int)(k % STEP);
        if (b == 0) {
            const real *c = s->coarse + 2 * (k / STEP) * rows, *d = c + rows;
            if (together)
                cc = load(c + g->row[0]), cs = load(d + g->row[0]);
            else
                for (int v = 0; v < LANES; v++)
                    cc[v] = c[g->row[v]], cs[v] = d[g->row[v]];
        }
        const vec c = fc[b] * cc - fs[b] * cs, d = fc[b] * cs + fs[b] * cc;
        const vec re = x[2 * k], im = x[2 * k + 1];
        if (back)
            x[2 * k] = re * c - im * d, x[2 * k + 1] = re * d + im * c;
        else
            x[2 * k] = re * c + im * d, x[2 * k + 1] = im * c - re * d;
    }
}

/* One group of rows of a buffer, from bins to samples: the result, real parts in z[2k]. */
static vec *NAME(rows_back)(const Shape *s, const Group *g, real *re, real *im,
                                                                  int64_t wide, vec *x, vec *y)
{
    real *a[LANES], *b[LANES];
    for (int v = 0; v < LANES; v++) {
        const int64_t at = g->row[v] * wide + g->array[v] * s->last;
        a[v] = re + at, b[v] = im + at;
    }
    if (s->signal) {
        NAME(gather)(a, s->last, x, 2);
        NAME(gather)(b, s->last, x + 1, 2);
        NAME(twist)(s, g, x, 1);
        for (int64_t k = 0; k < s->last; k++) {
            const vec t = x[2 * k];
            x[2 * k] = x[2 * k + 1], x[2 * k + 1] = t;
        }
    } else {
        NAME(gather)(b, s->last, x, 2);
        NAME(gather)(a, s->last, x + 1, 2);
    }
    return NAME(fft)(s->fft[s->ndim - 1], x, y); /* imaginary parts in z[2k], real ones in z[2k+1] */
}

/* One group of rows, from samples in lanes to bins in a buffer. */
static void NAME(rows_forward)(const Shape *s, const Group *g, real *re,
                                                                     real *im, int64_t wide, vec *x, vec *y)
{
    vec *z = NAME(fft)(s->fft[s->ndim - 1], x, y);
    if (s->signal)
        NAME(twist)(s, g, z, 0);
    real *a[LANES], *b[LANES];
    for (int v = 0; v < LANES; v++) {
        const int64_t at = g->row[v] * wide + g->array[v] * s->last;
        a[v] = re + at, b[v] = im + at;
    }
    NAME(scatter)(a, g->count, s->last, z, 2);
    NAME(scatter)(b, g->count, s->last, z + 1, 2);
}

/* ------------------------------------------------------------------------------- samples and lanes */

/* Where row `row` of array `array` begins in a contiguous batch, `per` numbers a sample, and how far its samples are
 * apart. */
static inline real *NAME(place)(const Shape *s, real *base, int64_t array, int64_t row, int64_t per)
{
    return base + per * (array * s->rows * s->last + (s->signal ? row : row * s->last));
}

/* Lanes of real numbers to a batch of real arrays. */
static void NAME(put)(const Shape *s, const Group *g, real *out, const vec *z)
{
    real *to[LANES];
    for (int v = 0; v < LANES; v++)
        to[v] = NAME(place)(s, out, g->array[v], g->row[v], 1);
    if (!s->signal) {
        NAME(scatter)(to, g->count, s->last, z, 1);
        return;
    }
    if (g->count == LANES && g->array[0] == g->array[LANES - 1])
        for (int64_t k = 0; k < s->last; k++)
            store(to[0] + k * s->rows, z[k]);
    else
        for (int64_t k = 0; k < s->last; k++)
            for (int v = 0; v < g->count; v++)
                to[v][k * s->rows] = z[k][v];
}

/* A batch of real arrays to lanes, every `stride`-th vector. */
static void NAME(get)(const Shape *s, const Group *g, real *in, vec *x,
                                                            int64_t stride)
{
    real *from[LANES];
    for (int v = 0; v < LANES; v++)
        from[v] = NAME(place)(s, in, g->array[v], g->row[v], 1);
    if (!s->signal) {
        NAME(gather)(from, s->last, x, stride);
        return;
    }
    if (g->count == LANES && g->array[0] == g->array[LANES - 1])
        for (int64_t k = 0; k < s->last; k++)
            x[stride * k] = load(from[0] + k * s->rows);
    else
        for (int64_t k = 0; k < s->last; k++)
            for (int v = 0; v < LANES; v++)
                x[stride * k][v] = from[v][k * s->rows];
}

/* A batch of complex arrays to lanes. */
static void NAME(get_complex)(const Shape *s, const Group *g, real *in, vec *x)
{
    real *from[LANES];
    for (int v = 0; v < LANES; v++)
        from[v] = NAME(place)(s, in, g->array[v], g->row[v], 2);
    if (!s->signal) {
        NAME(gather)(from, 2 * s->last, x, 1);
        return;
    }
    if (g->count == LANES && g->array[0] == g->array[LANES - 1])
        for (int64_t k = 0; k < s->last; k++) {
            const vec a = load(from[0] + 2 * k * s->rows), b = load(from[0] + 2 * k * s->rows + LANES);
            x[2 * k] = EVEN(a, b), x[2 * k + 1] = ODD(a, b);
        }
    else
        for (int64_t k = 0; k < s->last; k++)
            for (int v = 0; v < LANES; v++)
                x[2 * k][v] = from[v][2 * k * s->rows], x[2 * k + 1][v] = from[v][2 * k * s->rows + 1];
}

/* n complex numbers to planes (INSIDE), or back: ALONE, or ADDED to what is there. */
static inline void NAME(planes)(real *z, real *re, real *im, int64_t n, int out)
{
    int64_t k = 0;
    for (; k + LANES <= n; k += LANES)
        if (out == INSIDE) {
            const vec a = load(z + 2 * k), b = load(z + 2 * k + LANES);
            store(re + k, EVEN(a, b)), store(im + k, ODD(a, b));
        } else {
            const vec a = load(re + k), b = load(im + k), zero = {0};
            store(z + 2 * k, LOW(a, b) + (out == ADDED ? load(z + 2 * k) : zero));
            store(z + 2 * k + LANES, HIGH(a, b) + (out == ADDED ? load(z + 2 * k + LANES) : zero));
        }
    for (; k < n; k++)
        if (out == INSIDE)
            re[k] = z[2 * k], im[k] = z[2 * k + 1];
        else if (out == ALONE)
            z[2 * k] = re[k], z[2 * k + 1] = im[k];
        else
            z[2 * k] += re[k], z[2 * k + 1] += im[k];
}

/* Lanes of complex numbers to a batch of complex arrays. */
static void NAME(put_complex)(const Shape *s, const Group *g, real *out,
                                                                    const vec *z)
{
    real *to[LANES];
    for (int v = 0; v < LANES; v++)
        to[v] = NAME(place)(s, out, g->array[v], g->row[v], 2);
    if (!s->signal) {
        NAME(scatter)(to, g->count, 2 * s->last, z, 1);
        return;
    }
    if (g->count == LANES && g->array[0] == g->array[LANES - 1])
        for (int64_t k = 0; k < s->last; k++) {
            real *p = to[0] + 2 * k * s->rows;
            store(p, LOW(z[2 * k], z[2 * k + 1])), store(p + LANES, HIGH(z[2 * k], z[2 * k + 1]));
        }
    else
        for (int64_t k = 0; k < s->last; k++)
            for (int v = 0; v < g->count; v++)
                to[v][2 * k * s->rows] = z[2 * k][v], to[v][2 * k * s->rows + 1] = z[2 * k + 1][v];
}
