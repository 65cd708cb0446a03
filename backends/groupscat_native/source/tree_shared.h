/* A tree by a team: threads share the transforms of each large array, so that one of them is in memory and not one for
 * every thread; of small arrays each thread takes some. A signal goes through the stages up to SIGNAL_BRANCHES, then each of
 * its large responses through those from OF_RESPONSE on: columns, rows, columns again, and what its wavelets make of it. */

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
    Task k = {.signal = step / f->per, .stage = (int)(step % f->per), .node = t->nodes};
    if (k.stage < OF_RESPONSE)
        return k;
    k.path = (k.stage - OF_RESPONSE) / (STAGES - OF_RESPONSE);
    k.stage = OF_RESPONSE + (k.stage - OF_RESPONSE) % (STAGES - OF_RESPONSE);
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

/* Handfuls of the wavelets of a node; the large ones of the signal are shared in another way. */
static int64_t NAME(branches)(const Tree *t, const Node *node)
{
    int64_t units = 0;
    for (const Edge *e = t->edges + node->first; e < t->edges + node->first + node->blocks; e++)
        if (node > t->nodes || !NAME(is_large)(e))
            units += (e->block.count + NAME(handful)(&e->block) - 1) / NAME(handful)(&e->block);
    return units;
}

/* Vectors of columns, or groups of rows in lanes. */
static int64_t NAME(vectors)(int64_t n) { return (n + LANES - 1) / LANES; }

/* Vectors of columns that a thread takes: the more, the longer are the pieces of rows that it reads. */
static int64_t NAME(columns_grain)(int64_t vectors) { return (vectors + 3) / 4; }

/* Of half spectra, in whose place the whole ones come: the last two vectors go together, since what is computed behind
 * the last column lies where the mirror images of these two do. */
static int64_t NAME(half_units)(const Shape *s)
{
    const int64_t units = NAME(vectors)(s->last / 2 + 1) - 1;
    return units > 1 ? units : 1;
}

static int64_t NAME(tree_units)(void *of, int64_t step, int64_t *grain)
{
    const Shares *f = of;
    const Task k = NAME(task)(f, step);
    const Shape *s = k.node->shape;
    const int deeper = k.node->blocks > 0;
    int64_t units = 0;
    switch (k.stage) {
    case SIGNAL_PADDED:
        *grain = ROWS;
        return NAME(padded_rows)(&f->tree->padding);
    case SIGNAL_ROWS: /* and, first, the average */
        return 1 + (s->signal ? 1 : NAME(vectors)((s->rows + 1) / 2));
    case SIGNAL_COLUMNS:
        units = s->signal ? 1 : NAME(vectors)(s->last / 2 + 1);
        *grain = NAME(columns_grain)(units);
        return units;
    case SIGNAL_WHOLE:
        *grain = ROWS;
        return s->signal ? 1 : s->rows;
    case RESPONSE_COLUMNS:
        units = NAME(vectors)(s->last);
        *grain = NAME(columns_grain)(units);
        return units;
    case RESPONSE_ROWS:
        return NAME(vectors)(NAME(moduli_units)(s, 1, deeper));
    case MODULI_COLUMNS: /* and, first, the averages */
        units = deeper ? NAME(half_units)(s) : 0;
        *grain = deeper ? NAME(columns_grain)(units) : 1;
        return 1 + units;
    }
    units = NAME(branches)(f->tree, k.node);
    return units ? units : 1;
}

static void NAME(some_columns)(const Shape *s, const Work *w, int back, int64_t first, int64_t stop)
{
    NAME(columns)(s, w->re + first, w->im + first, stop - first, w->wide, back, w->x, w->y);
}

/* Handfuls first … stop−1, counted as `branches` does, and all that follows from them. */
static int NAME(take_branches)(const Shares *f, const Task *k, const Spectrum *x, int64_t first, int64_t stop)
{
    const Tree *t = f->tree;
    real *out = f->out + k->signal * t->rows * t->outputs;
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

/* From a signal to its spectrum: half of it, and the whole; of a signal of one axis in natural order. */
static int NAME(of_signal_done)(const Shares *f, const Task *k, const Common *c, int64_t first, int64_t stop)
{
    const Tree *t = f->tree;
    const Shape *s = k->node->shape;
    const int64_t pairs = (s->rows + 1) / 2, half = s->last / 2 + 1, row = k->node->rows[0];
    if (k->stage == SIGNAL_PADDED) {
        NAME(pad)(&t->padding, f->x + k->signal * NAME(extent)(&t->padding, 0), c->y, first, stop);
        return 1;
    }
    Work w = c->half;
    if (!NAME(work_lanes)(s, &w))
        return 0;
    if (k->stage == SIGNAL_ROWS && first == 0) {
        real *out = f->out + k->signal * t->rows * t->outputs;
        return row < 0 || NAME(lowpass)(k->node->ndim, k->node->bands, c->y, out + row * t->outputs, 0, 1);
    } else if (k->stage == SIGNAL_ROWS && s->signal) {
        real *const to[4] = {c->whole.re, c->whole.im, c->whole.re, c->whole.im};
        NAME(two_spectra)(s, c->y, 0, 0, &w, to);
    } else if (k->stage == SIGNAL_ROWS) {
        const int64_t end = (stop - 1) * LANES;
        NAME(half_rows)(s, c->y, &w, (first - 1) * LANES, end < pairs ? end : pairs);
    } else if (k->stage == SIGNAL_COLUMNS && !s->signal) {
        NAME(some_columns)(s, &w, 0, first * LANES, stop * LANES < half ? stop * LANES : half);
    } else if (k->stage == SIGNAL_WHOLE && !s->signal) {
        for (int64_t r = first; r < stop; r++)
            NAME(from_half)(s, &w, 0, r, 0, s->last, c->whole.re + r * c->whole.wide, c->whole.im + r * c->whole.wide);
    }
    return 1;
}

/* From the half spectrum of the signal to a response, its averages, and the whole spectrum of its moduli. */
static int NAME(of_response_done)(const Shares *f, const Task *k, const Common *c, Work *w, int64_t first, int64_t stop)
{
    const Tree *t = f->tree;
    const Shape *s = k->node->shape;
    const Band *last = k->node->bands + k->node->ndim - 1;
    const int deeper = k->node->blocks > 0;
    const int64_t half = s->last / 2 + 1, from = first * LANES, to = stop * LANES;
    Moduli m = {.v = c->v};
    int enough = NAME(work_lanes)(s, w) && NAME(moduli_lanes)(s, last, 1, &m);
    if (!enough)
        return 0;
    if (k->stage == RESPONSE_COLUMNS) {
        const Spectrum signal = {.shape = t->nodes->shape, .half = &c->half};
        const int64_t end = to < s->last ? to : s->last;
        enough = NAME(multiply_columns)(&k->edge->block, &signal, k->path, w, from, end);
        NAME(some_columns)(s, w, 1, from, end);
    } else if (k->stage == RESPONSE_ROWS) {
        const int64_t units = NAME(moduli_units)(s, 1, deeper);
        NAME(moduli_of_rows)(s, last, w, &m, deeper, from, to < units ? to : units);
    } else {
        if (first == 0)
            enough = NAME(averages)(t, k->node, &m, k->path, f->out + k->signal * t->rows * t->outputs);
        const int64_t begin = first ? from - LANES : 0, end = stop - 1 < NAME(half_units)(s) ? to - LANES : half;
        if (stop > 1) {
            NAME(some_columns)(s, w, 0, begin, end);
            NAME(other_half)(s, w, begin, end);
        }
    }
    return enough;
}

static int NAME(tree_units_done)(void *of, void *memory, int64_t step, int64_t first, int64_t stop)
{
    const Shares *f = of;
    const Common *c = memory;
    const Task k = NAME(task)(f, step);
    const Shape *s = k.node->shape;
    const Mark before = mark();
    Work w = c->whole;
    w.wide = s->signal ? w.wide : NAME(wide)(s->last); /* large responses are not larger than the signal */
    const Spectrum whole = {.shape = s, .re = w.re, .im = w.im, .wide = w.wide};
    const int enough = k.stage == SIGNAL_BRANCHES || k.stage == MODULI_BRANCHES
                           ? NAME(take_branches)(f, &k, &whole, first, stop)
                       : k.stage < OF_RESPONSE ? NAME(of_signal_done)(f, &k, c, first, stop)
                                               : NAME(of_response_done)(f, &k, c, &w, first, stop);
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
        c->whole.im = c->whole.re + total, c->y = c->whole.im + total, c->whole.wide = s->rows * s->last;
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
    of.per = OF_RESPONSE + of.large * (STAGES - OF_RESPONSE);
    const Job job = {signals * of.per, &of, NAME(tree_units), NAME(tree_units_done)};
    const int done = work_together(team, &job, leads ? NAME(common)(t) : 0, leads, 1);
    give_back(before);
    return done;
}
