/* √(Σ_m |x ⋆ ψ_m|²) for complex filters on the grid of x: one harmonic at a time, each added where it arises. */

static int NAME(harmonic)(const Shape *s, real *filters, int64_t count, real *spectra, real *out, int64_t first, int64_t stop)
{
    const int64_t last = s->last, total = s->rows * last;
    const Mark before = mark();
    Work w;
    vec *sum = NAME(work)(s, last, 1, &w) ? take((last + 1) * sizeof(vec)) : 0;
    for (int64_t row = first; sum && row < stop; row++)
        for (int64_t m = 0; m < count; m++) {
            for (int64_t r = 0; r < s->rows; r++) {
                const real *a = spectra + 2 * (row * total + r * last), *b = filters + 2 * (m * total + r * last);
                real *p = w.re + r * w.wide, *q = w.im + r * w.wide;
                int64_t k = 0;
                for (; k + LANES <= last; k += LANES) {
                    const vec a0 = load(a + 2 * k), a1 = load(a + 2 * k + LANES);
                    const vec b0 = load(b + 2 * k), b1 = load(b + 2 * k + LANES);
                    const vec ar = EVEN(a0, a1), ai = ODD(a0, a1), br = EVEN(b0, b1), bi = ODD(b0, b1);
                    store(p + k, ar * br - ai * bi), store(q + k, ar * bi + ai * br);
                }
                for (; k < last; k++) {
                    p[k] = a[2 * k] * b[2 * k] - a[2 * k + 1] * b[2 * k + 1];
                    q[k] = a[2 * k] * b[2 * k + 1] + a[2 * k + 1] * b[2 * k];
                }
            }
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
