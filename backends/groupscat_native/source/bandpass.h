/* y = x ⋆ ψ subsampled, for pairs of a spectrum and a filter, and what is made of it: multiply inside the window and
 * sum aliases, transform back, take the modulus, without leaving the cache. Source: Mallat 2016, eq. 10. */

/* A block of wavelets. Axes: those of the array as the user knows it, not of a signal's matrix. */
typedef struct {
    const Shape *shape;
    int ndim;
    int64_t full[3], size[3], fold[3]; /* samples of the spectrum, of the result, aliases, by axis */
    const int32_t *bins;            /* the bin at each position of the window, axis after axis */
    const int32_t *live;            /* by filter and alias: first row that matters and the one behind; NULL: all do */
    const int32_t *aliases;         /* by row and alias: where it begins in the window (`alias`); see `tables` */
    const int32_t *runs;            /* by position on the last axis: how many bins follow each other from there */
    int natural;                    /* whether the window is the spectrum as it is */
    const real *filters;            /* filter p, alias k at (k·stride + p)·total */
    int64_t count, stride, total;      /* filters; filters from alias to alias; samples of the result */
    int64_t window, blocks;            /* positions of the window, aliases in all */
    int64_t apart;                     /* how far imaginary parts of responses are behind real ones; 0: side by side */
    int64_t add;                       /* whether gradients are added to what is there */
} NAME(Block);
#define Block NAME(Block)

/* axes: ndim times (full, size, fold). */
static Block NAME(block)(const Shape *s, int ndim, const int64_t *axes, const int32_t *bins, const int32_t *live,
                         const real *filters, int64_t count, int64_t stride)
{
    Block b = {.shape = s, .ndim = ndim, .bins = bins, .live = live, .filters = filters, .count = count,
               .stride = stride, .total = s->rows * s->last, .window = 1, .blocks = 1};
    for (int k = 0; k < ndim; k++) {
        b.full[k] = axes[3 * k], b.size[k] = axes[3 * k + 1], b.fold[k] = axes[3 * k + 2];
        b.window *= b.fold[k] * b.size[k];
        b.blocks *= b.fold[k];
    }
    return b;
}

/* The row of a spectrum that row m of the window comes from, the bin of every axis but the last in `bin`. */
static inline int64_t NAME(window_row)(const Block *b, int64_t m, int64_t outer, int64_t *bin)
{
    const int32_t *p = b->bins;
    int64_t at = 0;
    for (int k = 0; k < b->ndim - 1; k++) {
        const int64_t w = b->fold[k] * b->size[k];
        outer /= w;
        bin[k] = p[m / outer];
        at = at * b->full[k] + bin[k];
        m %= outer, p += w;
    }
    return at;
}

/* The part of a spectrum inside the window, planar; or the way back: ALONE in a spectrum of zeros, or ADDED to one. */
static void NAME(window)(const Block *b, real *spectrum, real *re, real *im, int out)
{
    const int d = b->ndim - 1;
    const int64_t width = b->fold[d] * b->size[d], outer = b->window / width;
    const int32_t *bins = b->bins;
    int64_t full = 1, bin[3];
    for (int k = 0; k < d; k++)
        bins += b->fold[k] * b->size[k];
    for (int k = 0; k <= d; k++)
        full *= b->full[k];
    if (out == ALONE)
        memset(spectrum, 0, 2 * full * sizeof(real));
    for (int64_t m = 0; m < outer; m++, re += width, im += width) {
        real *row = spectrum + 2 * NAME(window_row)(b, m, outer, bin) * b->full[d];
        for (int64_t c = 0; c < width; c += b->runs[c])
            NAME(planes)(row + 2 * bins[c], re + c, im + c, b->runs[c], out);
    }
}

/* Where alias `k` of row m of the result begins in the window. */
static inline int64_t NAME(alias)(const Block *b, int64_t k, int64_t m)
{
    if (b->ndim == 1)
        return k * b->total + m * b->shape->last;
    int64_t at = 0, rows = b->shape->rows, blocks = b->blocks;
    for (int a = 0; a < b->ndim; a++) {
        blocks /= b->fold[a];
        int64_t i = k / blocks * b->size[a];
        k %= blocks;
        if (a < b->ndim - 1) {
            rows /= b->size[a];
            i += m / rows;
            m %= rows;
        }
        at = at * (b->fold[a] * b->size[a]) + i;
    }
    return at;
}

/* Bytes of the tables of a block. */
static size_t NAME(table_bytes)(const Block *b)
{
    const int d = b->ndim - 1;
    return (b->shape->rows * b->blocks + b->fold[d] * b->size[d]) * sizeof(int32_t);
}

/* Gives a block its tables: to divide for each alias at every use would cost more than the use. */
static void NAME(tables)(Block *b, int32_t *table)
{
    const int d = b->ndim - 1;
    const int64_t width = b->fold[d] * b->size[d];
    const int32_t *bins = b->bins;
    for (int k = 0; k < d; k++)
        bins += b->fold[k] * b->size[k];
    b->aliases = table;
    for (int64_t m = 0; m < b->shape->rows; m++)
        for (int64_t k = 0; k < b->blocks; k++)
            *table++ = (int32_t)NAME(alias)(b, k, m);
    b->runs = table;
    for (int64_t c = width - 1; c >= 0; c--)
        table[c] = c + 1 < width && bins[c + 1] == bins[c] + 1 ? table[c + 1] + 1 : 1;
    b->natural = 1;
    bins = b->bins;
    for (int k = 0; k < b->ndim; k++)
        for (int64_t i = 0; i < b->fold[k] * b->size[k]; i++)
            b->natural = b->natural && b->fold[k] * b->size[k] == b->full[k] && *bins++ == i;
}

/* A block with its tables, which lie on the stack; 0 where memory ran out. */
static int NAME(with_tables)(const Block *b, Block *out)
{
    *out = *b;
    if (b->aliases)
        return 1;
    int32_t *table = take(NAME(table_bytes)(b));
    if (table)
        NAME(tables)(out, table);
    return table != 0;
}

/* Some aliases of a row of a product: where they begin in the window, and in the filters. */
typedef struct {
    int64_t some, first[ALIASES], w[ALIASES];
} NAME(Aliases);
#define Aliases NAME(Aliases)

/* A row of a result ← the sum of aliases of a spectrum times a filter. */
static inline void NAME(product_row)(const Aliases *a, const real *psi, const real *xr, const real *xi, real *yr, real *yi, int64_t last)
{
    const int64_t some = a->some, *first = a->first, *w = a->w;
    if (!some) {
        memset(yr, 0, last * sizeof(real)), memset(yi, 0, last * sizeof(real));
        return;
    }
    for (int64_t c = 0; c < last; c += LANES) {
        const int64_t i = c + LANES <= last ? c : last - LANES;
        if (i < 0) {
            for (c = 0; c < last; c++) {
                yr[c] = yi[c] = 0;
                for (int64_t k = 0; k < some; k++)
                    yr[c] += xr[first[k] + c] * psi[w[k] + c], yi[c] += xi[first[k] + c] * psi[w[k] + c];
            }
            return;
        }
        vec f = load(psi + w[0] + i), tr = load(xr + first[0] + i) * f, ti = load(xi + first[0] + i) * f;
        for (int64_t k = 1; k < some; k++) {
            f = load(psi + w[k] + i);
            tr += load(xr + first[k] + i) * f, ti += load(xi + first[k] + i) * f;
        }
        store(yr + i, tr), store(yi + i, ti);
    }
}

/* Whether alias k of row m of the product with filter p is not nothing. */
static inline int NAME(lives)(const Block *b, int64_t p, int64_t k, int64_t m)
{
    const int32_t *live = b->live + 2 * (p * b->blocks + k);
    return !b->live || (live[0] <= m && m < live[1]);
}

/* Array `g` of the buffer ← the product of a spectrum with filter p, aliases added up; rows of the window are as many
 * numbers `longer` than they need. */
static void NAME(multiply)(const Block *b, int64_t p, const real *xr, const real *xi, int64_t longer, real *re, real *im,
                           int64_t wide, int64_t g)
{
    const int64_t last = b->shape->last, step = b->stride * b->total, width = b->fold[b->ndim - 1] * last;
    Aliases a;
    for (int64_t m = 0; m < b->shape->rows; m++) {
        a.some = 0;
        for (int64_t k = 0; k < b->blocks; k++)
            if (NAME(lives)(b, p, k, m)) {
                const int64_t at = b->aliases[m * b->blocks + k];
                a.first[a.some] = longer ? at + at / width * longer : at, a.w[a.some++] = k * step;
            }
        const int64_t at = m * wide + g * last;
        NAME(product_row)(&a, b->filters + p * b->total + m * last, xr, xi, re + at, im + at, last);
    }
}

/* The adjoint: what array `g` of the buffer adds to the window. */
static void NAME(spread)(const Block *b, int64_t p, real *xr, real *xi, const real *re, const real *im, int64_t wide, int64_t g)
{
    const int64_t last = b->shape->last, rows = b->shape->rows;
    const real *psi = b->filters + p * b->total;
    const int64_t step = b->stride * b->total;
    for (int64_t m = 0; m < rows; m++, psi += last) {
        const real *yr = re + m * wide + g * last, *yi = im + m * wide + g * last;
        for (int64_t k = 0; k < b->blocks; k++) {
            if (!NAME(lives)(b, p, k, m))
                continue;
            const int64_t at = b->aliases[m * b->blocks + k];
            const real *w = psi + k * step;
            real *ar = xr + at, *ai = xi + at;
            int64_t c = 0;
            for (; c + LANES <= last; c += LANES) {
                const vec f = load(w + c);
                store(ar + c, load(ar + c) + load(yr + c) * f), store(ai + c, load(ai + c) + load(yi + c) * f);
            }
            for (; c < last; c++)
                ar[c] += yr[c] * w[c], ai[c] += yi[c] * w[c];
        }
    }
}

/* Numbers of a whole spectrum. */
static int64_t NAME(numbers)(const Block *b)
{
    int64_t n = 2;
    for (int k = 0; k < b->ndim; k++)
        n *= b->full[k];
    return n;
}

/* One group of rows of responses to what is asked for; complex ones `apart` as a block says. */
static void NAME(finish)(const Shape *s, const Group *g, int result, real *out, int64_t apart, const vec *z, vec *spare)
{
    if (result == RESPONSES && apart) {
        for (int part = 0; part < 2; part++) {
            for (int64_t k = 0; k < s->last; k++)
                spare[k] = z[2 * k + 1 - part];
            NAME(put)(s, g, out + part * apart, spare);
        }
        return;
    }
    if (result == RESPONSES) {
        for (int64_t k = 0; k < s->last; k++)
            spare[2 * k] = z[2 * k + 1], spare[2 * k + 1] = z[2 * k];
        NAME(put_complex)(s, g, out, spare);
        return;
    }
    for (int64_t k = 0; k < s->last; k++)
        spare[k] = result == REAL_PARTS ? z[2 * k + 1] : root(z[2 * k] * z[2 * k] + z[2 * k + 1] * z[2 * k + 1]);
    NAME(put)(s, g, out, spare);
}

/* Spectra side by side in a buffer to responses. */
static void NAME(respond)(const Shape *s, Work *w, int64_t some, int result, real *out, int64_t apart)
{
    NAME(columns)(s, w->re, w->im, some * s->last, w->wide, 1, w->x, w->y);
    for (int64_t r = 0; r < some * s->rows; r += LANES) {
        const Group g = NAME(group)(r, s->rows, some * s->rows);
        const vec *z = NAME(rows_back)(s, &g, w->re, w->im, w->wide, w->x, w->y);
        NAME(finish)(s, &g, result, out, apart, z, z == w->x ? w->y : w->x);
    }
}

/* Responses of the pairs first … stop−1 (pair = spectrum · count + filter) to `out`, which holds all pairs. */
static int NAME(bandpass)(const Block *given, real *spectra, real *out, int result, int64_t first, int64_t stop)
{
    const Mark before = mark();
    Block with, *b = &with;
    const Shape *s = given->shape;
    Work w;
    real *xr = NAME(with_tables)(given, b) && NAME(work)(s, s->last, stop - first, &w) ? take(2 * (b->window + LANES) * sizeof(real)) : 0;
    if (xr) {
        real *xi = xr + b->window + LANES;
        int64_t at = -1;
        for (int64_t pair = first; pair < stop; pair += w.most) {
            const int64_t some = stop - pair < w.most ? stop - pair : w.most;
            for (int64_t g = 0; g < some; g++) {
                const int64_t row = (pair + g) / b->count;
                if (row != at)
                    NAME(window)(b, spectra + row * NAME(numbers)(b), xr, xi, INSIDE), at = row;
                NAME(multiply)(b, (pair + g) % b->count, xr, xi, 0, w.re, w.im, w.wide, g);
            }
            if (result == RESPONSES)
                NAME(respond)(s, &w, some, RESPONSES, out + (b->apart ? 1 : 2) * pair * b->total, b->apart);
            else
                NAME(respond)(s, &w, some, MODULI, out + pair * b->total, 0);
        }
    }
    give_back(before);
    return xr != 0;
}

/* Gradients of responses, (re, im), from those of their moduli; z: (im, re) of the responses. Where one vanishes, its
 * modulus has the gradient 0. */
static void NAME(slope)(vec *z, const vec *h, int64_t n)
{
    for (int64_t k = 0; k < n; k++) {
        const vec a = z[2 * k + 1], d = z[2 * k], t = root(a * a + d * d);
        const vec q = h[k] / (vec)(t + (vec)((t == 0) & (__typeof__(t == 0))all(1)));
        z[2 * k] = a * q, z[2 * k + 1] = d * q;
    }
}

/* The adjoint of bandpass at `spectra`: gradients of the spectra first … stop−1, from those of the results. The phase
 * of a response is computed again. */
static int NAME(bandpass_vjp)(const Block *given, real *spectra, real *grad, real *out, int result, int64_t first,
                              int64_t stop)
{
    const Mark before = mark();
    Block with, *b = &with;
    const Shape *s = given->shape;
    Work w;
    const int64_t plane = given->window + LANES;
    real *xr = NAME(with_tables)(given, b) && NAME(work)(s, s->last, b->count, &w) ? take(4 * plane * sizeof(real)) : 0;
    vec *h = xr ? take((s->last + 1) * sizeof(vec)) : 0;
    for (int64_t row = first; h && row < stop; row++) {
        real *xi = xr + plane, *gr = xi + plane, *gi = gr + plane;
        if (result == MODULI)
            NAME(window)(b, spectra + row * NAME(numbers)(b), xr, xi, INSIDE);
        memset(gr, 0, 2 * plane * sizeof(real));
        for (int64_t p = 0; p < b->count; p += w.most) {
            const int64_t some = b->count - p < w.most ? b->count - p : w.most;
            real *from = grad + (result == RESPONSES && !b->apart ? 2 : 1) * (row * b->count + p) * b->total;
            if (result == MODULI) {
                for (int64_t g = 0; g < some; g++)
                    NAME(multiply)(b, p + g, xr, xi, 0, w.re, w.im, w.wide, g);
                NAME(columns)(s, w.re, w.im, some * s->last, w.wide, 1, w.x, w.y);
            }
            for (int64_t r = 0; r < some * s->rows; r += LANES) {
                const Group g = NAME(group)(r, s->rows, some * s->rows);
                vec *z = w.y;
                if (result == MODULI) {
                    z = NAME(rows_back)(s, &g, w.re, w.im, w.wide, w.x, w.y);
                    NAME(get)(s, &g, from, h, 1);
                    NAME(slope)(z, h, s->last);
                } else if (b->apart)
                    NAME(get)(s, &g, from, z, 2), NAME(get)(s, &g, from + b->apart, z + 1, 2);
                else
                    NAME(get_complex)(s, &g, from, z);
                NAME(rows_forward)(s, &g, w.re, w.im, w.wide, z, z == w.x ? w.y : w.x);
            }
            NAME(columns)(s, w.re, w.im, some * s->last, w.wide, 0, w.x, w.y);
            for (int64_t g = 0; g < some; g++)
                NAME(spread)(b, p + g, gr, gi, w.re, w.im, w.wide, g);
        }
        NAME(window)(b, out + row * NAME(numbers)(b), gr, gi, b->add ? ADDED : ALONE);
    }
    give_back(before);
    return h != 0;
}
