/* Spectra of batches of arrays, and the way back for complex ones. */

/* The row of the bins −k, where `row` is that of k, over all axes but the last. */
static inline int64_t NAME(opposite)(const Shape *s, int64_t row)
{
    if (s->ndim == 2)
        return row ? s->rows - row : 0;
    int64_t at = 0, share = s->rows;
    for (int k = 0; k < s->ndim - 1; k++) {
        share /= s->size[k];
        at = at * s->size[k] + (s->size[k] - row / share) % s->size[k];
        row %= share;
    }
    return at;
}

/* From spectra z of pairs of rows, as one complex row each, to those of both, n/2 + 1 bins: (re, im) of one and of the
 * other by bin. */
static inline __attribute__((always_inline)) void NAME(halves)(const vec *z, int64_t n, vec *t)
{
    const vec h = all((real)0.5);
    for (int64_t k = 0; k < n / 2 + 1; k++) {
        const int64_t m = k ? n - k : 0;
        const vec zr = z[2 * k], zi = z[2 * k + 1], wr = z[2 * m], wi = z[2 * m + 1];
        t[4 * k] = (zr + wr) * h, t[4 * k + 1] = (zi - wi) * h;
        t[4 * k + 2] = (zi + wi) * h, t[4 * k + 3] = (wr - zr) * h;
    }
}

/* Rows of real arrays to half spectra in a buffer, n/2 + 1 bins of the last axis: pairs first … stop−1 of them, each
 * transformed as one complex row. Rows of two arrays never meet: NaN of one, or the rounding of its large numbers, would
 * spoil the other. */
static void NAME(half_rows)(const Shape *s, real *in, Work *w, int64_t first, int64_t stop)
{
    const int64_t n = s->last, half = n / 2 + 1, each = (s->rows + 1) / 2;
    for (int64_t r = first; r < stop; r += LANES) {
        real *a[LANES], *b[LANES], *ar[LANES], *ai[LANES], *br[LANES], *bi[LANES];
        const int64_t count = stop - r < LANES ? stop - r : LANES;
        for (int v = 0; v < LANES; v++) {
            const int64_t pair = v < count ? r + v : r, array = pair / each;
            const int64_t i = pair % each * 2, j = i + 1 < s->rows ? i + 1 : i;
            const int64_t p = i * w->wide + array * half, q = j * w->wide + array * half;
            a[v] = in + (array * s->rows + i) * n, b[v] = in + (array * s->rows + j) * n;
            ar[v] = w->re + p, ai[v] = w->im + p, br[v] = w->re + q, bi[v] = w->im + q;
        }
        NAME(gather)(a, n, w->x, 2);
        NAME(gather)(b, n, w->x + 1, 2);
        const vec *z = NAME(fft)(s->fft[s->ndim - 1], w->x, w->y);
        vec *t = z == w->x ? w->y : w->x;
        NAME(halves)(z, n, t);
        NAME(scatter)(br, count, half, t + 2, 4); /* before a: a row without a partner is its own */
        NAME(scatter)(bi, count, half, t + 3, 4);
        NAME(scatter)(ar, count, half, t, 4);
        NAME(scatter)(ai, count, half, t + 1, 4);
    }
}

/* `some` real arrays to half spectra in a buffer: only half of the columns are transformed. */
static void NAME(half_spectra)(const Shape *s, real *in, int64_t some, Work *w)
{
    NAME(half_rows)(s, in, w, 0, some * ((s->rows + 1) / 2));
    NAME(columns)(s, w->re, w->im, some * (s->last / 2 + 1), w->wide, 0, w->x, w->y);
}

/* Bins first … first+count−1 of row m of array g, from half spectra. */
static void NAME(from_half)(const Shape *s, const Work *w, int64_t g, int64_t m, int64_t first, int64_t count, real *re, real *im)
{
    const int64_t n = s->last, half = n / 2 + 1;
    int64_t k = first;
    const int64_t direct = first + count < half ? first + count : half;
    if (k < direct) {
        const int64_t at = m * w->wide + g * half + k;
        memcpy(re, w->re + at, (direct - k) * sizeof(real)), memcpy(im, w->im + at, (direct - k) * sizeof(real));
        k = direct;
    }
    const int64_t o = NAME(opposite)(s, m) * w->wide + g * half;
    const real *pr = w->re + o, *pi = w->im + o;
    for (; k + LANES <= first + count; k += LANES) {
        store(re + k - first, REVERSE(load(pr + n - k - LANES + 1)));
        store(im + k - first, -REVERSE(load(pi + n - k - LANES + 1)));
    }
    for (; k < first + count; k++)
        re[k - first] = pr[n - k], im[k - first] = -pi[n - k];
}

/* The other half of a spectrum, behind the one in a buffer: what columns first … stop−1 say of it. */
static void NAME(other_half)(const Shape *s, const Work *w, int64_t first, int64_t stop)
{
    const int64_t n = s->last;
    first = first ? first : 1, stop = stop < (n + 1) / 2 ? stop : (n + 1) / 2;
    for (int64_t m = 0; m < s->rows; m++) {
        const real *re = w->re + m * w->wide, *im = w->im + m * w->wide;
        const int64_t to = NAME(opposite)(s, m) * w->wide + n;
        int64_t k = first;
        for (; k + LANES <= stop; k += LANES) {
            store(w->re + to - k - LANES + 1, REVERSE(load(re + k)));
            store(w->im + to - k - LANES + 1, -REVERSE(load(im + k)));
        }
        for (; k < stop; k++)
            w->re[to - k] = re[k], w->im[to - k] = -im[k];
    }
}

/* Real arrays first … stop−1; of each row the first `wide` bins. */
static int NAME(spectrum_planes)(const Shape *s, real *in, real *out, int64_t wide, int64_t first, int64_t stop)
{
    const int64_t n = s->last, total = s->rows * n;
    const Mark before = mark();
    Work w;
    real *re = NAME(work)(s, n / 2 + 1, stop - first, &w) ? take(2 * (n + LANES) * sizeof(real)) : 0;
    for (int64_t array = first; re && array < stop; array += w.most) {
        const int64_t some = stop - array < w.most ? stop - array : w.most;
        NAME(half_spectra)(s, in + array * total, some, &w);
        for (int64_t g = 0; g < some; g++)
            for (int64_t m = 0; m < s->rows; m++) {
                NAME(from_half)(s, &w, g, m, 0, wide, re, re + n + LANES);
                NAME(planes)(out + 2 * ((array + g) * s->rows + m) * wide, re, re + n + LANES, wide, ALONE);
            }
    }
    give_back(before);
    return re != 0;
}

/* Real signals i and j to spectra in natural order, (re, im) of the first, then of the second: they are transformed
 * as one complex signal. The work must be for one array; where i = j, both may be written to one place. */
static void NAME(two_spectra)(const Shape *s, real *in, int64_t i, int64_t j, Work *w, real *const *to)
{
    const int64_t last = s->last;
    for (int64_t r = 0; r < s->rows; r += LANES) {
        const Group g = NAME(group)(r, s->rows, s->rows);
        Group one = g, two = g;
        for (int v = 0; v < LANES; v++)
            one.array[v] = i, two.array[v] = j;
        NAME(get)(s, &one, in, w->x, 2);
        NAME(get)(s, &two, in, w->x + 1, 2);
        NAME(rows_forward)(s, &g, w->re, w->im, w->wide, w->x, w->y);
    }
    NAME(columns)(s, w->re, w->im, last, w->wide, 0, w->x, w->y);
    const vec h = all((real)0.5);
    for (int64_t m = 0; m < s->rows; m++) {
        const real *ar = w->re + m * w->wide, *ai = w->im + m * w->wide;
        int64_t o = (s->rows - m) % s->rows * w->wide; /* where the row of −k lies; of k1 = 0 another one */
        real *pr = to[0] + m * last, *pi = to[1] + m * last, *qr = to[2] + m * last, *qi = to[3] + m * last;
        for (int64_t k = 0; k < last;) {
            const real *br = w->re + o, *bi = w->im + o;
            if (k == 0 || k + LANES > last) {
                const int64_t at = k ? last - k : 0;
                const real zr = ar[k], zi = ai[k], wr = br[at], wi = bi[at];
                qr[k] = (zi + wi) / 2, qi[k] = (wr - zr) / 2;
                pr[k] = (zr + wr) / 2, pi[k] = (zi - wi) / 2;
                k++;
            } else {
                const vec zr = load(ar + k), zi = load(ai + k);
                const vec wr = REVERSE(load(br + last - k - LANES + 1)), wi = REVERSE(load(bi + last - k - LANES + 1));
                store(qr + k, (zi + wi) * h), store(qi + k, (wr - zr) * h);
                store(pr + k, (zr + wr) * h), store(pi + k, (zi - wi) * h);
                k += LANES;
            }
            if (k == 1)
                o = (s->rows - 1 - m) * w->wide;
        }
    }
}

/* The pairs first … stop−1 of real signals, of which `together` belong together: others are never a pair. */
static int NAME(spectrum_signals)(const Shape *s, real *in, real *out, int64_t together, int64_t first, int64_t stop)
{
    const int64_t n = s->rows * s->last, plane = n + LANES, each = (together + 1) / 2;
    const Mark before = mark();
    Work w;
    real *p = NAME(work)(s, s->last, 1, &w) ? take(4 * plane * sizeof(real)) : 0;
    for (int64_t pair = first; p && pair < stop; pair++) {
        const int64_t i = pair / each * together + pair % each * 2, j = pair % each * 2 + 1 < together ? i + 1 : i;
        real *to[4] = {p, p + plane, p + 2 * plane, p + 3 * plane};
        NAME(two_spectra)(s, in, i, j, &w, to);
        NAME(planes)(out + 2 * i * n, to[0], to[1], n, ALONE);
        if (j > i)
            NAME(planes)(out + 2 * j * n, to[2], to[3], n, ALONE);
    }
    give_back(before);
    return p != 0;
}

/* Complex arrays first … stop−1, forward or back (not normalised), in natural order; in and out may be one. On the way
 * back the result are all numbers (RESPONSES) or their REAL_PARTS, the adjoint of transforms of real arrays. */
static int NAME(transform)(const Shape *s, real *in, real *out, int back, int result, int64_t first, int64_t stop)
{
    const int64_t total = s->rows * s->last;
    const Mark before = mark();
    Work w;
    const int enough = NAME(work)(s, s->last, stop - first, &w);
    for (int64_t array = first; enough && array < stop; array += w.most) {
        const int64_t some = stop - array < w.most ? stop - array : w.most;
        real *from = in + 2 * array * total, *to = out + (result == RESPONSES ? 2 : 1) * array * total;
        if (!back) {
            for (int64_t r = 0; r < some * s->rows; r += LANES) {
                const Group g = NAME(group)(r, s->rows, some * s->rows);
                NAME(get_complex)(s, &g, from, w.x);
                NAME(rows_forward)(s, &g, w.re, w.im, w.wide, w.x, w.y);
            }
            NAME(columns)(s, w.re, w.im, some * s->last, w.wide, 0, w.x, w.y);
        }
        for (int64_t g = 0; g < some; g++)
            for (int64_t m = 0; m < s->rows; m++)
                NAME(planes)((back ? from : to) + 2 * (g * total + m * s->last), w.re + m * w.wide + g * s->last,
                             w.im + m * w.wide + g * s->last, s->last, back ? INSIDE : ALONE);
        if (back)
            NAME(respond)(s, &w, some, result, to, 0);
    }
    give_back(before);
    return enough;
}
