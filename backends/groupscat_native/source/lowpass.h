/* Averages at some samples of periodic axes: every output is a short sum, y_o = Σ_t w_{o,t} x(start_o + t). */

/* One axis: n samples to `count` outputs of `taps` each; `step`: weights from output to output, 0 where all are alike. */
typedef struct {
    int64_t n, count, taps, step;
    const int32_t *start;
    const real *weights;
    int64_t most;        /* the same by samples, for the adjoint: `most` outputs that each one goes to */
    const int32_t *into;
    const real *shares;
} NAME(Band);
#define Band NAME(Band)

/* Sums along the last axis of one line, extended by `taps` samples: lanes are taps. */
static void NAME(line)(const Band *b, const real *x, real *out)
{
    int64_t o = 0;
    for (; !b->step && o + 8 <= b->count; o += 8) { /* eight sums share their weights and hide each other's latency */
        vec sum[8];
        for (int i = 0; i < 8; i++)
            sum[i] = (vec){0};
        for (int64_t t = 0; t < b->taps; t += LANES) {
            const vec w = load(b->weights + t);
            for (int i = 0; i < 8; i++)
                sum[i] += w * load(x + b->start[o + i] + t);
        }
        for (int i = 0; i < 8; i++) {
            real total = 0;
            for (int v = 0; v < LANES; v++)
                total += sum[i][v];
            out[o + i] = total;
        }
    }
    for (; o < b->count; o++) {
        const real *p = x + b->start[o], *w = b->weights + o * b->step;
        vec s = {0}, u = {0};
        int64_t t = 0;
        for (; t + 2 * LANES <= b->taps; t += 2 * LANES)
            s += load(w + t) * load(p + t), u += load(w + t + LANES) * load(p + t + LANES);
        for (; t < b->taps; t += LANES)
            s += load(w + t) * load(p + t);
        s += u;
        real a = 0;
        for (int v = 0; v < LANES; v++)
            a += s[v];
        out[o] = a;
    }
}

/* One output of `across` for `width` vectors at x. */
static inline __attribute__((always_inline)) void NAME(across_some)(const Band *b, int64_t o, const real *x, real *out,
                                                                    int64_t inner, const int width)
{
    const real *w = b->weights + o * b->step;
    vec s[8];
    for (int i = 0; i < width; i++)
        s[i] = (vec){0};
    int64_t t = 0, k = b->start[o];
    while (t < b->taps) {
        const int64_t run = b->n - k < b->taps - t ? b->n - k : b->taps - t;
        const real *p = x + k * inner;
        for (const int64_t stop = t + run; t < stop; t++, p += inner) {
            const vec c = all(w[t]);
            for (int i = 0; i < width; i++)
                s[i] += c * load(p + i * LANES);
        }
        k = 0;
    }
    for (int i = 0; i < width; i++)
        store(out + o * inner + i * LANES, s[i]);
}

/* Sums along an axis that is not the last: `inner` contiguous numbers at a time. */
static void NAME(across)(const Band *b, const real *x, real *out, int64_t inner)
{
    if (inner < LANES) {
        for (int64_t o = 0; o < b->count; o++)
            for (int64_t i = 0; i < inner; i++) {
                real s = 0;
                for (int64_t t = 0; t < b->taps; t++)
                    s += b->weights[o * b->step + t] * x[(b->start[o] + t) % b->n * inner + i];
                out[o * inner + i] = s;
            }
        return;
    }
    for (int64_t i = 0; i < inner;) {
        if (inner - i >= 8 * LANES) {
            for (int64_t o = 0; o < b->count; o++)
                NAME(across_some)(b, o, x + i, out + i, inner, 8);
            i += 8 * LANES;
        } else if (inner - i >= 4 * LANES) {
            for (int64_t o = 0; o < b->count; o++)
                NAME(across_some)(b, o, x + i, out + i, inner, 4);
            i += 4 * LANES;
        } else if (inner - i >= 2 * LANES) {
            for (int64_t o = 0; o < b->count; o++)
                NAME(across_some)(b, o, x + i, out + i, inner, 2);
            i += 2 * LANES;
        } else {
            i = inner - i < LANES ? inner - LANES : i; /* some are computed twice */
            for (int64_t o = 0; o < b->count; o++)
                NAME(across_some)(b, o, x + i, out + i, inner, 1);
            i += LANES;
        }
    }
}

/* Samples behind the last one that the sums of an axis read: the first ones again. */
static int64_t NAME(beyond)(const Band *b)
{
    int64_t reach = 0;
    for (int64_t o = 0; o < b->count; o++)
        reach = b->start[o] + b->taps > reach ? b->start[o] + b->taps : reach;
    return reach > b->n ? reach - b->n : 0;
}

/* Sums of the rows in lanes, whose samples are `stride` vectors apart; there is room for those `beyond`. */
static inline __attribute__((always_inline)) void NAME(sums)(const Band *b, int64_t beyond, vec *lanes, const int stride,
                                                             vec *result)
{
    for (int64_t k = 0; k < beyond; k++)
        lanes[(b->n + k) * stride] = lanes[k % b->n * stride];
    int64_t o = 0;
    for (; !b->step && o + 8 <= b->count; o += 8) { /* eight outputs share their weights */
        vec sum[8];
        for (int i = 0; i < 8; i++)
            sum[i] = (vec){0};
        for (int64_t k = 0; k < b->taps; k++) {
            const vec w = all(b->weights[k]);
            for (int i = 0; i < 8; i++)
                sum[i] += w * lanes[(b->start[o + i] + k) * stride];
        }
        for (int i = 0; i < 8; i++)
            result[o + i] = sum[i];
    }
    for (; o + 4 <= b->count; o += 4) {
        const vec *p0 = lanes + b->start[o] * stride, *p1 = lanes + b->start[o + 1] * stride;
        const vec *p2 = lanes + b->start[o + 2] * stride, *p3 = lanes + b->start[o + 3] * stride;
        const real *w = b->weights + o * b->step;
        const int64_t step = b->step;
        vec s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
        for (int64_t k = 0; k < b->taps; k++) {
            const int64_t at = k * stride;
            s0 += p0[at] * w[k], s1 += p1[at] * w[k + step], s2 += p2[at] * w[k + 2 * step], s3 += p3[at] * w[k + 3 * step];
        }
        result[o] = s0, result[o + 1] = s1, result[o + 2] = s2, result[o + 3] = s3;
    }
    for (; o < b->count; o++) {
        const vec *p = lanes + b->start[o] * stride;
        const real *w = b->weights + o * b->step;
        vec s = {0};
        for (int64_t k = 0; k < b->taps; k++)
            s += p[k * stride] * w[k];
        result[o] = s;
    }
}

/* Rows in lanes: sums along the last axis of `rows` rows. */
static void NAME(rows_last)(const Band *b, real *x, real *out, int64_t rows, vec *lanes, vec *result)
{
    const int64_t beyond = NAME(beyond)(b);
    for (int64_t r = 0; r < rows; r += LANES) {
        real *from[LANES], *to[LANES];
        const int64_t count = rows - r < LANES ? rows - r : LANES;
        for (int v = 0; v < LANES; v++) {
            const int64_t at = v < count ? r + v : r;
            from[v] = x + at * b->n, to[v] = out + at * b->count;
        }
        NAME(gather)(from, b->n, lanes, 1);
        NAME(sums)(b, beyond, lanes, 1, result);
        NAME(scatter)(to, count, b->count, result, 1);
    }
}

/* Numbers of the largest result of `across_others`. */
static int64_t NAME(room)(int ndim, const Band *b, int64_t width)
{
    int64_t left = width, room = 0;
    for (int k = 0; k < ndim - 1; k++)
        left *= b[k].n;
    for (int k = 0; k < ndim - 1; k++) {
        left = left / b[k].n * b[k].count;
        room = left > room ? left : room;
    }
    return room;
}

/* Sums along all axes but the last, which is `width` long: where the result is, x or one of two buffers. */
static real *NAME(across_others)(int ndim, const Band *b, real *x, int64_t width, real *const *buffer)
{
    int64_t outer = 1, inner = width;
    for (int k = 0; k < ndim - 1; k++)
        inner *= b[k].n;
    for (int k = 0; k < ndim - 1; k++) {
        inner /= b[k].n;
        for (int64_t o = 0; o < outer; o++)
            NAME(across)(b + k, x + o * b[k].n * inner, buffer[k % 2] + o * b[k].count * inner, inner);
        x = buffer[k % 2];
        outer *= b[k].count;
    }
    return x;
}

/* Arrays first … stop−1 of `ndim` axes averaged along all of them. */
static int NAME(lowpass)(int ndim, const Band *b, real *in, real *out, int64_t first, int64_t stop)
{
    int64_t total = 1, outputs = 1, rows = 1;
    for (int k = 0; k < ndim; k++)
        total *= b[k].n, outputs *= b[k].count;
    for (int k = 0; k < ndim - 1; k++)
        rows *= b[k].count;
    const Band *last = b + ndim - 1;
    const int64_t room = NAME(room)(ndim, b, last->n);
    const int64_t lanes = (last->n + last->taps + 2 + (ndim > 1 ? last->count : 0)) * (ndim > 1 ? LANES : 1) + LANES;
    const Mark before = mark();
    real *memory = take((2 * room + lanes + LANES) * sizeof(real));
    if (!memory)
        return 0;
    real *buffer[2] = {memory + lanes, memory + lanes + room};
    for (int64_t a = first; a < stop; a++) {
        real *x = in + a * total;
        if (ndim == 1) {
            memcpy(memory, x, total * sizeof(real));
            for (int64_t k = 0; k < last->taps; k++)
                memory[total + k] = x[k % total];
            NAME(line)(last, memory, out + a * outputs);
            continue;
        }
        x = NAME(across_others)(ndim, b, x, last->n, buffer);
        NAME(rows_last)(last, x, out + a * outputs, rows, (vec *)memory, (vec *)memory + last->n + last->taps);
    }
    give_back(before);
    return 1;
}

/* ----------------------------------------------------------------------------- the adjoint of averaging */

/* Gradients of one line from those of its averages; x has room for `taps` samples more. */
static void NAME(line_vjp)(const Band *b, real *x, const real *grad)
{
    memset(x, 0, (b->n + b->taps) * sizeof(real));
    for (int64_t o = 0; o < b->count; o++) {
        real *p = x + b->start[o];
        const real *w = b->weights + o * b->step;
        const vec g = all(grad[o]);
        for (int64_t t = 0; t < b->taps; t += LANES)
            store(p + t, load(p + t) + g * load(w + t));
    }
    for (int64_t k = 0; k < b->taps; k++)
        x[k % b->n] += x[b->n + k];
}

/* Sample k of `across_vjp` for `width` vectors at grad. */
static inline __attribute__((always_inline)) void NAME(spread_some)(const Band *b, int64_t k, real *x, const real *grad,
                                                                    int64_t inner, const int width)
{
    const int32_t *into = b->into + k * b->most;
    const real *w = b->shares + k * b->most;
    vec s[4];
    for (int i = 0; i < width; i++)
        s[i] = (vec){0};
    for (int64_t t = 0; t < b->most; t++) {
        const real *p = grad + into[t] * inner;
        const vec c = all(w[t]);
        for (int i = 0; i < width; i++)
            s[i] += c * load(p + i * LANES);
    }
    for (int i = 0; i < width; i++)
        store(x + k * inner + i * LANES, s[i]);
}

static void NAME(across_vjp)(const Band *b, real *x, const real *grad, int64_t inner)
{
    for (int64_t k = 0; k < b->n; k++) {
        int64_t i = 0;
        for (; i + 4 * LANES <= inner; i += 4 * LANES)
            NAME(spread_some)(b, k, x + i, grad + i, inner, 4);
        for (; i + LANES <= inner; i += LANES)
            NAME(spread_some)(b, k, x + i, grad + i, inner, 1);
        for (; i < inner; i++) {
            real s = 0;
            for (int64_t t = 0; t < b->most; t++)
                s += b->shares[k * b->most + t] * grad[b->into[k * b->most + t] * inner + i];
            x[k * inner + i] = s;
        }
    }
}

/* Rows in lanes: gradients of samples from those of their sums. */
static inline void NAME(sums_vjp)(const Band *b, const vec *sums, vec *lanes)
{
    const int32_t *into = b->into;
    const real *w = b->shares;
    for (int64_t k = 0; k < b->n; k++, into += b->most, w += b->most) {
        vec s = {0};
        for (int64_t t = 0; t < b->most; t++)
            s += sums[into[t]] * w[t];
        lanes[k] = s;
    }
}

static void NAME(rows_last_vjp)(const Band *b, real *x, real *grad, int64_t rows, vec *lanes, vec *result)
{
    for (int64_t r = 0; r < rows; r += LANES) {
        real *from[LANES], *to[LANES];
        const int64_t count = rows - r < LANES ? rows - r : LANES;
        for (int v = 0; v < LANES; v++) {
            const int64_t at = v < count ? r + v : r;
            to[v] = x + at * b->n, from[v] = grad + at * b->count;
        }
        NAME(gather)(from, b->count, result, 1);
        NAME(sums_vjp)(b, result, lanes);
        NAME(scatter)(to, count, b->n, lanes, 1);
    }
}

/* Gradients along all axes but the last, which is `width` long, from those of sums: to x, by way of two buffers. */
static void NAME(across_others_vjp)(int ndim, const Band *b, real *x, real *grad, int64_t width, real *const *buffer)
{
    int64_t outer = 1, inner = width;
    for (int k = 0; k < ndim - 1; k++)
        outer *= b[k].count;
    for (int k = ndim - 2; k >= 0; k--) {
        outer /= b[k].count;
        real *to = k ? buffer[k % 2] : x;
        for (int64_t o = 0; o < outer; o++)
            NAME(across_vjp)(b + k, to + o * b[k].n * inner, grad + o * b[k].count * inner, inner);
        inner *= b[k].n;
        grad = to;
    }
}

/* Of more axes than one the bands need what the adjoint reads. */
static int NAME(lowpass_vjp)(int ndim, const Band *b, real *grad, real *out, int64_t first, int64_t stop)
{
    int64_t total = 1, outputs = 1, room = 0, rows = 1;
    for (int k = 0; k < ndim; k++)
        total *= b[k].n, outputs *= b[k].count;
    const Band *last = b + ndim - 1;
    int64_t left = outputs / last->count * last->n;
    for (int k = ndim - 2; k >= 0; k--) {
        room = left > room ? left : room;
        left = left / b[k].count * b[k].n;
        rows *= b[k].count;
    }
    room += 2 * LANES;
    const int64_t lanes = (last->n + last->taps + 2 + (ndim > 1 ? last->count : 0)) * (ndim > 1 ? LANES : 1) + LANES;
    const Mark before = mark();
    real *memory = take((2 * room + lanes + LANES) * sizeof(real));
    if (!memory)
        return 0;
    real *buffer[2] = {memory + lanes, memory + lanes + room};
    for (int64_t a = first; a < stop; a++) {
        real *to = out + a * total;
        if (ndim == 1) {
            NAME(line_vjp)(last, memory, grad + a * outputs);
            memcpy(to, memory, total * sizeof(real));
            continue;
        }
        NAME(rows_last_vjp)(last, buffer[0], grad + a * outputs, rows, (vec *)memory,
                            (vec *)memory + last->n + last->taps);
        NAME(across_others_vjp)(ndim, b, to, buffer[0], last->n, buffer);
    }
    give_back(before);
    return 1;
}
