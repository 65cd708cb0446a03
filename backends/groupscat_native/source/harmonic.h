/* √(Σ_m |x ⋆ ψ_m|²) for complex filters on the grid of x: one harmonic at a time, each added where it arises. */

/* Planes of the product of a spectrum with a complex filter. */
static void NAME(turned)(const Shape *s, const real *z, const real *filter, const Work *w)
{
    for (int64_t r = 0; r < s->rows; r++) {
        const real *a = z + 2 * r * s->last, *b = filter + 2 * r * s->last;
        real *p = w->re + r * w->wide, *q = w->im + r * w->wide;
        int64_t k = 0;
        for (; k + LANES <= s->last; k += LANES) {
            const vec a0 = load(a + 2 * k), a1 = load(a + 2 * k + LANES);
            const vec b0 = load(b + 2 * k), b1 = load(b + 2 * k + LANES);
            const vec ar = EVEN(a0, a1), ai = ODD(a0, a1), br = EVEN(b0, b1), bi = ODD(b0, b1);
            store(p + k, ar * br - ai * bi), store(q + k, ar * bi + ai * br);
        }
        for (; k < s->last; k++) {
            p[k] = a[2 * k] * b[2 * k] - a[2 * k + 1] * b[2 * k + 1];
            q[k] = a[2 * k] * b[2 * k + 1] + a[2 * k + 1] * b[2 * k];
        }
    }
}

static int NAME(harmonic)(const Shape *s, real *filters, int64_t count, real *spectra, real *out, int64_t first, int64_t stop)
{
    const int64_t last = s->last, total = s->rows * last;
    const Mark before = mark();
    Work w;
    vec *sum = NAME(work)(s, last, 1, &w) ? take((last + 1) * sizeof(vec)) : 0;
    for (int64_t row = first; sum && row < stop; row++)
        for (int64_t m = 0; m < count; m++) {
            NAME(turned)(s, spectra + 2 * row * total, filters + 2 * m * total, &w);
            NAME(columns)(s, w.re, w.im, last, w.wide, 1, w.x, w.y);
            for (int64_t r = 0; r < s->rows; r += LANES) {
                const Group g = NAME(group)(r, s->rows, s->rows);
                const vec *z = NAME(rows_back)(s, &g, w.re, w.im, w.wide, w.x, w.y);
                if (m)
                    NAME(get)(s, &g, out + row * total, sum, 1);
                for (int64_t k = 0; k < last; k++) {
                    vec t = z[2 * k] * z[2 * k] + z[2 * k + 1] * z[2 * k + 1];
                    if (m)
                        t += sum[k];
                    sum[k] = m + 1 == count ? root(t) : t;
                }
                NAME(put)(s, &g, out + row * total, sum);
            }
        }
    give_back(before);
    return sum != 0;
}

/* Adds the product of a spectrum in planes with the conjugate of a filter. */
static void NAME(turned_back)(const Shape *s, real *z, const real *filter, const Work *w)
{
    for (int64_t r = 0; r < s->rows; r++) {
        real *a = z + 2 * r * s->last;
        const real *b = filter + 2 * r * s->last, *p = w->re + r * w->wide, *q = w->im + r * w->wide;
        int64_t k = 0;
        for (; k + LANES <= s->last; k += LANES) {
            const vec b0 = load(b + 2 * k), b1 = load(b + 2 * k + LANES), re = load(p + k), im = load(q + k);
            const vec br = EVEN(b0, b1), bi = ODD(b0, b1), c = re * br + im * bi, d = im * br - re * bi;
            store(a + 2 * k, load(a + 2 * k) + LOW(c, d));
            store(a + 2 * k + LANES, load(a + 2 * k + LANES) + HIGH(c, d));
        }
        for (; k < s->last; k++) {
            a[2 * k] += p[k] * b[2 * k] + q[k] * b[2 * k + 1];
            a[2 * k + 1] += q[k] * b[2 * k] - p[k] * b[2 * k + 1];
        }
    }
}

/* Gradients of the spectra first … stop−1. All responses of one are kept until their common modulus is known. */
static int NAME(harmonic_vjp)(const Shape *s, real *filters, int64_t count, real *spectra, real *grad, real *out,
                              int64_t first, int64_t stop)
{
    const int64_t total = s->rows * s->last;
    const Mark before = mark();
    Work w;
    real *z = NAME(work)(s, s->last, 1, &w) ? take(2 * count * total * sizeof(real) + 64) : 0;
    real *slope = z ? take(total * sizeof(real) + 64) : 0;
    vec *h = slope ? take((s->last + 1) * sizeof(vec)) : 0;
    for (int64_t row = first; h && row < stop; row++) {
        memset(slope, 0, total * sizeof(real));
        for (int64_t m = 0; m < count; m++) {
            NAME(turned)(s, spectra + 2 * row * total, filters + 2 * m * total, &w);
            NAME(columns)(s, w.re, w.im, s->last, w.wide, 1, w.x, w.y);
            for (int64_t r = 0; r < s->rows; r += LANES) {
                const Group g = NAME(group)(r, s->rows, s->rows);
                vec *y = NAME(rows_back)(s, &g, w.re, w.im, w.wide, w.x, w.y);
                NAME(put_complex)(s, &g, z + 2 * m * total, y); /* (im, re), as it comes */
                NAME(get)(s, &g, slope, h, 1);
                for (int64_t k = 0; k < s->last; k++)
                    h[k] += y[2 * k] * y[2 * k] + y[2 * k + 1] * y[2 * k + 1];
                NAME(put)(s, &g, slope, h);
            }
        }
        for (int64_t k = 0; k < total; k++)
            slope[k] = slope[k] == 0 ? 0 : grad[row * total + k] / SQRT(slope[k]);
        memset(out + 2 * row * total, 0, 2 * total * sizeof(real));
        for (int64_t m = 0; m < count; m++) {
            for (int64_t r = 0; r < s->rows; r += LANES) {
                const Group g = NAME(group)(r, s->rows, s->rows);
                NAME(get_complex)(s, &g, z + 2 * m * total, w.x);
                NAME(get)(s, &g, slope, h, 1);
                for (int64_t k = 0; k < s->last; k++) {
                    const vec im = w.x[2 * k] * h[k];
                    w.x[2 * k] = w.x[2 * k + 1] * h[k], w.x[2 * k + 1] = im;
                }
                NAME(rows_forward)(s, &g, w.re, w.im, w.wide, w.x, w.y);
            }
            NAME(columns)(s, w.re, w.im, s->last, w.wide, 0, w.x, w.y);
            NAME(turned_back)(s, out + 2 * row * total, filters + 2 * m * total, &w);
        }
    }
    give_back(before);
    return h != 0;
}
