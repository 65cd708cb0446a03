/* Everything for one type of numbers: `real`, its NAME, its SQRT, ABS and POW, and GS_LANES of them in a vector. */

#include "lanes.h"
#include "fft.h"
#include "transform.h"
#include "bandpass.h"
#include "spectrum.h"
#include "lowpass.h"
#include "moduli.h"
#include "solid.h"
#include "passes.h"
#include "edges.h"
#include "harmonic.h"
#include "harmonic_vjp.h"
#include "padding.h"
#include "power.h"
#include "tree.h"
#include "tree_shared.h"
#include "along.h"
#include "angular.h"
#include "program.h"

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
                     : NAME(spectrum_planes)(s, in, out, s->last, first, stop);
}

EXPORT int32_t EXPORTED(transform)(Stack *memory, const Shape *s, real *in, real *out, int32_t back, int64_t first, int64_t stop)
{
    stack = memory;
    return NAME(transform)(s, in, out, back, RESPONSES, first, stop);
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
EXPORT int32_t EXPORTED(half_back)(Stack *memory, const Shape *s, const real *spectra, real *out, int64_t first, int64_t stop)
{
    stack = memory;
    return NAME(half_back)(s, s->last, spectra, out, first, stop);
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

static void NAME(bands)(int ndim, const int64_t *axes, const void *const *tables, Band *b)
{
    for (int k = 0; k < ndim; k++, axes += 5, tables += 4)
        b[k] = (Band){.n = axes[0], .count = axes[1], .taps = axes[2], .step = axes[3], .most = axes[4],
                      .start = tables[0], .weights = tables[1], .into = tables[2], .shares = tables[3]};
}

/* axes: ndim times (n, count, taps, step, most); tables: as often start, weights, into, shares. */
EXPORT int32_t EXPORTED(lowpass)(Stack *memory, int32_t ndim, const int64_t *axes, const void *const *tables, real *in, real *out, int64_t first, int64_t stop)
{
    stack = memory;
    Band b[3];
    NAME(bands)(ndim, axes, tables, b);
    return NAME(lowpass)(ndim, b, in, out, first, stop);
}

EXPORT int32_t EXPORTED(lowpass_vjp)(Stack *memory, int32_t ndim, const int64_t *axes, const void *const *tables, real *grad, real *out, int64_t first, int64_t stop)
{
    stack = memory;
    Band b[3];
    NAME(bands)(ndim, axes, tables, b);
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
    t->count = edges, t->outputs = outputs, t->rows = rows;
    t->padding = NAME(padding)(ndim, size, padded, index, 1);
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
                                int32_t ndim, const int64_t *axes, const void *const *tables)
{
    Node *n = t->nodes + at;
    n->shape = s, n->first = first, n->blocks = blocks, n->rows = rows, n->ndim = ndim;
    NAME(bands)(ndim, axes, tables, n->bands);
}

EXPORT int32_t EXPORTED(tree_edge)(Tree *t, int64_t at, int64_t node, const Shape *s, int32_t ndim, const int64_t *axes,
                                const int32_t *bins, const int32_t *live, const real *filters, int64_t count,
                                int64_t stride)
{
    Block *b = &t->edges[at].block;
    *b = NAME(block)(s, ndim, axes, bins, live, filters, count, stride);
    int32_t *table = malloc(NAME(table_bytes)(b));
    if (table)
        NAME(tables)(b, table);
    t->edges[at].node = node;
    return table != 0;
}

EXPORT int32_t EXPORTED(tree)(Stack *memory, const Tree *t, real *x, real *out, int64_t first, int64_t stop)
{
    stack = memory;
    return NAME(tree)(t, x, out, first, stop);
}

EXPORT int32_t EXPORTED(tree_shared)(Stack *memory, const Tree *t, Team *team, real *x, real *out, int64_t signals, int32_t leads)
{
    stack = memory;
    return NAME(tree_shared)(t, team, x, out, signals, leads);
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

static Mix NAME(mix_of)(const int64_t *sizes, const real *matrix, const int32_t *live)
{
    return (Mix){.groups = sizes[0], .inputs = sizes[1], .outputs = sizes[2], .positions = sizes[3], .matrix = matrix,
                 .live = live};
}

/* sizes: parts, groups, inputs, samples, positions, entries, apart, channels. */
static Angular NAME(angular_of)(const int64_t *sizes, const real *matrix, const int32_t *table, const Mix *average,
                                const int32_t *order)
{
    return (Angular){.parts = sizes[0], .groups = sizes[1], .inputs = sizes[2], .samples = sizes[3],
                     .positions = sizes[4], .entries = sizes[5], .apart = sizes[6], .channels = sizes[7],
                     .matrix = matrix, .table = table, .average = average->matrix ? average : 0, .order = order};
}

/* A program of `count` steps; they are described one by one below. per: numbers of one signal in each array of the
 * caller. NULL where memory ran out. */
EXPORT void *EXPORTED(program_new)(int64_t count, int64_t memory, int64_t arrays, const int64_t *per)
{
    Program *p = calloc(1, sizeof *p);
    Step *steps = calloc(count + 1, sizeof *steps);
    if (!p || !steps) {
        free(p), free(steps);
        return 0;
    }
    p->steps = steps, p->count = count, p->memory = memory, p->arrays = arrays, p->per = per;
    return p;
}

EXPORT void EXPORTED(program_free)(Program *p)
{
    for (int64_t k = 0; p && k < p->count; k++)
        free((void *)p->steps[k].block.aliases);
    if (p)
        free(p->steps), free(p);
}

/* places: of each of four operands its array (−1: none) and where it begins. */
EXPORT void EXPORTED(program_step)(Program *p, int64_t at, int32_t kind, int64_t units, int64_t grain, const int64_t *places,
                                   const Shape *shape, const int32_t *index, const int64_t *numbers)
{
    Step *s = p->steps + at;
    s->kind = kind, s->units = units, s->grain = grain, s->shape = shape, s->index = index;
    for (int k = 0; k < 4; k++)
        s->base[k] = (int32_t)places[2 * k], s->at[k] = places[2 * k + 1], s->n[k] = numbers[k];
}

EXPORT int32_t EXPORTED(program_block)(Program *p, int64_t at, const Shape *s, int32_t ndim, const int64_t *axes,
                                       const int32_t *bins, const int32_t *live, const real *filters, int64_t count,
                                       int64_t stride, int64_t apart, int64_t add)
{
    Block *b = &p->steps[at].block;
    *b = NAME(block)(s, ndim, axes, bins, live, filters, count, stride);
    int32_t *table = malloc(NAME(table_bytes)(b));
    if (table)
        NAME(tables)(b, table);
    b->apart = apart, b->add = add;
    return table != 0;
}

EXPORT void EXPORTED(program_bands)(Program *p, int64_t at, int32_t ndim, const int64_t *axes, const void *const *tables)
{
    p->steps[at].ndim = ndim;
    NAME(bands)(ndim, axes, tables, p->steps[at].bands);
}

EXPORT void EXPORTED(program_along)(Program *p, int64_t at, const int64_t *sizes, const real *psi, const int32_t *live,
                                    const real *average, const int32_t *average_live, int64_t add)
{
    p->steps[at].along = NAME(along_of)(sizes, psi, live, average, average_live);
    p->steps[at].along.add = add;
}

/* sizes, average, order: as `angular` takes them. */
EXPORT void EXPORTED(program_angular)(Program *p, int64_t at, const int64_t *sizes, const real *matrix, const int32_t *table,
                                      const real *average, const int32_t *average_live, const int32_t *order)
{
    Step *s = p->steps + at;
    s->mix = NAME(mix_of)(sizes + 8, average, average_live);
    s->angular = NAME(angular_of)(sizes, matrix, table, &s->mix, order);
}

EXPORT void EXPORTED(program_mix)(Program *p, int64_t at, const int64_t *sizes, const real *matrix, const int32_t *live)
{
    p->steps[at].mix = NAME(mix_of)(sizes, matrix, live);
}

/* The tables: as `harmonic` takes them; wide: bins of a row of a spectrum. mode: of gradients. */
EXPORT void EXPORTED(program_solid)(Program *p, int64_t at, const Shape *s, const int64_t *numbers, const int32_t *blocks,
                                    const int32_t *kinds, const real *filters, int64_t wide, int32_t mode)
{
    p->steps[at].solid = NAME(solid)(s, numbers, blocks, kinds, filters), p->steps[at].mode = mode;
    p->steps[at].solid.wide = wide;
}

EXPORT void EXPORTED(program_power)(Program *p, int64_t at, double q, int32_t sign)
{
    p->steps[at].q = q, p->steps[at].mode = sign;
}

EXPORT void EXPORTED(program_padding)(Program *p, int64_t at, int32_t ndim, const int64_t *size, const int64_t *padded,
                                      const int32_t *const *index, int64_t per)
{
    p->steps[at].padding = NAME(padding)(ndim, size, padded, index, per);
}

EXPORT int32_t EXPORTED(program)(Stack *memory, const Program *p, real *const *given, int64_t first, int64_t stop)
{
    stack = memory;
    return NAME(program)(p, given, first, stop);
}

EXPORT int32_t EXPORTED(program_shared)(Stack *memory, const Program *p, Team *team, real *const *given, int64_t signals,
                                        int32_t leads)
{
    stack = memory;
    return NAME(program_shared)(p, team, given, signals, leads);
}

/* sizes: those of the filters, then of the average (groups, inputs, outputs, positions); average, order: or NULL. */
EXPORT int32_t EXPORTED(angular)(Stack *memory, const int64_t *sizes, const real *matrix, const int32_t *table,
                                 const real *average, const int32_t *average_live, const int32_t *order, const real *x,
                                 real *out, int64_t first, int64_t stop)
{
    stack = memory;
    const Mix m = NAME(mix_of)(sizes + 8, average, average_live);
    const Angular a = NAME(angular_of)(sizes, matrix, table, &m, order);
    return NAME(angular)(&a, x, out, first, stop);
}

EXPORT int32_t EXPORTED(angular_vjp)(Stack *memory, const int64_t *sizes, const real *matrix, const int32_t *table,
                                     const real *average, const int32_t *average_live, const int32_t *order, const real *x,
                                     const real *grad, real *out, int64_t first, int64_t stop)
{
    stack = memory;
    const Mix m = NAME(mix_of)(sizes + 8, average, average_live);
    const Angular a = NAME(angular_of)(sizes, matrix, table, &m, order);
    return NAME(angular_vjp)(&a, x, grad, out, first, stop);
}

/* sizes: groups, inputs, outputs, positions. */
EXPORT int32_t EXPORTED(mix_channels)(Stack *memory, const int64_t *sizes, const real *matrix, const int32_t *live,
                                      const real *x, real *out, int64_t first, int64_t stop)
{
    stack = memory;
    const Mix m = NAME(mix_of)(sizes, matrix, live);
    return NAME(mix_channels)(&m, x, out, first, stop);
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
#undef Spectrum
#undef HalfRow
#undef Window
#undef Common
#undef Shares
#undef Task
#undef Together
#undef Padding
#undef Along
#undef Angular
#undef Mix
#undef Step
#undef Program
#undef Shape
#undef Group
#undef Moduli
#undef Block
#undef Aliases
#undef Solid
#undef Passes
#undef Pairs
#undef Face
#undef Band
#undef STAGE
