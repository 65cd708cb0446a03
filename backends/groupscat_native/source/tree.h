/* A whole cascade of wavelet moduli, S = U ⋆ φ for every path, one signal after the other and depth first: what a path
 * needs stays in the cache, and memory does not grow with the number of paths or of signals.
 * Source: Mallat 2016, eq. 16 and 19. */

/* All arrays that one operation makes; the paths of one signal are counted through all of them. */
typedef struct {
    const Shape *shape;
    int64_t blocks, first; /* the blocks that filter it: first … first+blocks−1 */
    const int32_t *rows;   /* the row of the output, by path; −1: none */
    int32_t ndim;
    Band bands[3];
} NAME(Node);
#define Node NAME(Node)

/* A block of wavelets and the node that its moduli are. */
typedef struct {
    Block block;
    int64_t node;
} NAME(Edge);
#define Edge NAME(Edge)

typedef struct {
    Node *nodes;
    Edge *edges;
    int64_t count; /* edges */
    Padding padding;
    int64_t outputs, rows;      /* samples of a coefficient, rows of the result */
} NAME(Tree);
#define Tree NAME(Tree)

/* The spectrum of an array: one of the half spectra of a buffer, or, in natural order, whole rows `wide` apart. */
typedef struct {
    const Shape *shape;
    const Work *half;
    int64_t g; /* which one of them */
    const real *re, *im; /* or NULL */
    int64_t wide;
} NAME(Spectrum);
#define Spectrum NAME(Spectrum)

/* Positions first … stop−1 of row m of the window of a block. */
static inline void NAME(stage_row)(const Block *b, const Spectrum *x, int64_t m, int64_t first, int64_t stop, real *re, real *im)
{
    const int d = b->ndim - 1;
    const int32_t *bins = b->bins;
    for (int k = 0; k < d; k++)
        bins += b->fold[k] * b->size[k];
    int64_t bin[3];
    const int64_t row = NAME(window_row)(b, m, b->window / (b->fold[d] * b->size[d]), bin);
    for (int64_t c = first; c < stop;) {
        const int64_t run = b->runs[c] < stop - c ? b->runs[c] : stop - c;
        if (x->re) {
            memcpy(re, x->re + row * x->wide + bins[c], run * sizeof(real));
            memcpy(im, x->im + row * x->wide + bins[c], run * sizeof(real));
        } else
            NAME(from_half)(x->shape, x->half, x->g, row, bins[c], run, re, im);
        c += run, re += run, im += run;
    }
}

static void NAME(stage)(const Block *b, const Spectrum *x, real *re, real *im)
{
    const int64_t width = b->fold[b->ndim - 1] * b->size[b->ndim - 1];
    for (int64_t m = 0; m < b->window / width; m++)
        NAME(stage_row)(b, x, m, 0, width, re + m * width, im + m * width);
}

/* The window of a block, whose rows are some numbers `longer` than it. */
typedef struct {
    const real *re, *im;
    int64_t longer;
} NAME(Window);
#define Window NAME(Window)

/* Where the spectrum is whole and the window all of it, this is the spectrum itself, else a copy; 0 where memory ran out. */
static int NAME(window_of)(const Block *b, const Spectrum *x, Window *w)
{
    if (x->re && b->natural) {
        *w = (Window){x->re, x->im, x->wide - b->full[b->ndim - 1]};
        return 1;
    }
    real *re = take(2 * (b->window + LANES) * sizeof(real));
    *w = (Window){re, re + b->window + LANES, 0};
    if (re)
        NAME(stage)(b, x, re, re + b->window + LANES);
    return re != 0;
}

/* A row of half a spectrum where it is added up: bins before `half` are there, the others are mirrored in another row. */
typedef struct {
    const real *re, *im, *mirrored_re, *mirrored_im, *psi;
    int64_t first, half;
} NAME(HalfRow);
#define HalfRow NAME(HalfRow)

/* Bin k of rows with n of them. */
static inline void NAME(bin_of)(const HalfRow *x, int64_t n, int64_t k, real *re, real *im)
{
    const int there = k < x->half;
    *re = there ? x->re[k] : x->mirrored_re[n - k], *im = there ? x->im[k] : -x->mirrored_im[n - k];
}

/* LANES bins from bin k on. */
static inline void NAME(bins_of)(const HalfRow *x, int64_t n, int64_t k, vec *re, vec *im)
{
    if (k + LANES <= x->half)
        *re = load(x->re + k), *im = load(x->im + k);
    else if (k >= x->half)
        *re = REVERSE(load(x->mirrored_re + n - k - LANES + 1)), *im = -REVERSE(load(x->mirrored_im + n - k - LANES + 1));
    else
        for (int v = 0; v < LANES; v++) {
            real a, b;
            NAME(bin_of)(x, n, k + v, &a, &b);
            (*re)[v] = a, (*im)[v] = b;
        }
}

/* Columns first … stop−1 of the product of half a spectrum with filter p to a buffer. Where the window is not the spectrum
 * as it is, what is needed of it is copied first. 0 where memory ran out. */
static int NAME(multiply_columns)(const Block *b, const Spectrum *x, int64_t p, Work *w, int64_t first, int64_t stop)
{
    const Shape *s = x->shape;
    const int64_t last = b->shape->last, fold = b->fold[b->ndim - 1], n = s->last, step = b->stride * b->total;
    const Mark before = mark();
    HalfRow *rows = take(b->blocks * sizeof *rows);
    const int64_t plane = stop - first + LANES;
    real *copies = rows ? take(2 * b->blocks * plane * sizeof(real)) : 0;
    for (int64_t m = 0; copies && m < b->shape->rows; m++) {
        int64_t some = 0;
        for (int64_t k = 0; k < b->blocks; k++) {
            if (!NAME(lives)(b, p, k, m))
                continue;
            const int64_t row = b->aliases[m * b->blocks + k] / (fold * last), from = k % fold * last;
            HalfRow *r = rows + some;
            r->psi = b->filters + p * b->total + m * last + k * step;
            if (b->natural) {
                const int64_t at = row * x->half->wide, other = NAME(opposite)(s, row) * x->half->wide;
                r->re = x->half->re + at, r->im = x->half->im + at, r->first = from, r->half = n / 2 + 1;
                r->mirrored_re = x->half->re + other, r->mirrored_im = x->half->im + other;
            } else {
                real *re = copies + 2 * some * plane, *im = re + plane;
                NAME(stage_row)(b, x, row, from + first, from + stop, re, im);
                r->re = re - first, r->im = im - first, r->first = 0, r->half = last;
            }
            some++;
        }
        real *re = w->re + m * w->wide, *im = w->im + m * w->wide;
        int64_t c = first;
        for (; c + LANES <= stop; c += LANES) {
            for (int64_t k = 0; k < some; k++) /* a part of a row is too short for the processor to see what comes */
                __builtin_prefetch(rows[k].psi + c + AHEAD * last);
            __builtin_prefetch(re + c + AHEAD * w->wide, 1), __builtin_prefetch(im + c + AHEAD * w->wide, 1);
            vec yr = {0}, yi = {0};
            for (int64_t k = 0; k < some; k++) {
                vec xr, xi;
                NAME(bins_of)(rows + k, n, rows[k].first + c, &xr, &xi);
                const vec f = load(rows[k].psi + c);
                yr += xr * f, yi += xi * f;
            }
            store(re + c, yr), store(im + c, yi);
        }
        for (; c < stop; c++) {
            re[c] = im[c] = 0;
            for (int64_t k = 0; k < some; k++) {
                real xr, xi;
                NAME(bin_of)(rows + k, n, rows[k].first + c, &xr, &xi);
                re[c] += xr * rows[k].psi[c], im[c] += xi * rows[k].psi[c];
            }
        }
    }
    give_back(before);
    return copies != 0;
}

static int NAME(visit)(const Tree *t, const Node *node, real *u, int64_t some, int64_t path, real *out);
static int NAME(branch)(const Tree *t, const Node *node, Work *w, int64_t some, int64_t path, real *out);

/* Wavelets first … stop−1 of a block, `most` at a time, and all that follows. */
static int NAME(grow)(const Tree *t, const Edge *edge, const Window *x, int64_t first, int64_t stop, int64_t most, int64_t path,
                      real *out)
{
    const Block *b = &edge->block;
    const Shape *s = b->shape;
    const Node *child = t->nodes + edge->node;
    const Mark before = mark();
    real *u = s->signal ? take(most * b->total * sizeof(real) + 64) : 0;
    int enough = u || !s->signal;
    for (int64_t p = first; enough && p < stop; p += most) {
        const int64_t count = stop - p < most ? stop - p : most, at = path * b->count + p;
        const Mark transforms = mark(); /* their memory is that of signals that follow afterwards */
        Work w;
        enough = NAME(work_lanes)(s, &w) && NAME(work_planes)(s, s->last, most, &w);
        for (int64_t k = 0; enough && k < count; k++)
            NAME(multiply)(b, p + k, x->re, x->im, x->longer, w.re, w.im, w.wide, k);
        if (enough && s->signal)
            NAME(respond)(s, &w, count, MODULI, u, 0);
        else
            enough = enough && NAME(branch)(t, child, &w, count, at, out);
        give_back(transforms);
        enough = enough && (!u || NAME(visit)(t, child, u, count, at, out));
    }
    give_back(before);
    return enough;
}

/* All that follows from the spectrum of one array. */
static int NAME(descend)(const Tree *t, const Node *node, const Spectrum *x, int64_t path, real *out)
{
    const Mark before = mark();
    const int32_t *staged = 0;
    Window window;
    int enough = 1;
    for (const Edge *e = t->edges + node->first; enough && e < t->edges + node->first + node->blocks; e++) {
        const Block *b = &e->block;
        if (staged != b->bins) {
            give_back(before);
            enough = NAME(window_of)(b, x, &window);
            staged = b->bins;
        }
        const int64_t most = NAME(together)(b->shape, b->shape->last, b->count);
        enough = enough && NAME(grow)(t, e, &window, 0, b->count, most, path, out);
    }
    give_back(before);
    return enough;
}

static int NAME(descend_vjp)(const Tree *t, const Node *node, const Spectrum *x, int64_t path, real *grad, real *du, int64_t part,
                             int64_t parts);

/* What follows from the spectra of `some` arrays of a node: coefficients or, where `du` is given, the gradients by the
 * arrays, added to du, from those of the coefficients: of wavelets the share `part` of `parts`. */
static int NAME(follow)(const Tree *t, const Node *node, real *u, int64_t some, int64_t path, real *coefficients, real *du,
                        int64_t part, int64_t parts)
{
    const Shape *s = node->shape;
    const Mark before = mark();
    Work w = {0};
    const int64_t total = s->rows * s->last, width = s->signal ? s->last : s->last / 2 + 1, plane = total + LANES;
    const int64_t second = some > 1 ? 2 * plane : 0; /* one signal alone: where its own planes come to lie */
    real *p = s->signal ? take((second + 2 * plane) * sizeof(real)) : 0;
    int enough = s->signal ? p != 0 : NAME(work)(s, width, some, &w);
    for (int64_t a = 0; enough && a < some;) {
        real *to[4] = {p, p + plane, p + second, p + second + plane};
        int64_t count = some - a;
        if (s->signal) {
            const Mark transforms = mark();
            count = count < 2 ? count : 2;
            enough = NAME(work)(s, width, 1, &w);
            if (enough)
                NAME(two_spectra)(s, u, a, a + count - 1, &w, to);
            give_back(transforms);
        } else {
            count = count < w.most ? count : w.most;
            NAME(half_spectra)(s, u + a * total, count, &w);
        }
        for (int64_t g = 0; enough && g < count; g++, a++) {
            const Spectrum x = {s, &w, g, s->signal ? to[2 * g] : 0, s->signal ? to[2 * g + 1] : 0, total};
            enough = du ? NAME(descend_vjp)(t, node, &x, path + a, coefficients, du + a * total, part, parts)
                        : NAME(descend)(t, node, &x, path + a, coefficients);
        }
    }
    give_back(before);
    return enough;
}

/* Average arrays path … path+some−1 of a node, and go on. */
static int NAME(visit)(const Tree *t, const Node *node, real *u, int64_t some, int64_t path, real *out)
{
    const int64_t total = node->shape->rows * node->shape->last;
    int enough = 1;
    for (int64_t g = 0; enough && g < some; g++)
        if (node->rows[path + g] >= 0)
            enough = NAME(lowpass)(node->ndim, node->bands, u + g * total, out + node->rows[path + g] * t->outputs, 0, 1);
    return enough && (!node->blocks || NAME(follow)(t, node, u, some, path, out, 0, 0, 1));
}

/* Averages of arrays path … path+some−1 of a node, from those along the last axis. */
static int NAME(averages)(const Tree *t, const Node *node, const Moduli *m, int64_t path, real *out)
{
    const int64_t count = node->bands[node->ndim - 1].count, blocks = t->outputs / count;
    const int64_t room = NAME(room)(node->ndim, node->bands, m->inner);
    const Mark before = mark();
    real *memory = take(2 * room * sizeof(real));
    if (memory) {
        real *const buffer[2] = {memory, memory + room};
        const real *x = NAME(across_others)(node->ndim, node->bands, m->v, m->inner, buffer);
        for (int64_t g = 0; g < m->some; g++) {
            real *to = out + node->rows[path + g] * t->outputs;
            for (int64_t o = 0; node->rows[path + g] >= 0 && o < blocks; o++)
                memcpy(to + o * count, x + o * m->inner + g * count, count * sizeof(real));
        }
    }
    give_back(before);
    return memory != 0;
}

/* From spectra of `some` responses side by side, arrays path … path+some−1 of a node, to all that follows. */
static int NAME(branch)(const Tree *t, const Node *node, Work *w, int64_t some, int64_t path, real *out)
{
    const Shape *s = node->shape;
    const Band *last = node->bands + node->ndim - 1;
    const int deeper = node->blocks > 0;
    const Mark before = mark();
    Moduli m;
    int enough = NAME(moduli_lanes)(s, last, some, &m) && NAME(moduli_plane)(s, &m);
    if (enough) {
        NAME(columns)(s, w->re, w->im, some * s->last, w->wide, 1, w->x, w->y);
        NAME(moduli_of_rows)(s, last, w, &m, deeper, 0, NAME(moduli_units)(s, some, deeper));
        enough = NAME(averages)(t, node, &m, path, out);
        if (deeper)
            NAME(columns)(s, w->re, w->im, some * (s->last / 2 + 1), w->wide, 0, w->x, w->y);
    }
    give_back(before);
    for (int64_t g = 0; enough && deeper && g < some; g++) {
        const Spectrum x = {.shape = s, .half = w, .g = g};
        enough = NAME(descend)(t, node, &x, path + g, out);
    }
    return enough;
}

/* Signals first … stop−1. */
static int NAME(tree)(const Tree *t, real *x, real *out, int64_t first, int64_t stop)
{
    const int64_t size = NAME(extent)(&t->padding, 0), padded = NAME(extent)(&t->padding, 1);
    const Mark before = mark();
    real *y = take((padded + LANES) * sizeof(real));
    int enough = y != 0;
    for (int64_t i = first; enough && i < stop; i++) {
        NAME(pad)(&t->padding, x + i * size, y, 0, NAME(padded_rows)(&t->padding));
        enough = NAME(visit)(t, t->nodes, y, 1, 0, out + i * t->rows * t->outputs);
    }
    give_back(before);
    return enough;
}

/* ------------------------------------------------------------------------------------------ gradients */

/* What a window adds to planes of a whole spectrum. */
static void NAME(unstage)(const Block *b, const real *xr, const real *xi, real *re, real *im)
{
    const int d = b->ndim - 1;
    const int64_t width = b->fold[d] * b->size[d], outer = b->window / width;
    const int32_t *bins = b->bins;
    int64_t bin[3];
    for (int k = 0; k < d; k++)
        bins += b->fold[k] * b->size[k];
    for (int64_t m = 0; m < outer; m++, xr += width, xi += width) {
        const int64_t row = NAME(window_row)(b, m, outer, bin) * b->full[d];
        for (int64_t c = 0; c < width; c++)
            re[row + bins[c]] += xr[c], im[row + bins[c]] += xi[c];
    }
}

static int NAME(visit_vjp)(const Tree *t, const Node *node, real *u, int64_t some, int64_t path, real *grad, real *du, int64_t part,
                           int64_t parts);

/* From gradients of the averages of arrays path … path+some−1 of a node to those of their averages along the last axis,
 * which are made here. 0 where memory ran out. */
static int NAME(averages_vjp)(const Tree *t, const Node *node, int64_t some, int64_t path, const real *grad, Moduli *m)
{
    const int64_t count = node->bands[node->ndim - 1].count, blocks = t->outputs / count;
    m->some = some, m->inner = (some * count + LANES - 1) / LANES * LANES;
    int64_t room = blocks * m->inner, numbers = room;
    for (int k = node->ndim - 2; k >= 0; k--) {
        numbers = numbers / node->bands[k].count * node->bands[k].n;
        room = k && numbers > room ? numbers : room;
    }
    m->sums = take(count * sizeof(vec));
    m->v = m->sums ? take(numbers * sizeof(real)) : 0;
    const Mark before = mark();
    real *memory = m->v ? take(2 * room * sizeof(real)) : 0;
    if (memory) {
        real *const buffer[2] = {memory, memory + room};
        memset(memory, 0, blocks * m->inner * sizeof(real));
        for (int64_t g = 0; g < some; g++)
            for (int64_t o = 0; node->rows[path + g] >= 0 && o < blocks; o++)
                memcpy(memory + o * m->inner + g * count, grad + node->rows[path + g] * t->outputs + o * count, count * sizeof(real));
        NAME(across_others_vjp)(node->ndim, node->bands, m->v, memory, m->inner, buffer);
    }
    give_back(before);
    return memory != 0;
}

/* Some wavelets of a block: what their gradients add to that of the window. */
static int NAME(edge_vjp)(const Tree *t, const Edge *edge, int64_t first, int64_t count, const real *xr, const real *xi,
                          real *gr, real *gi, int64_t path, real *grad, Work *w)
{
    const Block *b = &edge->block;
    const Shape *s = b->shape;
    const Node *child = t->nodes + edge->node;
    const Band *last = child->bands + child->ndim - 1;
    const int planes = s->signal || child->blocks; /* whether gradients of moduli are written down, or only made in lanes */
    const Mark before = mark();
    Moduli m = {0};
    real *du = planes ? take(count * b->total * sizeof(real) + 64) : 0;
    vec *h = du || !planes ? take(2 * (s->last + 1) * sizeof(vec)) : 0, *more = h + s->last + 1;
    int enough = h && (s->signal || NAME(averages_vjp)(t, child, count, path, grad, &m));
    for (int64_t k = 0; enough && k < count; k++)
        NAME(multiply)(b, first + k, xr, xi, 0, w->re, w->im, w->wide, k);
    if (enough)
        NAME(columns)(s, w->re, w->im, count * s->last, w->wide, 1, w->x, w->y);
    real *z = 0;
    if (enough && child->blocks) { /* what follows needs moduli: responses are kept until it is differentiated */
        real *u = take(count * b->total * sizeof(real) + 64);
        z = u ? take(2 * count * b->total * sizeof(real) + 64) : 0;
        enough = z != 0;
        for (int64_t r = 0; enough && r < count * s->rows; r += LANES) {
            const Group g = NAME(group)(r, s->rows, count * s->rows);
            vec *y = NAME(rows_back)(s, &g, w->re, w->im, w->wide, w->x, w->y);
            NAME(put_complex)(s, &g, z, y);
            NAME(finish)(s, &g, MODULI, u, 0, y, y == w->x ? w->y : w->x);
        }
        if (enough && s->signal)
            enough = NAME(visit_vjp)(t, child, u, count, path, grad, du, 0, 1);
        else if (enough) {
            memset(du, 0, count * b->total * sizeof(real));
            enough = NAME(follow)(t, child, u, count, path, grad, du, 0, 1);
        }
    } else if (s->signal)
        enough = enough && NAME(visit_vjp)(t, child, 0, count, path, grad, du, 0, 1);
    for (int64_t r = 0; enough && r < count * s->rows; r += LANES) {
        const Group g = NAME(group)(r, s->rows, count * s->rows);
        vec *y = w->x;
        if (z)
            NAME(get_complex)(s, &g, z, y);
        else
            y = NAME(rows_back)(s, &g, w->re, w->im, w->wide, w->x, w->y);
        if (du)
            NAME(get)(s, &g, du, h, 1);
        if (!s->signal) {
            real *from[LANES];
            for (int v = 0; v < LANES; v++)
                from[v] = m.v + g.row[v] * m.inner + g.array[v] * last->count;
            NAME(gather)(from, last->count, m.sums, 1);
            NAME(sums_vjp)(last, m.sums, du ? more : h);
            for (int64_t k = 0; du && k < s->last; k++)
                h[k] += more[k];
        }
        NAME(slope)(y, h, s->last);
        NAME(rows_forward)(s, &g, w->re, w->im, w->wide, y, y == w->x ? w->y : w->x);
    }
    if (enough) {
        NAME(columns)(s, w->re, w->im, count * s->last, w->wide, 0, w->x, w->y);
        for (int64_t k = 0; k < count; k++)
            NAME(spread)(b, first + k, gr, gi, w->re, w->im, w->wide, k);
    }
    give_back(before);
    return enough;
}

/* The gradient of one array by all that follows from its spectrum, added to du. */
static int NAME(descend_vjp)(const Tree *t, const Node *node, const Spectrum *x, int64_t path, real *grad, real *du, int64_t part,
                             int64_t parts)
{
    const Shape *whole = node->shape;
    const int64_t total = whole->rows * whole->last;
    const Mark before = mark();
    real *sr = take(2 * (total + LANES) * sizeof(real)), *si = sr + total + LANES;
    if (!sr)
        return 0;
    memset(sr, 0, 2 * (total + LANES) * sizeof(real));
    const Mark windows = mark();
    const Block *staged = 0;
    real *xr = 0, *xi = 0, *gr = 0, *gi = 0; /* of a window, and the gradient by it */
    int enough = 1;
    for (int64_t e = 0; enough && e < node->blocks; e++) {
        const Edge *edge = t->edges + node->first + e;
        const Block *b = &edge->block;
        const int64_t lo = (b->count * part + e % parts) / parts, hi = (b->count * (part + 1) + e % parts) / parts;
        if (lo == hi)
            continue;
        if (!staged || staged->bins != b->bins) {
            if (staged)
                NAME(unstage)(staged, gr, gi, sr, si);
            give_back(windows);
            const int64_t plane = b->window + LANES;
            xr = take(4 * plane * sizeof(real)), xi = xr + plane, gr = xi + plane, gi = gr + plane;
            if (!xr) {
                give_back(before);
                return 0;
            }
            NAME(stage)(b, x, xr, xi);
            memset(gr, 0, 2 * plane * sizeof(real));
            staged = b;
        }
        const Mark inner = mark();
        Work w;
        enough = NAME(work)(b->shape, b->shape->last, hi - lo, &w);
        for (int64_t p = lo; enough && p < hi; p += w.most) {
            const int64_t count = hi - p < w.most ? hi - p : w.most;
            enough = NAME(edge_vjp)(t, edge, p, count, xr, xi, gr, gi, path * b->count + p, grad, &w);
        }
        give_back(inner);
    }
    if (staged)
        NAME(unstage)(staged, gr, gi, sr, si);
    give_back(windows);
    Work w;
    vec *h = enough && NAME(work)(whole, whole->last, 1, &w) ? take((whole->last + 1) * sizeof(vec)) : 0;
    if (h) {
        for (int64_t m = 0; m < whole->rows; m++) {
            memcpy(w.re + m * w.wide, sr + m * whole->last, whole->last * sizeof(real));
            memcpy(w.im + m * w.wide, si + m * whole->last, whole->last * sizeof(real));
        }
        NAME(columns)(whole, w.re, w.im, whole->last, w.wide, 1, w.x, w.y);
        for (int64_t r = 0; r < whole->rows; r += LANES) {
            const Group group = NAME(group)(r, whole->rows, whole->rows);
            const vec *z = NAME(rows_back)(whole, &group, w.re, w.im, w.wide, w.x, w.y);
            NAME(get)(whole, &group, du, h, 1);
            for (int64_t k = 0; k < whole->last; k++)
                h[k] += z[2 * k + 1];
            NAME(put)(whole, &group, du, h);
        }
    }
    give_back(before);
    return h != 0;
}

/* Gradients of arrays path … path+some−1 of a node, from those of the averages of all that follows. */
static int NAME(visit_vjp)(const Tree *t, const Node *node, real *u, int64_t some, int64_t path, real *grad, real *du, int64_t part,
                           int64_t parts)
{
    const Shape *s = node->shape;
    const int64_t total = s->rows * s->last;
    int enough = 1;
    for (int64_t g = 0; enough && g < some; g++) {
        const int64_t row = node->rows[path + g];
        if (row >= 0 && part == 0)
            enough = NAME(lowpass_vjp)(node->ndim, node->bands, grad + row * t->outputs, du + g * total, 0, 1);
        else
            memset(du + g * total, 0, total * sizeof(real));
    }
    if (!enough || !node->blocks)
        return enough;
    return NAME(follow)(t, node, u, some, path, grad, du, part, parts);
}

/* Gradients of signals first … stop−1, from those of the coefficients; the share `part` of `parts` of them. */
static int NAME(tree_vjp)(const Tree *t, real *x, real *grad, real *out, int64_t first, int64_t stop, int64_t part, int64_t parts)
{
    const int64_t size = NAME(extent)(&t->padding, 0), padded = NAME(extent)(&t->padding, 1);
    const Mark before = mark();
    real *y = take(2 * (padded + LANES) * sizeof(real));
    int enough = y != 0;
    for (int64_t i = first; enough && i < stop; i++) {
        real *dy = y + padded + LANES;
        NAME(pad)(&t->padding, x + i * size, y, 0, NAME(padded_rows)(&t->padding));
        enough = NAME(visit_vjp)(t, t->nodes, y, 1, 0, grad + i * t->rows * t->outputs, dy, part, parts);
        NAME(pad_vjp)(&t->padding, dy, out + i * size);
    }
    give_back(before);
    return enough;
}
