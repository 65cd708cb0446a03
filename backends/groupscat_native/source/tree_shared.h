/* A tree by a team: threads share the transforms of each large array, so that one of them is in memory and not one for
 * every thread, and the small ones among each other. */

#define SHARED (64 << 10) /* bytes of a response from which on it is one of all threads */

/* What is done for a signal, and again for each of its large responses. */
enum {
    NAME(PADDED), NAME(ROWS), NAME(COLUMNS), NAME(WHOLE), NAME(BRANCHES), NAME(OF_SIGNAL),
    NAME(PRODUCT) = NAME(OF_SIGNAL), NAME(RESPONSE), NAME(MODULI_ROWS), NAME(AVERAGES), NAME(OTHER_HALF), NAME(NEXT_BRANCHES),
    NAME(STAGES), NAME(OF_RESPONSE) = NAME(STAGES) - NAME(OF_SIGNAL)
};

/* Memory of all. */
typedef struct {
    real *y, *v; /* the padded signal; averages along the last axis of a response */
    Work half;   /* half spectrum of the signal */
    Work whole;  /* its whole spectrum, then response after response and the spectra of their moduli */
} NAME(Common);
#define Common NAME(Common)

typedef struct {
    const Tree *tree;
    real *x, *out;
    int64_t large, per; /* responses that are shared; steps of a signal */
} NAME(Shares);
#define Shares NAME(Shares)

/* A step: of which signal it is, of which node, and of which wavelet that is the response. */
typedef struct {
    int64_t signal, path;
    int stage;
    const Edge *edge;
    const Node *node;
} NAME(Task);
#define Task NAME(Task)

static int NAME(is_large)(const Edge *e)
{
    const Shape *s = e->block.shape;
    return !s->signal && 2 * s->rows * s->last * (int64_t)sizeof(real) > SHARED;
}

static Task NAME(task)(const Shares *f, int64_t step)
{
    const Tree *t = f->tree;
    Task k = {.signal = step / f->per, .node = t->nodes};
    step %= f->per;
    k.stage = (int)step;
    if (step < NAME(OF_SIGNAL))
        return k;
    k.path = (step - NAME(OF_SIGNAL)) / NAME(OF_RESPONSE);
    k.stage = NAME(OF_SIGNAL) + (int)((step - NAME(OF_SIGNAL)) % NAME(OF_RESPONSE));
    for (k.edge = t->edges + t->nodes->first;; k.edge++)
        if (NAME(is_large)(k.edge)) {
            if (k.path < k.edge->block.count)
                break;
            k.path -= k.edge->block.count;
        }
    k.node = t->nodes + k.edge->node;
    return k;
}

/* How many wavelets of a block a thread takes: of small arrays some, whose memory is little beside the shared one. */
static int64_t NAME(handful)(const Block *b)
{
    return (NAME(together)(b->shape, b->shape->last, b->count) + 3) / 4;
}

/* How many threads may take of the wavelets of a node; the large ones of the signal are shared in another way. */
static int64_t NAME(branches)(const Tree *t, const Node *node)
{
    int64_t units = 0;
    for (const Edge *e = t->edges + node->first; e < t->edges + node->first + node->blocks; e++)
        if (node > t->nodes || !NAME(is_large)(e))
            units += (e->block.count + NAME(handful)(&e->block) - 1) / NAME(handful)(&e->block);
    return units;
}

/* Vectors of columns, groups of pairs of rows. */
static int64_t NAME(vectors)(int64_t n) { return (n + LANES - 1) / LANES; }

static int64_t NAME(tree_units)(void *of, int64_t step, int64_t *grain)
{
    const Shares *f = of;
    const Task k = NAME(task)(f, step);
    const Shape *s = k.node->shape;
    const int deeper = k.node->blocks > 0;
    const int64_t half = s->last / 2 + 1;
    int64_t units = 1;
    switch (k.stage) {
    case NAME(PADDED):
        *grain = STEP;
        return NAME(padded_rows)(&f->tree->padding);
    case NAME(ROWS): /* and the average */
        return 1 + (s->signal ? 1 : NAME(vectors)((s->rows + 1) / 2));
    case NAME(COLUMNS):
        *grain = NAME(at_once)(s->size[0]);
        return s->signal ? 1 : NAME(vectors)(half);
    case NAME(WHOLE): case NAME(PRODUCT): case NAME(OTHER_HALF):
        *grain = STEP;
        return s->rows;
    case NAME(RESPONSE):
        *grain = NAME(at_once)(s->size[0]);
        return NAME(vectors)(s->last);
    case NAME(MODULI_ROWS):
        return NAME(vectors)(NAME(moduli_units)(s, 1, deeper));
    case NAME(AVERAGES):
        return 1 + (deeper ? NAME(vectors)(half) : 0);
    default:
        units = NAME(branches)(f->tree, k.node);
        return units ? units : 1;
    }
}

/* Vectors first … stop−1 of the columns of a buffer. */
static void NAME(some_columns)(const Shape *s, const Work *w, int64_t width, int back, int64_t first, int64_t stop)
{
    const int64_t c = first * LANES, count = (stop * LANES < width ? stop * LANES : width) - c;
    NAME(columns)(s, w->re + c, w->im + c, count, w->wide, back, w->x, w->y);
}

/* Some wavelets of a node, counted through its blocks as `branches` does. */
static int NAME(take_branches)(const Shares *f, const Task *k, const Spectrum *x, int64_t first, int64_t stop, real *out)
{
    const Tree *t = f->tree;
    int enough = 1;
    for (const Edge *e = t->edges + k->node->first; e < t->edges + k->node->first + k->node->blocks; e++) {
        const Block *b = &e->block;
        const int64_t most = NAME(handful)(b), units = (b->count + most - 1) / most;
        if (k->node == t->nodes && NAME(is_large)(e))
            continue;
        for (int64_t u = first < 0 ? 0 : first; enough && u < units && u < stop; u++) {
            const Mark before = mark();
            Window window;
            const int64_t last = (u + 1) * most < b->count ? (u + 1) * most : b->count;
            enough = NAME(window_of)(b, x, &window) && NAME(grow)(t, e, &window, u * most, last, most, k->path, out);
            give_back(before);
        }
        first -= units, stop -= units;
    }
    return enough;
}

static int NAME(tree_units_done)(void *of, void *memory, int64_t step, int64_t first, int64_t stop)
{
    const Shares *f = of;
    const Tree *t = f->tree;
    const Task k = NAME(task)(f, step);
    const Shape *s = k.node->shape;
    const Common *c = memory;
    const Band *last = k.node->bands + k.node->ndim - 1;
    const int deeper = k.node->blocks > 0;
    real *out = f->out + k.signal * t->rows * t->outputs;
    const Mark before = mark();
    Work w = k.stage < NAME(WHOLE) ? c->half : c->whole;
    if (k.stage >= NAME(WHOLE)) /* responses are smaller than the signal */
        w.wide = s->signal ? s->rows * s->last : NAME(wide)(s->last);
    const Spectrum whole = {.shape = s, .re = w.re, .im = w.im, .wide = w.wide};
    Moduli m = {.v = c->v};
    int enough = NAME(work_lanes)(s, &w) && (k.stage < NAME(OF_SIGNAL) || NAME(moduli_lanes)(s, last, 1, &m));
    if (!enough) {
        give_back(before);
        return 0;
    }
    switch (k.stage) {
    case NAME(PADDED):
        NAME(pad)(&t->padding, f->x + k.signal * NAME(extent)(&t->padding, 0), c->y, first, stop);
        break;
    case NAME(ROWS):
        if (first == 0 && k.node->rows[0] >= 0)
            enough = NAME(lowpass)(k.node->ndim, k.node->bands, c->y, out + k.node->rows[0] * t->outputs, 0, 1);
        if (stop > 1 && s->signal) {
            real *const to[4] = {c->whole.re, c->whole.im, c->whole.re, c->whole.im};
            NAME(two_spectra)(s, c->y, 0, 0, &w, to);
        } else if (stop > 1) {
            const int64_t pairs = (s->rows + 1) / 2, end = (stop - 1) * LANES;
            NAME(half_rows)(s, c->y, &w, (first - 1) * LANES, end < pairs ? end : pairs);
        }
        break;
    case NAME(COLUMNS):
        if (!s->signal)
            NAME(some_columns)(s, &w, s->last / 2 + 1, 0, first, stop);
        break;
    case NAME(WHOLE):
        for (int64_t r = first; !s->signal && r < stop; r++)
            NAME(from_half)(s, &c->half, 0, r, 0, s->last, w.re + r * w.wide, w.im + r * w.wide);
        break;
    case NAME(PRODUCT): {
        const Spectrum signal = {.shape = t->nodes->shape, .half = &c->half};
        enough = NAME(multiply_rows)(&k.edge->block, &signal, k.path, &w, first, stop);
        break;
    }
    case NAME(RESPONSE):
        NAME(some_columns)(s, &w, s->last, 1, first, stop);
        break;
    case NAME(MODULI_ROWS): {
        const int64_t units = NAME(moduli_units)(s, 1, deeper), end = stop * LANES;
        NAME(moduli_of_rows)(s, last, &w, &m, deeper, first * LANES, end < units ? end : units);
        break;
    }
    case NAME(AVERAGES):
        if (first == 0)
            enough = NAME(averages)(t, k.node, &m, k.path, out);
        if (stop > 1)
            NAME(some_columns)(s, &w, s->last / 2 + 1, 0, first ? first - 1 : 0, stop - 1);
        break;
    case NAME(OTHER_HALF):
        if (deeper)
            NAME(other_half)(s, &w, first, stop);
        break;
    default:
        give_back(before); /* the lanes of others are taken */
        enough = NAME(take_branches)(f, &k, &whole, first, stop, out);
    }
    give_back(before);
    return enough;
}

/* The memory of all; NULL where there is none. */
static Common *NAME(common)(const Tree *t)
{
    const Shape *s = t->nodes->shape;
    Common *c = take(sizeof *c);
    int64_t rows = LANES;
    for (const Edge *e = t->edges + t->nodes->first; e < t->edges + t->nodes->first + t->nodes->blocks; e++) {
        const Node *node = t->nodes + e->node;
        const int64_t count = node->bands[node->ndim - 1].count, numbers = node->shape->rows * (count < LANES ? LANES : count);
        if (NAME(is_large)(e))
            rows = numbers > rows ? numbers : rows;
    }
    if (!c)
        return 0;
    *c = (Common){.v = take(rows * sizeof(real))};
    if (!c->v || !NAME(work_planes)(s, s->signal ? s->last : s->last / 2 + 1, 1, &c->half))
        return 0;
    if (s->signal) { /* whole spectra lie in natural order */
        const int64_t total = s->rows * s->last + LANES;
        c->whole.re = take(3 * total * sizeof(real));
        c->whole.im = c->whole.re + total, c->y = c->whole.im + total;
        return c->whole.re ? c : 0;
    }
    if (!NAME(work_planes)(s, s->last, 1, &c->whole))
        return 0;
    c->y = c->whole.re; /* until there is a spectrum */
    memset(c->v, 0, rows * sizeof(real));
    return c;
}

/* Signals 0 … signals−1, by all threads that make this call. */
static int NAME(tree_shared)(const Tree *t, Team *team, real *x, real *out, int64_t signals, int leads)
{
    const Mark before = mark();
    Shares of = {.tree = t, .x = x, .out = out};
    for (const Edge *e = t->edges + t->nodes->first; e < t->edges + t->nodes->first + t->nodes->blocks; e++)
        of.large += NAME(is_large)(e) ? e->block.count : 0;
    of.per = NAME(OF_SIGNAL) + of.large * NAME(OF_RESPONSE);
    const Job job = {signals * of.per, &of, NAME(tree_units), NAME(tree_units_done)};
    const int done = work_together(team, &job, leads ? NAME(common)(t) : 0, leads, 1);
    give_back(before);
    return done;
}
