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
    int64_t wide;    /* bins of a row of a spectrum: all, or 0 … n/2 (then without edges) */
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

/* The plane without an axis, and its rows and columns in an array. */
typedef struct {
    Shape shape;
    int64_t total, from, row, column; /* numbers; the first one, and how far rows and columns are apart */
} NAME(Face);
#define Face NAME(Face)

static Face NAME(face)(const Shape *s, int axis)
{
    const int64_t apart[3] = {s->size[1] * s->size[2], s->size[2], 1};
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

/* ---------------------------------------------------------------------------------- from bins to fields */

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

/* ------------------------------------------------------------------------------------------------ edges */

/* Where the filters of the faces without an axis begin, and, from edge to edge, how far they are apart. */
static inline const real *NAME(face_filters)(const Solid *h, const Passes *p, int axis, int64_t *apart)
{
    const int64_t *n = h->s->size, begin[3] = {0, n[1] * n[2], n[1] * n[2] + n[0] * n[2]};
    *apart = 2 * (begin[2] + n[0] * n[1]);
    return p->edges + 2 * begin[axis];
}

/* The faces of all edges. */
static int NAME(edges_back)(const Solid *h, const real *spectrum, Passes *p)
{
    const int64_t *n = h->s->size, tile = h->lanes / n[0];
    for (int axis = 0; h->edges && axis < 3; axis++) {
        const Face f = NAME(face)(h->s, axis);
        real *bins = p->complex, *z = bins + 2 * f.total;
        int64_t apart;
        const real *filter = NAME(face_filters)(h, p, axis, &apart);
        for (int64_t j = 0; j < f.shape.rows; j++)
            for (int64_t k = 0; k < f.shape.last; k++) {
                const real *x = spectrum + 2 * (f.from + j * f.row + k * f.column);
                bins[2 * (j * f.shape.last + k)] = x[0], bins[2 * (j * f.shape.last + k) + 1] = x[1];
            }
        for (int64_t e = 0; e < h->edges; e++, filter += apart) {
            real *re = axis == 1 ? p->second + e * f.total : axis == 2 ? p->third + e * f.total : z + 2 * f.total;
            if (n[axis] % 2)
                memset(z, 0, 2 * f.total * sizeof(real));
            else {
                for (int64_t k = 0; k < 2 * f.total; k += 2) {
                    z[k] = filter[k] * bins[k] - filter[k + 1] * bins[k + 1];
                    z[k + 1] = filter[k] * bins[k + 1] + filter[k + 1] * bins[k];
                }
                if (!NAME(transform)(&f.shape, z, z, 1, 0, 1))
                    return 0;
            }
            for (int64_t k = 0; k < f.total; k++)
                re[k] = z[2 * k];
            for (int64_t group = 0; axis == 0 && group < h->groups; group++) {
                const Pairs r = NAME(pairs)(h, group);
                NAME(rows_of)(h, &r, 0, re, p->faces + e * tile + group * 2 * n[2], 1);
            }
        }
    }
    return 1;
}

/* The lanes of the last face of an edge in a row of another one: the second rows of pairs, then the first. */
static inline void NAME(ends)(const Pairs *r, const real *third, vec *z)
{
    for (int v = 0; v < LANES; v++)
        z[0][v] = third[r->b[v]], z[1][v] = third[r->a[v]];
}

/* Sets or adds the squares of edges in a plane. */
static void NAME(edge_squares)(const Solid *h, const Passes *p, int64_t plane, vec *sum)
{
    const int64_t *n = h->s->size, tile = h->lanes / n[0];
    const vec sign = all(plane % 2 ? -1 : 1);
    for (int64_t e = 0; e < h->edges; e++) {
        const vec *z = p->faces + e * tile;
        const real *second = p->second + (e * n[0] + plane) * n[2], *third = p->third + (e * n[0] + plane) * n[1];
        vec *s = sum;
        for (int64_t group = 0; group < h->groups; group++, z += 2 * n[2], s += 2 * n[2]) {
            const Pairs r = NAME(pairs)(h, group);
            vec end[2];
            NAME(ends)(&r, third, end);
            for (int64_t k = 0; k < n[2]; k++) {
                const vec b = sign * z[2 * k] - second[k] + end[0], a = sign * z[2 * k + 1] + second[k] + end[1];
                s[2 * k] = e ? s[2 * k] + b * b : b * b;
                s[2 * k + 1] = e ? s[2 * k + 1] + a * a : a * a;
                end[0] = -end[0], end[1] = -end[1];
            }
        }
    }
}

/* Gradients of the faces, in their place at last: of the first they are added up over the planes in `sums`. */
static void NAME(edge_slopes)(const Solid *h, Passes *p, int64_t plane, const vec *slopes, vec *sums)
{
    const int64_t *n = h->s->size, tile = h->lanes / n[0];
    const vec sign = all(plane % 2 ? -1 : 1);
    for (int64_t e = 0; e < h->edges; e++) {
        const vec *z = p->faces + e * tile, *s = slopes;
        real *second = p->second + (e * n[0] + plane) * n[2], *third = p->third + (e * n[0] + plane) * n[1];
        vec *to = sums + e * tile, *row = p->x;
        memset(row, 0, n[2] * sizeof(vec));
        for (int64_t group = 0; group < h->groups; group++, z += 2 * n[2], s += 2 * n[2], to += 2 * n[2]) {
            const Pairs r = NAME(pairs)(h, group);
            vec end[2], mine[2] = {{0}}, turned = all(1), once = all(0);
            NAME(ends)(&r, third, end);
            for (int64_t v = 0; v < r.count; v++)
                once[v] = 1; /* not those that are repetitions */
            for (int64_t k = 0; k < n[2]; k++) {
                const vec b = (sign * z[2 * k] - second[k] + end[0] * turned) * s[2 * k];
                const vec a = (sign * z[2 * k + 1] + second[k] + end[1] * turned) * s[2 * k + 1];
                to[2 * k] += sign * b, to[2 * k + 1] += sign * a;
                row[k] += (a - b) * once;
                mine[0] += b * turned, mine[1] += a * turned;
                turned = -turned;
            }
            for (int64_t v = 0; v < r.count; v++) /* the first one last: a row without a partner is its own */
                third[r.b[v]] = mine[0][v], third[r.a[v]] = mine[1][v];
        }
        for (int64_t k = 0; k < n[2]; k++) {
            second[k] = 0;
            for (int v = 0; v < LANES; v++)
                second[k] += row[k][v];
        }
    }
}

/* Adds what edges give to a spectrum, from gradients of their faces. */
static int NAME(edges_forward)(const Solid *h, const vec *sums, Passes *p, real *spectrum)
{
    const int64_t *n = h->s->size, tile = h->lanes / n[0];
    for (int axis = 0; h->edges && axis < 3; axis++) {
        const Face f = NAME(face)(h->s, axis);
        real *bins = p->complex, *z = bins + 2 * f.total;
        int64_t apart;
        const real *filter = NAME(face_filters)(h, p, axis, &apart);
        if (n[axis] % 2)
            continue;
        memset(bins, 0, 2 * f.total * sizeof(real));
        for (int64_t e = 0; e < h->edges; e++, filter += apart) {
            real *re = axis == 1 ? p->second + e * f.total : axis == 2 ? p->third + e * f.total : z + 2 * f.total;
            for (int64_t group = 0; axis == 0 && group < h->groups; group++) {
                const Pairs r = NAME(pairs)(h, group);
                memcpy(p->x, sums + e * tile + group * 2 * n[2], 2 * n[2] * sizeof(vec));
                NAME(rows_of)(h, &r, 0, re, p->x, 0);
            }
            for (int64_t k = 0; k < f.total; k++)
                z[2 * k] = re[k], z[2 * k + 1] = 0;
            if (!NAME(transform)(&f.shape, z, z, 0, 0, 1))
                return 0;
            for (int64_t k = 0; k < 2 * f.total; k += 2) {
                bins[k] += filter[k] * z[k] + filter[k + 1] * z[k + 1];
                bins[k + 1] += filter[k] * z[k + 1] - filter[k + 1] * z[k];
            }
        }
        for (int64_t j = 0; j < f.shape.rows; j++)
            for (int64_t k = 0; k < f.shape.last; k++) {
                real *to = spectrum + 2 * (f.from + j * f.row + k * f.column);
                to[0] += bins[2 * (j * f.shape.last + k)], to[1] += bins[2 * (j * f.shape.last + k) + 1];
            }
    }
    return 1;
}

/* Fields of the picked bins to `kept` unless that is NULL, with the modulus behind them; that to `out` unless NULL. */
static void NAME(fields)(const Solid *h, Passes *p, vec *kept, real *out)
{
    const int64_t each = 2 * h->s->last, tile = h->groups * each;
    vec *sums = p->sum ? p->sum : (vec *)out; /* of a plane where the plane will be */
    for (int64_t m = 0, stop; m < h->count; m = stop) {
        stop = m + h->together < h->count ? m + h->together : h->count;
        NAME(first_back)(h, m, stop, p);
        for (int64_t plane = 0; plane < h->s->size[0]; plane++) {
            vec *sum = h->together < h->count ? sums + plane * tile : sums;
            if (m == 0)
                NAME(edge_squares)(h, p, plane, sum);
            for (int64_t field = m; field < stop; field++) {
                vec *to = kept ? kept + field * h->lanes + plane * tile : 0, *s = sum;
                NAME(second_back)(h, field - m, plane, p);
                for (int64_t group = 0; group < h->groups; group++, s += each) {
                    const Pairs r = NAME(pairs)(h, group);
                    const vec *z = NAME(third_back)(h, &r, p);
                    if (kept)
                        memcpy(to, z, each * sizeof(vec)), to += each;
                    if (field == 0 && !h->edges)
                        for (int64_t k = 0; k < each; k++)
                            s[k] = z[k] * z[k];
                    else
                        for (int64_t k = 0; k < each; k++)
                            s[k] += z[k] * z[k];
                }
            }
            if (stop < h->count)
                continue;
            if (sums == (vec *)out)
                sum = memcpy(p->plane, sum, tile * sizeof(vec));
            for (int64_t k = 0; k < tile; k++)
                sum[k] = root(sum[k]);
            if (kept)
                memcpy(kept + h->count * h->lanes + plane * tile, sum, tile * sizeof(vec));
            for (int64_t group = 0; out && group < h->groups; group++) {
                const Pairs r = NAME(pairs)(h, group);
                NAME(rows_of)(h, &r, plane, out, sum + group * each, 0);
            }
        }
    }
}

/* Numbers that are kept of a spectrum. */
static int64_t NAME(harmonic_kept)(const Solid *h) { return (h->count + 1) * h->lanes * LANES; }

/* Spectra first … stop−1, of real arrays. kept: NULL, or harmonic_kept numbers of each spectrum, aligned to 64 bytes. */
static int NAME(harmonic)(const Solid *h, const real *spectra, real *out, real *kept, int64_t first, int64_t stop)
{
    const int64_t total = h->s->rows * h->s->last, bins = 2 * h->s->rows * h->wide;
    const Mark before = mark();
    Passes p;
    int enough = NAME(passes)(h, out, &p);
    for (int64_t row = first; enough && row < stop; row++) {
        NAME(pick)(h, spectra + row * bins, &p);
        if (!(enough = NAME(edges_back)(h, spectra + row * bins, &p)))
            break;
        NAME(fields)(h, &p, kept ? (vec *)(kept + row * NAME(harmonic_kept)(h)) : 0, out + row * total);
    }
    give_back(before);
    return enough;
}

/* ---------------------------------------------------------------------------------- from fields to bins */

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
