/* Signals extended at their borders, or cropped: every sample of the result is one of the signal, or zero. */

typedef struct {
    int64_t ndim, size[3], padded[3];
    const int32_t *index[3]; /* where each sample of the result comes from, −1: zero; NULL: the axis stays as it is */
    int64_t per;             /* numbers of a sample */
} NAME(Padding);
#define Padding NAME(Padding)

static Padding NAME(padding)(int32_t ndim, const int64_t *size, const int64_t *padded, const int32_t *const *index, int64_t per)
{
    Padding p = {.ndim = ndim, .per = per};
    for (int k = 0; k < ndim; k++)
        p.size[k] = size[k], p.padded[k] = padded[k], p.index[k] = index[k];
    return p;
}

/* The row of the signal that row m of `outer` of the result comes from, or −1. */
static int64_t NAME(padded_row)(const Padding *t, int64_t m, int64_t outer)
{
    int64_t at = 0;
    for (int k = 0; k < t->ndim - 1 && at >= 0; k++) {
        outer /= t->padded[k];
        const int64_t i = t->index[k] ? t->index[k][m / outer] : m / outer;
        at = i < 0 ? -1 : at * t->size[k] + i;
        m %= outer;
    }
    return at;
}

/* Numbers of a signal, or, `padded`, of a result. */
static int64_t NAME(extent)(const Padding *t, int padded)
{
    int64_t n = t->per;
    for (int k = 0; k < t->ndim; k++)
        n *= padded ? t->padded[k] : t->size[k];
    return n;
}

/* Rows of a result. */
static int64_t NAME(padded_rows)(const Padding *t) { return NAME(extent)(t, 1) / (t->padded[t->ndim - 1] * t->per); }

/* Rows first … stop−1 of y. */
static void NAME(pad)(const Padding *t, const real *x, real *y, int64_t first, int64_t stop)
{
    const int d = (int)t->ndim - 1;
    const int64_t per = t->per, width = t->padded[d] * per, outer = NAME(padded_rows)(t);
    const int32_t *index = t->index[d];
    y += first * width;
    for (int64_t m = first; m < stop; m++, y += width) {
        const int64_t at = NAME(padded_row)(t, m, outer);
        const real *from = x + at * t->size[d] * per;
        if (at < 0)
            memset(y, 0, width * sizeof(real));
        else if (!index)
            memcpy(y, from, width * sizeof(real));
        else
            for (int64_t c = 0; c < width; c++)
                y[c] = index[c / per] < 0 ? 0 : from[index[c / per] * per + c % per];
    }
}

/* The adjoint. */
static void NAME(pad_vjp)(const Padding *t, const real *y, real *x)
{
    const int d = (int)t->ndim - 1;
    const int64_t per = t->per, width = t->padded[d] * per, outer = NAME(padded_rows)(t);
    const int32_t *index = t->index[d];
    memset(x, 0, NAME(extent)(t, 0) * sizeof(real));
    for (int64_t m = 0; m < outer; m++, y += width) {
        const int64_t at = NAME(padded_row)(t, m, outer);
        for (int64_t c = 0; at >= 0 && c < width; c++) {
            const int64_t i = index ? index[c / per] : c / per;
            if (i >= 0)
                x[(at * t->size[d] + i) * per + c % per] += y[c];
        }
    }
}
