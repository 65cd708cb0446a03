/* x^q of numbers in order, and its gradients. Without `sign` x is not negative; with it, it is x^q for whole q and |x|^q
 * for others. The derivative is 0 where x = 0 and q < 1: it has no bound there. */

#define WHOLE 16 /* the largest power that is a product */

static inline __attribute__((always_inline)) real NAME(product)(real x, int q)
{
    real y = 1;
    for (; q; q /= 2, x *= x)
        if (q % 2)
            y *= x;
    return y;
}

static void NAME(power)(double q, int sign, const real *x, real *out, int64_t first, int64_t stop)
{
    const int sizes = sign && (q < 1 || q != floor(q)); /* |x| is meant */
    if (q == 0.5)
        for (int64_t k = first; k < stop; k++)
            out[k] = SQRT(sizes ? ABS(x[k]) : x[k]);
    else if (q == 1)
        memmove(out + first, x + first, (stop - first) * sizeof(real));
    else if (q == 2)
        for (int64_t k = first; k < stop; k++)
            out[k] = x[k] * x[k];
    else if (q > 0 && q <= WHOLE && q == floor(q))
        for (int64_t k = first; k < stop; k++)
            out[k] = NAME(product)(x[k], (int)q);
    else
        for (int64_t k = first; k < stop; k++)
            out[k] = POW(sizes ? ABS(x[k]) : x[k], (real)q);
}

static void NAME(power_vjp)(double q, int sign, const real *x, const real *grad, real *out, int64_t first, int64_t stop)
{
    const int sizes = sign && (q < 1 || q != floor(q));
    const real by = (real)q;
    if (q == 0.5)
        for (int64_t k = first; k < stop; k++) {
            const real root = SQRT(sizes ? ABS(x[k]) : x[k]), slope = (sizes && x[k] < 0 ? -by : by) / root;
            out[k] = x[k] == 0 ? 0 : grad[k] * slope;
        }
    else if (q == 1)
        memmove(out + first, grad + first, (stop - first) * sizeof(real));
    else if (q == 2)
        for (int64_t k = first; k < stop; k++)
            out[k] = grad[k] * by * x[k];
    else if (q > 0 && q <= WHOLE && q == floor(q))
        for (int64_t k = first; k < stop; k++)
            out[k] = grad[k] * by * NAME(product)(x[k], (int)q - 1);
    else
        for (int64_t k = first; k < stop; k++) {
            const real slope = by * POW(sizes ? ABS(x[k]) : x[k], (real)(q - 1));
            out[k] = x[k] == 0 && q < 1 ? 0 : grad[k] * (sizes && x[k] < 0 ? -slope : slope);
        }
}
