/* From live bins of a spectrum to fields: products and columns, planes, rows. */

/* Products of live bins of a column with a filter, imaginary parts first. */
static inline __attribute__((always_inline)) void NAME(filtered)(const Solid *h, const vec *z, const vec *last,
                                                                 const real *f, const real *g, int kind, vec *x)
{
    for (int64_t i = 0; i < h->live[0]; i++) {
        const int64_t t = NAME(bin)(h, 0, i);
        vec re = z[2 * i], im = z[2 * i + 1], a, b;
        if (kind == COMPLEX) {
            const vec c = load(f + 2 * i * LANES), d = load(f + (2 * i + 1) * LANES);
            a = c * re - d * im, b = c * im + d * re;
        } else if (kind == NONE)
            a = re, b = im;
        else {
            const vec c = load(f + i * LANES);
            a = kind == REAL ? c * re : -c * im, b = kind == REAL ? c * im : c * re;
        }
        if (last) { /* i times the product of the bin n/2 */
            re = last[2 * i], im = last[2 * i + 1];
            if (kind == COMPLEX) {
                a -= g[2 * i] * im + g[2 * i + 1] * re;
                b += g[2 * i] * re - g[2 * i + 1] * im;
            } else if (kind == NONE)
                a -= im, b += re;
            else if (kind == REAL)
                a -= g[i] * im, b += g[i] * re;
            else
                a -= g[i] * re, b -= g[i] * im;
        }
        x[2 * t] = b, x[2 * t + 1] = a;
    }
}

/* Fields first … stop−1: products and columns along the first axis. */
static void NAME(first_back)(const Solid *h, int64_t first, int64_t stop, Passes *p)
{
    const int64_t n = h->s->size[0], step = 2 * h->plane, live = h->live[0], low = h->low[0];
    const vec *z = p->bins;
    for (int64_t j = 0, at = 0; j < h->live[1]; j++)
        for (int64_t b = 0; b < h->blocks[j]; b++, z += 2 * live, at += live) {
            const vec *last = b == 0 && h->nyquist ? p->last + 2 * j * live : 0;
            vec *to = p->between + 2 * (j * h->most + b);
            for (int64_t m = first; m < stop; m++, to += n * step) {
                const int kind = h->kinds[m];
                const int64_t per = kind == NONE ? 0 : kind == COMPLEX ? 2 : 1;
                const real *f = p->filters[m] + per * at * LANES;
                const real *g = p->filters[m] + per * (h->vectors * LANES + j * live);
                memset(p->x + 2 * low, 0, 2 * (n - live) * sizeof(vec));
                if (kind == REAL)
                    NAME(filtered)(h, z, last, f, g, REAL, p->x);
                else if (kind == IMAGINARY)
                    NAME(filtered)(h, z, last, f, g, IMAGINARY, p->x);
                else if (kind == COMPLEX)
                    NAME(filtered)(h, z, last, f, g, COMPLEX, p->x);
                else
                    NAME(filtered)(h, z, last, f, g, NONE, p->x);
                NAME(fft_apart)(h->s->fft[0], p->x, 2, to, step, p->y, p->t);
            }
        }
}

/* Columns along the second axis of a plane of a field, to rows. */
static void NAME(second_back)(const Solid *h, int64_t field, int64_t plane, Passes *p)
{
    const int64_t n = h->s->size[1], live = h->live[1], low = h->low[1], step = 2 * h->most;
    const vec *from = p->between + 2 * (field * h->s->size[0] + plane) * h->plane;
    for (int64_t b = 0; b < h->most; b++, from += 2) {
        const vec *x = from;
        int64_t all_live = live == n;
        for (int64_t j = 0; all_live && j < live; j++)
            all_live = b < h->blocks[j];
        if (!all_live) {
            x = p->x;
            memset(p->x, 0, 2 * n * sizeof(vec));
            for (int64_t j = 0; j < live; j++)
                if (b < h->blocks[j]) {
                    vec *to = p->x + 2 * (j < low ? j : n - live + j);
                    to[0] = from[j * step], to[1] = from[j * step + 1];
                }
        }
        NAME(fft_apart)(h->s->fft[1], x, all_live ? step : 2, p->rows + 2 * b, step, p->y, p->t);
    }
}

/* The pairs of rows of a group, and how many are not repetitions. */
typedef struct {
    int64_t a[LANES], b[LANES], count;
} NAME(Pairs);
#define Pairs NAME(Pairs)

static inline Pairs NAME(pairs)(const Solid *h, int64_t group)
{
    const int64_t n = h->s->size[1], first = group * LANES, left = (n + 1) / 2 - first;
    Pairs r = {.count = left < LANES ? left : LANES};
    for (int v = 0; v < LANES; v++) {
        r.a[v] = 2 * (v < r.count ? first + v : first);
        r.b[v] = r.a[v] + 1 < n ? r.a[v] + 1 : r.a[v];
    }
    return r;
}

/* A group of pairs of rows: samples of the second row in z[2k], of the first in z[2k+1]. */
static vec *NAME(third_back)(const Solid *h, const Pairs *r, Passes *p)
{
    const int64_t n = h->s->last, ready = h->most * LANES < h->columns ? h->most * LANES : h->columns;
    const vec half = all((real)0.5);
    vec *x = p->x;
    for (int64_t k = 0; k < h->most; k++) {
        const int64_t some = ready - k * LANES < LANES ? ready - k * LANES : LANES;
        vec s[LANES], t[LANES];
        for (int v = 0; v < LANES; v++) {
            const vec *a = p->rows + 2 * (r->a[v] * h->most + k), *b = p->rows + 2 * (r->b[v] * h->most + k);
            s[v] = b[1] + a[0], t[v] = b[1] - a[0];
        }
        turn(s), turn(t);
        for (int64_t v = 0; v < some; v++) {
            const int64_t at = k * LANES + v;
            x[2 * at] = s[v], x[2 * (at ? n - at : n)] = t[v];
        }
        for (int v = 0; v < LANES; v++) {
            const vec *a = p->rows + 2 * (r->a[v] * h->most + k), *b = p->rows + 2 * (r->b[v] * h->most + k);
            s[v] = a[1] - b[0], t[v] = a[1] + b[0];
        }
        turn(s), turn(t);
        for (int64_t v = 0; v < some; v++) {
            const int64_t at = k * LANES + v;
            x[2 * at + 1] = s[v], x[2 * (at ? n - at : n) + 1] = t[v];
        }
    }
    const vec i0 = x[0], r0 = x[1], i1 = x[2 * n], r1 = x[2 * n + 1];
    x[0] = (i0 + i1) * half, x[1] = (r0 + r1) * half;
    memset(x + 2 * ready, 0, 2 * (n - 2 * ready + 1) * sizeof(vec));
    if (h->nyquist)
        x[n] = (r1 - r0) * half, x[n + 1] = (i0 - i1) * half;
    return NAME(fft)(h->s->fft[2], x, p->y);
}

/* Lanes of pairs of rows to an array, or, `back`, from it. */
static void NAME(rows_of)(const Solid *h, const Pairs *r, int64_t plane, real *array, vec *z, int back)
{
    const int64_t n = h->s->last;
    real *a[LANES], *b[LANES];
    for (int v = 0; v < LANES; v++) {
        a[v] = array + (plane * h->s->size[1] + r->a[v]) * n;
        b[v] = array + (plane * h->s->size[1] + r->b[v]) * n;
    }
    if (back)
        NAME(gather)(b, n, z, 2), NAME(gather)(a, n, z + 1, 2);
    else /* the first one last: a row without a partner is its own */
        NAME(scatter)(b, r->count, n, z, 2), NAME(scatter)(a, r->count, n, z + 1, 2);
}
