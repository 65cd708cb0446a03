/* Solid harmonics, from gradients by their modulus to those by the live bins of a spectrum. */

/* a/b, 0 where b = 0. */
static inline vec NAME(over)(vec a, vec b)
{
    vec y;
    for (int i = 0; i < LANES; i++)
        y[i] = b[i] == 0 ? 0 : a[i] / b[i];
    return y;
}

/* A group of pairs of rows in lanes of p->x to bins in p->rows: the second row is the real part. */
static void NAME(third_forward)(const Solid *h, const Pairs *r, Passes *p)
{
    const int64_t n = h->s->last, ready = h->most * LANES < h->columns ? h->most * LANES : h->columns;
    const vec half = all((real)0.5), *z = NAME(fft)(h->s->fft[2], p->x, p->y);
    for (int64_t k = 0; k < h->most; k++) {
        const int64_t some = ready - k * LANES < LANES ? ready - k * LANES : LANES;
        vec s[LANES], t[LANES];
        for (int part = 0; part < 2; part++) { /* real, imaginary */
            for (int64_t v = 0; v < LANES; v++) {
                const int64_t at = k * LANES + (v < some ? v : 0), m = at ? n - at : 0;
                if (part)
                    s[v] = (z[2 * m] - z[2 * at]) * half, t[v] = (z[2 * at + 1] - z[2 * m + 1]) * half;
                else
                    s[v] = (z[2 * at + 1] + z[2 * m + 1]) * half, t[v] = (z[2 * at] + z[2 * m]) * half;
            }
            if (k == 0 && part && h->nyquist)
                s[0] = z[n + 1], t[0] = z[n];
            turn(s), turn(t);
            for (int64_t v = 0; v < r->count; v++) {
                p->rows[2 * (r->b[v] * h->most + k) + part] = t[v];
                p->rows[2 * (r->a[v] * h->most + k) + part] = s[v];
            }
        }
    }
}

/* Columns along the second axis, from rows to a plane of a field. */
static void NAME(second_forward)(const Solid *h, int64_t field, int64_t plane, Passes *p)
{
    const int64_t live = h->live[1], step = 2 * h->most;
    vec *to = p->between + 2 * (field * h->s->size[0] + plane) * h->plane;
    for (int64_t b = 0; b < h->most; b++, to += 2) {
        if (live == h->s->size[1]) {
            NAME(fft_apart)(h->s->fft[1], p->rows + 2 * b, step, to, step, p->y, p->t);
            continue;
        }
        NAME(fft_apart)(h->s->fft[1], p->rows + 2 * b, step, p->x, 2, p->y, p->t);
        for (int64_t j = 0; j < live; j++) {
            const vec *y = p->x + 2 * NAME(bin)(h, 1, j);
            to[j * step] = y[0], to[j * step + 1] = y[1];
        }
    }
}

/* Adds products of a column with the conjugate of a filter. */
static inline __attribute__((always_inline)) void NAME(filtered_back)(const Solid *h, vec *z, vec *last, const real *f,
                                                                      const real *g, int kind, const vec *y)
{
    for (int64_t i = 0; i < h->live[0]; i++) {
        const int64_t t = NAME(bin)(h, 0, i);
        const vec re = y[2 * t], im = y[2 * t + 1];
        if (kind == COMPLEX) {
            const vec c = load(f + 2 * i * LANES), d = load(f + (2 * i + 1) * LANES);
            z[2 * i] += c * re + d * im, z[2 * i + 1] += c * im - d * re;
            if (last) {
                last[2 * i] += g[2 * i] * re + g[2 * i + 1] * im;
                last[2 * i + 1] += g[2 * i] * im - g[2 * i + 1] * re;
            }
        } else {
            const vec c = load(f + i * LANES), a = kind == REAL ? re : im, b = kind == REAL ? im : -re;
            z[2 * i] += c * a, z[2 * i + 1] += c * b;
            if (last)
                last[2 * i] += g[i] * a, last[2 * i + 1] += g[i] * b;
        }
    }
}

/* Adds what the fields first … stop−1 give to the live bins: columns along the first axis, and products. */
static void NAME(first_forward)(const Solid *h, int64_t first, int64_t stop, Passes *p)
{
    const int64_t n = h->s->size[0], step = 2 * h->plane, live = h->live[0];
    vec *z = p->bins;
    for (int64_t j = 0, at = 0; j < h->live[1]; j++)
        for (int64_t b = 0; b < h->blocks[j]; b++, z += 2 * live, at += live) {
            vec *last = b == 0 && h->nyquist ? p->last + 2 * j * live : 0;
            const vec *from = p->between + 2 * (j * h->most + b);
            for (int64_t m = first; m < stop; m++, from += n * step) {
                const int kind = h->kinds[m];
                const int64_t per = kind == COMPLEX ? 2 : 1;
                const real *f = p->filters[m] + per * at * LANES;
                const real *g = p->filters[m] + per * (h->vectors * LANES + j * live);
                NAME(fft_apart)(h->s->fft[0], from, step, p->x, 2, p->y, p->t);
                if (kind == REAL)
                    NAME(filtered_back)(h, z, last, f, g, REAL, p->x);
                else if (kind == IMAGINARY)
                    NAME(filtered_back)(h, z, last, f, g, IMAGINARY, p->x);
                else
                    NAME(filtered_back)(h, z, last, f, g, COMPLEX, p->x);
            }
        }
}

/* The other way of whole_spectrum: live bins as the fields add to them. */
static void NAME(pick_sums)(const Solid *h, const real *spectrum, Passes *p)
{
    NAME(pick)(h, spectrum, p);
    for (int64_t k = 0; h->nyquist && k < h->live[0] * h->live[1]; k++) {
        const vec re = p->last[2 * k];
        p->last[2 * k] = -p->last[2 * k + 1], p->last[2 * k + 1] = re;
    }
}

/* Live bins to a spectrum of a real array, and, unless `half`, those of n/2+1 … n−1 on the last axis. The columns 0 and n/2
 * came as p0 + i·p1 with real p0 and p1: of the one the Hermitian part is meant, of the other the rest. */
static void NAME(whole_spectrum)(const Solid *h, const Passes *p, real *spectrum, int half)
{
    const int64_t *n = h->s->size, live = h->live[0], last = n[2], wide = h->wide;
    const vec *from = p->bins;
    for (int64_t j = 0; j < h->live[1]; from += 2 * live * h->blocks[j++]) {
        const int64_t l = NAME(bin)(h, 1, j), jo = j ? h->live[1] - j : 0;
        for (int64_t i = 0; i < live; i++) {
            const int64_t k = NAME(bin)(h, 0, i), io = i ? live - i : 0;
            real *to = spectrum + 2 * (k * n[1] + l) * wide;
            real *opposite = spectrum + 2 * ((n[0] - k) % n[0] * n[1] + (n[1] - l) % n[1]) * wide;
            for (int64_t b = 0; b < h->blocks[j]; b++) {
                const vec *z = from + 2 * (b * live + i);
                real *q = to + 2 * b * LANES;
                if ((b + 1) * LANES <= h->columns)
                    store(q, LOW(z[0], z[1])), store(q + LANES, HIGH(z[0], z[1]));
                else
                    for (int64_t v = 0; v < h->columns - b * LANES; v++)
                        q[2 * v] = z[0][v], q[2 * v + 1] = z[1][v];
            }
            const int64_t ready = h->blocks[j] * LANES < h->columns ? h->blocks[j] * LANES : h->columns;
            for (int64_t c = 1; !half && c < ready; c++)
                opposite[2 * (last - c)] = to[2 * c], opposite[2 * (last - c) + 1] = -to[2 * c + 1];
            if (h->nyquist) {
                const vec *a = p->last + 2 * (j * live + i), *b = p->last + 2 * (jo * live + io);
                to[last] = (a[1][0] + b[1][0]) / 2, to[last + 1] = (b[0][0] - a[0][0]) / 2;
            }
        }
    }
    for (int64_t j = 0; h->nyquist && j < h->live[1]; j++)
        for (int64_t i = 0; i < live; i++) {
            const int64_t k = NAME(bin)(h, 0, i), l = NAME(bin)(h, 1, j);
            real *a = spectrum + 2 * (k * n[1] + l) * wide;
            real *b = spectrum + 2 * ((n[0] - k) % n[0] * n[1] + (n[1] - l) % n[1]) * wide;
            a[0] = b[0] = (a[0] + b[0]) / 2;
            a[1] = (a[1] - b[1]) / 2, b[1] = -a[1];
        }
}

/* Gradients by the spectra first … stop−1 of real arrays: what such spectra see of them, which is Hermitian. kept: NULL,
 * or what harmonic kept. mode: ADD and HALF; of a spectrum that was written with HALF, the rest is not defined. */
static int NAME(harmonic_vjp)(const Solid *h, const real *spectra, real *grad, real *out, const real *kept, int mode,
                              int64_t first, int64_t stop)
{
    const int64_t total = h->s->rows * h->s->last, bins = 2 * h->s->rows * h->wide, each = 2 * h->s->last, tile = h->groups * each;
    const Mark before = mark();
    Passes p;
    vec *own = 0, *sums = 0;
    int enough = NAME(passes)(h, 0, &p) && (sums = take((h->edges * tile + 1) * sizeof(vec)));
    if (enough && !kept)
        enough = (own = take(NAME(harmonic_kept)(h) * sizeof(real))) != 0;
    for (int64_t row = first; enough && row < stop; row++) {
        memset(sums, 0, h->edges * tile * sizeof(vec));
        const vec *z = own ? own : (const vec *)(kept + row * NAME(harmonic_kept)(h));
        if (!(enough = NAME(edges_back)(h, spectra + row * bins, &p)))
            break;
        if (own) {
            NAME(pick)(h, spectra + row * bins, &p);
            NAME(fields)(h, &p, own, 0);
        }
        if (mode & ADD)
            NAME(pick_sums)(h, out + row * bins, &p);
        else {
            memset(p.bins, 0, 2 * h->vectors * sizeof(vec));
            memset(p.last, 0, 2 * h->live[0] * h->live[1] * sizeof(vec));
            memset(out + row * bins, 0, bins * sizeof(real));
        }
        for (int64_t m = 0, end; m < h->count; m = end) {
            end = m + h->together < h->count ? m + h->together : h->count;
            for (int64_t plane = 0; plane < h->s->size[0]; plane++) {
                const vec *modulus = z + h->count * h->lanes + plane * tile;
                vec *slopes = h->together < h->count ? p.sum + plane * tile : p.sum;
                for (int64_t group = 0; m == 0 && group < h->groups; group++) {
                    const Pairs r = NAME(pairs)(h, group);
                    NAME(rows_of)(h, &r, plane, grad + row * total, slopes + group * each, 1);
                }
                for (int64_t k = 0; m == 0 && k < tile; k++)
                    slopes[k] = NAME(over)(slopes[k], modulus[k]);
                if (m == 0)
                    NAME(edge_slopes)(h, &p, plane, slopes, sums);
                for (int64_t field = m; field < end; field++) {
                    const vec *from = z + field * h->lanes + plane * tile, *slope = slopes;
                    for (int64_t group = 0; group < h->groups; group++, from += each, slope += each) {
                        const Pairs r = NAME(pairs)(h, group);
                        for (int64_t k = 0; k < each; k++)
                            p.x[k] = from[k] * slope[k];
                        NAME(third_forward)(h, &r, &p);
                    }
                    NAME(second_forward)(h, field - m, plane, &p);
                }
            }
            NAME(first_forward)(h, m, end, &p);
        }
        NAME(whole_spectrum)(h, &p, out + row * bins, mode & HALF);
        enough = NAME(edges_forward)(h, sums, &p, out + row * bins);
    }
    give_back(before);
    return enough;
}

/* Real arrays of the spectra first … stop−1, not normalised: of their Hermitian parts. Only the bins 0 … n/2 of the last
 * axis are read; a row holds `wide` of them. */
static int NAME(half_back)(const Shape *s, int64_t wide, const real *spectra, real *out, int64_t first, int64_t stop)
{
    const int64_t *n = s->size, total = s->rows * s->last;
    const int64_t numbers[] = {n[0], n[0], n[1], n[1], n[2] % 2 == 0, 1, 0};
    const int32_t kind = NONE;
    const Mark before = mark();
    Passes p;
    int32_t *blocks = take(n[1] * sizeof *blocks);
    for (int64_t j = 0; blocks && j < n[1]; j++)
        blocks[j] = (int32_t)(((n[2] + 1) / 2 + LANES - 1) / LANES);
    Solid h = blocks ? NAME(solid)(s, numbers, blocks, &kind, 0) : (Solid){0};
    h.wide = wide;
    const int enough = blocks && NAME(passes)(&h, 0, &p);
    for (int64_t row = first; enough && row < stop; row++) {
        NAME(pick)(&h, spectra + 2 * row * s->rows * wide, &p);
        NAME(first_back)(&h, 0, 1, &p);
        for (int64_t plane = 0; plane < n[0]; plane++) {
            NAME(second_back)(&h, 0, plane, &p);
            for (int64_t group = 0; group < h.groups; group++) {
                const Pairs r = NAME(pairs)(&h, group);
                NAME(rows_of)(&h, &r, plane, out + row * total, NAME(third_back)(&h, &r, &p), 0);
            }
        }
    }
    give_back(before);
    return enough;
}
