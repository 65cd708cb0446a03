/* Everything for one type of numbers: `real`, its NAME, its SQRT, ABS and POW, and GS_LANES of them in a vector. */

#include "lanes.h"
#include "fft.h"
#include "transform.h"
#include "bandpass.h"
#include "spectrum.h"
#include "lowpass.h"
#include "harmonic.h"
#include "power.h"
#include "tree.h"
#include "along.h"

EXPORT Shape *EXPORTED(shape_new)(int32_t ndim, const int64_t *size) { return NAME(shape_new)(ndim, size); }

EXPORT int64_t EXPORTED(shape_rows)(const Shape *s) { return s->rows; }

EXPORT void EXPORTED(shape_free)(Shape *s) { NAME(shape_free)(s); }

/* axes: ndim times (full, size, fold). Pairs first … stop−1. */
EXPORT int32_t EXPORTED(bandpass)(Stack *memory, const Shape *s, int32_t ndim, const int64_t *axes, const int32_t *bins,
                                  const real *filters, int64_t count, int64_t stride, real *spectra, real *out,
                                  int32_t result, int64_t first, int64_t stop)
{
    stack = memory;
    const Block b = NAME(block)(s, ndim, axes, bins, 0, filters, count, stride);
    return NAME(bandpass)(&b, spectra, out, result, first, stop);
}

EXPORT int32_t EXPORTED(bandpass_vjp)(Stack *memory, const Shape *s, int32_t ndim, const int64_t *axes, const int32_t *bins,
                                      const real *filters, int64_t count, int64_t stride, real *spectra, real *grad,
                                      real *out, int32_t result, int64_t first, int64_t stop)
{
    stack = memory;
    const Block b = NAME(block)(s, ndim, axes, bins, 0, filters, count, stride);
    return NAME(bandpass_vjp)(&b, spectra, grad, out, result, first, stop);
}

/* Real arrays first … stop−1; of signals, pairs of them. */
EXPORT int32_t EXPORTED(spectrum)(Stack *memory, const Shape *s, real *in, real *out, int64_t together, int64_t first,
                                  int64_t stop)
{
    stack = memory;
    return s->signal ? NAME(spectrum_signals)(s, in, out, together, first, stop)
                     : NAME(spectrum_planes)(s, in, out, first, stop);
}

EXPORT int32_t EXPORTED(transform)(Stack *memory, const Shape *s, real *in, real *out, int32_t back, int64_t first, int64_t stop)
{
    stack = memory;
    return NAME(transform)(s, in, out, back, first, stop);
}

EXPORT int64_t EXPORTED(lanes)(void) { return LANES; }

/* Rows first … stop−1 of `spectra`, whole ones of real arrays of three axes; the tables: what `solid` says. kept: NULL, or
 * harmonic_kept numbers for each row, aligned to 64 bytes, for the gradient. */
EXPORT int32_t EXPORTED(harmonic)(Stack *memory, const Shape *s, const int64_t *numbers, const int32_t *blocks,
                                  const int32_t *kinds, const real *filters, const real *spectra, real *out, real *kept,
                                  int64_t first, int64_t stop)
{
    stack = memory;
    const Solid h = NAME(solid)(s, numbers, blocks, kinds, filters);
    return NAME(harmonic)(&h, spectra, out, kept, first, stop);
}

/* Gradients by the spectra: what spectra of real arrays see of them. mode: ADD to `out`, write HALF of it. */
EXPORT int32_t EXPORTED(harmonic_vjp)(Stack *memory, const Shape *s, const int64_t *numbers, const int32_t *blocks,
                                      const int32_t *kinds, const real *filters, const real *spectra, real *grad,
                                      real *out, const real *kept, int32_t mode, int64_t first, int64_t stop)
{
    stack = memory;
    const Solid h = NAME(solid)(s, numbers, blocks, kinds, filters);
    return NAME(harmonic_vjp)(&h, spectra, grad, out, kept, mode, first, stop);
}

/* Real arrays first … stop−1 of three axes, from half of their spectra. */
EXPORT int32_t EXPORTED(real_back)(Stack *memory, const Shape *s, const real *spectra, real *out, int64_t first, int64_t stop)
{
    stack = memory;
    return NAME(real_back)(s, spectra, out, first, stop);
}

EXPORT int64_t EXPORTED(harmonic_kept)(const Shape *s, const int64_t *numbers, const int32_t *blocks)
{
    const Solid h = NAME(solid)(s, numbers, blocks, 0, 0);
    return NAME(harmonic_kept)(&h);
}

/* x^q of the numbers first … stop−1; `sign`: of x that may be negative, else of |x| where q is not whole. */
EXPORT int32_t EXPORTED(power)(Stack *memory, double q, int32_t sign, const real *x, real *out, int64_t first, int64_t stop)
{
    (void)memory;
    NAME(power)(q, sign, x, out, first, stop);
    return 1;
}

EXPORT int32_t EXPORTED(power_vjp)(Stack *memory, double q, int32_t sign, const real *x, const real *grad, real *out,
                                   int64_t first, int64_t stop)
{
    (void)memory;
    NAME(power_vjp)(q, sign, x, grad, out, first, stop);
    return 1;
}

static void NAME(bands)(int ndim, const int64_t *axes, const int32_t *const *starts, const real *const *weights, Band *b)
{
    for (int k = 0; k < ndim; k++)
        b[k] = (Band){axes[4 * k], axes[4 * k + 1], axes[4 * k + 2], axes[4 * k + 3],
                      starts[k], weights[k]};
}

/* axes: ndim times (n, count, taps, step); starts and weights: of each axis. */
EXPORT int32_t EXPORTED(lowpass)(Stack *memory, int32_t ndim, const int64_t *axes, const int32_t *const *starts,
                                 const real *const *weights, real *in, real *out, int64_t first, int64_t stop)
{
    stack = memory;
    Band b[3];
    NAME(bands)(ndim, axes, starts, weights, b);
    return NAME(lowpass)(ndim, b, in, out, first, stop);
}

EXPORT int32_t EXPORTED(lowpass_vjp)(Stack *memory, int32_t ndim, const int64_t *axes, const int32_t *const *starts,
                                     const real *const *weights, real *grad, real *out, int64_t first, int64_t stop)
{
    stack = memory;
    Band b[3];
    NAME(bands)(ndim, axes, starts, weights, b);
    return NAME(lowpass_vjp)(ndim, b, grad, out, first, stop);
}

/* A tree of `nodes` and `edges`; they are described one by one below. NULL where memory ran out. */
EXPORT void *EXPORTED(tree_new)(int32_t ndim, const int64_t *size, const int64_t *padded, const int32_t *const *index,
                                int64_t outputs, int64_t rows, int64_t nodes, int64_t edges)
{
    Tree *t = calloc(1, sizeof *t);
    if (!t)
        return 0;
    t->nodes = calloc(nodes, sizeof *t->nodes), t->edges = calloc(edges + 1, sizeof *t->edges);
    t->count = edges, t->ndim = ndim, t->outputs = outputs, t->rows = rows;
    for (int k = 0; k < ndim; k++)
        t->size[k] = size[k], t->padded[k] = padded[k], t->index[k] = index[k];
    if (t->nodes && t->edges)
        return t;
    free(t->nodes), free(t->edges), free(t);
    return 0;
}

EXPORT void EXPORTED(tree_free)(Tree *t)
{
    for (int64_t e = 0; t && e < t->count; e++)
        free((void *)t->edges[e].block.aliases);
    if (t)
        free(t->nodes), free(t->edges), free(t);
}

EXPORT void EXPORTED(tree_node)(Tree *t, int64_t at, const Shape *s, int64_t first, int64_t blocks, const int32_t *rows,
                                int32_t ndim, const int64_t *axes, const int32_t *const *starts,
                                const real *const *weights)
{
    Node *n = t->nodes + at;
    n->shape = s, n->first = first, n->blocks = blocks, n->rows = rows, n->ndim = ndim;
    NAME(bands)(ndim, axes, starts, weights, n->bands);
}

EXPORT int32_t EXPORTED(tree_edge)(Tree *t, int64_t at, int64_t node, const Shape *s, int32_t ndim, const int64_t *axes,
                                const int32_t *bins, const int32_t *live, const real *filters, int64_t count,
                                int64_t stride)
{
    Block *b = &t->edges[at].block;
    *b = NAME(block)(s, ndim, axes, bins, live, filters, count, stride);
    int32_t *table = malloc(s->rows * b->blocks * sizeof *table);
    if (table)
        NAME(aliases)(b, table);
    b->aliases = table;
    t->edges[at].node = node;
    return table != 0;
}

EXPORT int32_t EXPORTED(tree)(Stack *memory, const Tree *t, real *x, real *out, int64_t first, int64_t stop, int64_t part,
                              int64_t parts)
{
    stack = memory;
    return NAME(tree)(t, x, out, first, stop, part, parts);
}

/* Gradients of signals to `out`, of which every part fills its own. */
EXPORT int32_t EXPORTED(tree_vjp)(Stack *memory, const Tree *t, real *x, real *grad, real *out, int64_t first, int64_t stop,
                                  int64_t part, int64_t parts)
{
    stack = memory;
    return NAME(tree_vjp)(t, x, grad, out, first, stop, part, parts);
}

/* sizes: parts, rows, samples, filters, planar, outputs, spins, first spin. */
static Along NAME(along_of)(const int64_t *sizes, const real *psi, const int32_t *live, const real *average,
                            const int32_t *average_live)
{
    return (Along){.parts = sizes[0], .rows = sizes[1], .samples = sizes[2], .psi = psi, .live = live,
                   .filters = sizes[3], .planar = sizes[4], .average = average,
                   .average_live = average_live, .outputs = sizes[5], .spins = sizes[6],
                   .spin = sizes[7]};
}

EXPORT int32_t EXPORTED(along)(Stack *memory, const int64_t *sizes, const real *psi, const int32_t *live, const real *average,
                               const int32_t *average_live, const real *x, real *out, int64_t first, int64_t stop)
{
    stack = memory;
    const Along a = NAME(along_of)(sizes, psi, live, average, average_live);
    return NAME(along)(&a, x, out, first, stop);
}

EXPORT int32_t EXPORTED(along_vjp)(Stack *memory, const int64_t *sizes, const real *psi, const int32_t *live, const real *average,
                                   const int32_t *average_live, const real *x, const real *grad, real *out,
                                   int64_t first, int64_t stop)
{
    stack = memory;
    const Along a = NAME(along_of)(sizes, psi, live, average, average_live);
    return NAME(along_vjp)(&a, x, grad, out, first, stop);
}

#undef LANES
#undef vec
#undef loose
#undef load
#undef store
#undef all
#undef root
#undef turn
#undef LOW
#undef HIGH
#undef EVEN
#undef ODD
#undef REVERSE
#undef Fft
#undef Work
#undef Node
#undef Edge
#undef Tree
#undef Along
#undef Shape
#undef Group
#undef Block
#undef Solid
#undef Passes
#undef Pairs
#undef Face
#undef Band
#undef STAGE
