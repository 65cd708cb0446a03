/* Moduli of responses while their rows are at hand: their averages, and half spectra in the place of the responses. As
 * arrays they are never written down. Source: Mallat 2016, eq. 16. */

/* Memory for rows of arrays side by side. */
typedef struct {
    vec *h, *sums; /* moduli of a pair of rows in turn, and the samples `beyond`; their averages along the last axis */
    real *v;       /* these averages of all rows, those of one row of all arrays side by side */
    int64_t some, inner, beyond; /* arrays; numbers from row to row of v; see `beyond` */
} NAME(Moduli);
#define Moduli NAME(Moduli)

/* The memory for lanes; 0 where there is none. */
static int NAME(moduli_lanes)(const Shape *s, const Band *last, int64_t some, Moduli *m)
{
    m->some = some, m->beyond = NAME(beyond)(last);
    m->inner = some * last->count < LANES ? LANES : some * last->count; /* `across` is slow on less */
    m->h = take(2 * (s->last + m->beyond) * sizeof(vec));
    m->sums = m->h ? take(last->count * sizeof(vec)) : 0;
    return m->sums != 0;
}

/* And the one for averages. */
static int NAME(moduli_plane)(const Shape *s, Moduli *m)
{
    m->v = take(s->rows * m->inner * sizeof(real));
    if (m->v && m->inner == LANES) /* not all are used: the others are no denormal numbers either, which are slow */
        memset(m->v, 0, s->rows * m->inner * sizeof(real));
    return m->v != 0;
}

/* What `moduli_of_rows` counts: pairs of rows where half spectra are made, or rows. */
static int64_t NAME(moduli_units)(const Shape *s, int64_t some, int deeper)
{
    return some * (deeper ? (s->rows + 1) / 2 : s->rows);
}

/* Rows of responses in a buffer to averages of their moduli along the last axis and, `deeper`, to half spectra of these
 * rows, n/2 + 1 bins of each array side by side as `half_spectra` has them: a row of the buffer only gets what comes from
 * it, and never beyond what was read. */
static void NAME(moduli_of_rows)(const Shape *s, const Band *last, Work *w, const Moduli *m, int deeper, int64_t first, int64_t stop)
{
    const int64_t n = s->last, half = n / 2 + 1, each = (s->rows + 1) / 2;
    const int groups = deeper ? 2 : 1;
    for (int64_t u = first; u < stop; u += LANES) {
        Group g[2];
        if (deeper)
            for (int v = 0; v < LANES; v++) { /* a row without a partner is its own */
                const int64_t pair = u + v < stop ? u + v : u, i = pair % each * 2;
                g[0].row[v] = i, g[1].row[v] = i + 1 < s->rows ? i + 1 : i;
                g[0].array[v] = g[1].array[v] = pair / each;
            }
        else
            g[0] = NAME(group)(u, s->rows, stop);
        g[0].count = g[1].count = stop - u < LANES ? stop - u : LANES;
        for (int k = 0; k < groups; k++) {
            const vec *z = NAME(rows_back)(s, g + k, w->re, w->im, w->wide, w->x, w->y);
            for (int64_t i = 0; i < n; i++)
                m->h[2 * i + k] = root(z[2 * i] * z[2 * i] + z[2 * i + 1] * z[2 * i + 1]);
            NAME(sums)(last, m->beyond, m->h + k, 2, m->sums);
            real *to[LANES];
            for (int v = 0; v < LANES; v++)
                to[v] = m->v + g[k].row[v] * m->inner + g[k].array[v] * last->count;
            NAME(scatter)(to, g[k].count, last->count, m->sums, 1);
        }
        if (!deeper)
            continue;
        const vec *z = NAME(fft)(s->fft[s->ndim - 1], m->h, w->y);
        NAME(halves)(z, n, w->x);
        for (int k = 1; k >= 0; k--) {
            real *re[LANES], *im[LANES];
            for (int v = 0; v < LANES; v++) {
                const int64_t at = g[k].row[v] * w->wide + g[k].array[v] * half;
                re[v] = w->re + at, im[v] = w->im + at;
            }
            NAME(scatter)(re, g[k].count, half, w->x + 2 * k, 4);
            NAME(scatter)(im, g[k].count, half, w->x + 2 * k + 1, 4);
        }
    }
}
