/* √(Σ_m |x ⋆ ψ_m|²) of real x. Real and imaginary parts of the responses are real fields x ⋆ h, with spectra of which
 * half is enough, and whoever describes the filters says which h have the same sum of squares: `count` of them.
 *
 * A field is made in two passes: products with the filter and columns along the first axis, then plane by plane what is
 * left. Only live bins are multiplied, stored and transformed: on the first two axes the first `low` ones and as many
 * of the last as make `live`, on the last axis `blocks` vectors, as many as the bin of the second axis needs. The last
 * bin of an even axis, n/2, rides on the bin 0: of both the columns become real, so one is the imaginary part of the
 * other. Two real rows are one complex row, LANES pairs of them in lanes.
 *
 * Filters of all m leave something in the planes of bins n/2 of even axes alone. Such a field is an "edge": with signs that
 * alternate along an axis, a sum of three arrays of two axes, which cost nearly nothing. */

typedef struct {
    const Shape *s;
    int64_t low[2], live[2];
    int64_t nyquist; /* whether the bin n/2 of the last axis is live */
    int64_t columns; /* bins of the last axis, without n/2 */
    int64_t wide;    /* bins of a row of a spectrum: all, or 0 … n/2 */
    int64_t most;    /* the most blocks */
    int64_t vectors; /* of live bins */
    int64_t plane;   /* from plane to plane between the passes, pairs of vectors */
    int64_t groups;  /* of pairs of rows in a plane */
    int64_t lanes;   /* vectors of a field: by plane, group and sample, the second row of a pair and the first */
    int64_t edges;
    int64_t count, together; /* fields, and how many go through a pass together */
    const int32_t *blocks, *kinds;
    const real *filters; /* by field: live bins by second axis, block, first axis; then those of n/2;
                            behind all, by edge, complex: all bins of the planes without the first axis, the second, the last */
} NAME(Solid);
#define Solid NAME(Solid)

/* Fields that go through a pass together: the live bins are read once for all, and their squares are added up while a
 * plane is in the cache. */
#define TOGETHER 2

/* numbers: low and live of two axes, nyquist, fields, edges. */
static Solid NAME(solid)(const Shape *s, const int64_t *numbers, const int32_t *blocks, const int32_t *kinds,
                         const real *filters)
{
    Solid h = {.s = s, .low = {numbers[0], numbers[2]}, .live = {numbers[1], numbers[3]}, .nyquist = numbers[4],
               .count = numbers[5], .edges = numbers[6], .blocks = blocks, .kinds = kinds, .filters = filters};
    h.columns = (s->last + 1) / 2, h.wide = s->last;
    for (int64_t j = 0; j < h.live[1]; j++) {
        h.vectors += h.live[0] * blocks[j];
        h.most = blocks[j] > h.most ? blocks[j] : h.most;
    }
    h.plane = (h.live[1] * h.most) | 1; /* an odd number of cache lines */
    const int64_t turns = (h.count + TOGETHER - 1) / TOGETHER;
    h.together = (h.count + turns - 1) / turns;
    h.groups = ((s->size[1] + 1) / 2 + LANES - 1) / LANES;
    h.lanes = s->size[0] * h.groups * s->last * 2;
    return h;
}

static inline int64_t NAME(bin)(const Solid *h, int axis, int64_t j)
{
    return j < h->low[axis] ? j : h->s->size[axis] - h->live[axis] + j;
}

/* Numbers of a filter. */
static inline int64_t NAME(length)(const Solid *h, int kind)
{
    const int64_t each = h->vectors * LANES + (h->nyquist ? h->live[0] * h->live[1] : 0);
    return kind == NONE ? 0 : kind == COMPLEX ? 2 * each : each;
}

/* The plane n/2 without an axis, and its rows and columns in a spectrum. */
typedef struct {
    Shape shape;
    int64_t total, from, row, column; /* numbers; the first one, and how far rows and columns are apart */
} NAME(Face);
#define Face NAME(Face)

static Face NAME(face)(const Solid *h, int axis)
{
    const Shape *s = h->s;
    const int64_t apart[3] = {s->size[1] * h->wide, h->wide, 1};
    const int a = axis == 0 ? 1 : 0, b = axis == 2 ? 1 : 2;
    Face f = {.shape = {.ndim = 2, .rows = s->size[a], .last = s->size[b]}};
    f.shape.size[0] = s->size[a], f.shape.size[1] = s->size[b];
    f.shape.fft[0] = s->fft[a], f.shape.fft[1] = s->fft[b];
    f.total = s->size[a] * s->size[b], f.from = s->size[axis] / 2 * apart[axis];
    f.row = apart[a], f.column = apart[b];
    return f;
}

/* What the passes work on. */
typedef struct {
    vec *bins, *last; /* live bins, (re, im), and those of n/2, in the first lane */
    const real **filters; /* of each field */
    vec *between, *rows, *x, *y, *t;
    vec *faces;                     /* of each edge, that without the first axis in lanes */
    real *second, *third, *complex; /* the others of each edge, and what faces are made in */
    const real *edges;              /* filters */
    vec *sum; /* of squares: of a plane, or, where not all fields are made together, of all; NULL: in the result */
    vec *plane; /* of squares, on its way to the result */
} NAME(Passes);
#define Passes NAME(Passes)

/* out: where sums may be kept until they are finished, or NULL. */
static int NAME(passes)(const Solid *h, const real *out, Passes *p)
{
    const int in_place = out && h->together < h->count && h->lanes * LANES == h->s->rows * h->s->last &&
                         (uintptr_t)out % sizeof(vec) == 0;
    const int64_t *n = h->s->size;
    int64_t lanes = n[0] > n[1] ? n[0] : n[1];
    lanes = lanes > n[2] ? lanes : n[2];
    p->bins = take(2 * h->vectors * sizeof(vec));
    p->last = p->bins ? take((2 * h->live[0] * h->live[1] + 1) * sizeof(vec)) : 0;
    p->filters = p->last ? take(h->count * sizeof *p->filters) : 0;
    p->between = p->filters ? take(2 * h->together * n[0] * h->plane * sizeof(vec)) : 0;
    p->rows = p->between ? take(2 * n[1] * h->most * sizeof(vec)) : 0;
    p->x = p->rows ? take(2 * (lanes + 1) * sizeof(vec)) : 0;
    p->y = p->x ? take(2 * lanes * sizeof(vec)) : 0;
    p->t = p->y ? take(2 * lanes * sizeof(vec)) : 0;
    const int64_t tile = h->lanes / n[0], most = (n[0] > n[1] ? n[0] : n[1]) * (n[1] > n[2] ? n[1] : n[2]);
    vec *sum = p->t ? take((in_place || h->together >= h->count ? tile : h->lanes) * sizeof(vec)) : 0;
    p->sum = in_place ? 0 : sum, p->plane = in_place ? sum : 0;
    p->faces = sum ? take((h->edges * tile + 1) * sizeof(vec)) : 0;
    p->second = p->faces ? take((h->edges * n[0] * n[2] + 1) * sizeof(real)) : 0;
    p->third = p->second ? take((h->edges * n[0] * n[1] + 1) * sizeof(real)) : 0;
    p->complex = p->third ? take((h->edges ? 5 * most : 1) * sizeof(real)) : 0;
    p->edges = h->filters;
    for (int64_t m = 0; p->complex && m < h->count; p->edges += NAME(length)(h, h->kinds[m++]))
        p->filters[m] = p->edges;
    return p->complex != 0;
}

/* The live bins of a spectrum. */
static void NAME(pick)(const Solid *h, const real *spectrum, Passes *p)
{
    const int64_t *n = h->s->size;
    vec *to = p->bins, *last = p->last;
    for (int64_t j = 0; j < h->live[1]; j++)
        for (int64_t i = 0; i < h->live[0]; i++, last += 2) {
            const real *from = spectrum + 2 * (NAME(bin)(h, 0, i) * n[1] + NAME(bin)(h, 1, j)) * h->wide;
            for (int64_t b = 0; b < h->blocks[j]; b++) {
                vec *z = to + 2 * (b * h->live[0] + i);
                const int64_t k = b * LANES, left = h->columns - k;
                if (left >= LANES) {
                    const vec a0 = load(from + 2 * k), a1 = load(from + 2 * k + LANES);
                    z[0] = EVEN(a0, a1), z[1] = ODD(a0, a1);
                } else {
                    z[0] = z[1] = all(0);
                    for (int64_t v = 0; v < left; v++)
                        z[0][v] = from[2 * (k + v)], z[1][v] = from[2 * (k + v) + 1];
                }
            }
            if (h->nyquist) {
                last[0] = last[1] = all(0);
                last[0][0] = from[n[2]], last[1][0] = from[n[2] + 1];
            }
            if (i + 1 == h->live[0])
                to += 2 * h->live[0] * h->blocks[j];
        }
}
