/* Signals extended at their borders, and the adjoint. */

typedef struct {
    int64_t ndim, size[3], padded[3];
    const int32_t *index[3]; /* where each padded sample comes from, −1: zero; NULL: the axis is not padded */
} NAME(Padding);
#define Padding NAME(Padding)

static Padding NAME(padding)(int32_t ndim, const int64_t *size, const int64_t *padded, const int32_t *const *index)
{
    Padding p = {.ndim = ndim};
    for (int k = 0; k < ndim; k++)
        p.size[k] = size[k], p.padded[k] = padded[k], p.index[k] = index[k];
    return p;
}

/* One signal, padded. */
static void NAME(pad)(const Padding *t, const real *x, real *y)
{
    const int d = (int)t->ndim - 1;
    int64_t outer = 1;
    for (int k = 0; k < d; k++)
        outer *= t->padded[k];
    for (int64_t m = 0; m < outer; m++, y += t->padded[d]) {
        int64_t at = 0, left = m, share = outer;
        for (int k = 0; k < d && at >= 0; k++) {
            share /= t->padded[k];
            const int64_t i = t->index[k] ? t->index[k][left / share] : left / share;
            at = i < 0 ? -1 : at * t->size[k] + i;
            left %= share;
        }
        const int32_t *index = t->index[d];
        if (at < 0)
            memset(y, 0, t->padded[d] * sizeof(real));
        else if (!index)
            memcpy(y, x + at * t->size[d], t->size[d] * sizeof(real));
        else
            for (int64_t c = 0; c < t->padded[d]; c++)
                y[c] = index[c] < 0 ? 0 : x[at * t->size[d] + index[c]];
    }
}

/* The adjoint of padding. */
static void NAME(pad_vjp)(const Padding *t, const real *y, real *x)
{
    const int d = (int)t->ndim - 1;
    int64_t outer = 1, size = t->size[d];
    for (int k = 0; k < d; k++)
        outer *= t->padded[k], size *= t->size[k];
    memset(x, 0, size * sizeof(real));
    for (int64_t m = 0; m < outer; m++, y += t->padded[d]) {
        int64_t at = 0, left = m, share = outer;
        for (int k = 0; k < d && at >= 0; k++) {
            share /= t->padded[k];
            const int64_t i = t->index[k] ? t->index[k][left / share] : left / share;
            at = i < 0 ? -1 : at * t->size[k] + i;
            left %= share;
        }
        const int32_t *index = t->index[d];
        for (int64_t c = 0; at >= 0 && c < t->padded[d]; c++) {
            const int64_t i = index ? index[c] : c;
            if (i >= 0)
                x[at * t->size[d] + i] += y[c];
        }
    }
}
