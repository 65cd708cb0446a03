/* A whole plan in one call: its operations as steps, on one signal after the other. What they make lies in one piece
 * of memory, that of a register again for another one as soon as nobody reads it. Steps have units (arrays, pairs of
 * them, tiles) that threads take as they come. */

typedef struct {
    int32_t kind;
    int64_t units, grain;       /* how many; how many a thread takes at once */
    int32_t base[4];            /* of each operand: 0 the memory of the program, k the k-th array of the caller, −1 none */
    int64_t at[4];              /* and the number where it begins */
    const Shape *shape;
    Block block;
    int32_t ndim;
    Band bands[3];
    Along along;
    Angular angular;
    Mix mix;
    Solid solid;
    int mode; /* of solid harmonics and powers */
    double q;
    Padding padding;
    const int32_t *index;
    int64_t n[4];
} NAME(Step);
#define Step NAME(Step)

typedef struct {
    Step *steps;
    int64_t count, memory, arrays; /* steps; numbers of its own; arrays of the caller */
    const int64_t *per;            /* numbers of one signal in each of them */
} NAME(Program);
#define Program NAME(Program)

/* out ← total + Σ of `parts` arrays behind each other, numbers first … stop−1 of each; total NULL: nothing. */
static void NAME(sum)(const real *total, const real *parts, int64_t count, int64_t size, real *out, int64_t first, int64_t stop)
{
    if (total && count == 1)
        for (int64_t i = first; i < stop; i++)
            out[i] = total[i] + parts[i];
    for (int64_t i = first; i < stop && !(total && count == 1); i++) {
        real x = total ? total[i] : 0;
        for (int64_t k = 0; k < count; k++)
            x += parts[k * size + i];
        out[i] = x;
    }
}

/* Rows of `size` numbers: out[i] ← in[index[i]], or, `back`, out[index[i]] ← in[i]. */
static void NAME(rows_taken)(const int32_t *index, const real *in, real *out, int64_t size, int back, int64_t first, int64_t stop)
{
    for (int64_t i = first; i < stop; i++)
        memcpy(out + (back ? index[i] : i) * size, in + (back ? i : index[i]) * size, size * sizeof(real));
}

/* x^q averaged, of arrays first … stop−1, whose first axis becomes one number: a plane of the others is summed. */
static int NAME(power_lowpass)(double q, int sign, int ndim, const Band *b, const real *x, real *out, int64_t first, int64_t stop)
{
    int64_t plane = 1, outputs = 1;
    for (int k = 1; k < ndim; k++)
        plane *= b[k].n, outputs *= b[k].count;
    const Mark before = mark();
    real *y = take(2 * (plane + LANES) * sizeof(real)), *sum = y + plane + LANES;
    int enough = y != 0;
    for (int64_t a = first; enough && a < stop; a++) {
        memset(sum, 0, plane * sizeof(real));
        for (int64_t t = 0, k = b->start[0]; t < b->taps; t++, k = k + 1 == b->n ? 0 : k + 1) {
            const real w = b->weights[t];
            NAME(power)(q, sign, x + (a * b->n + k) * plane, y, 0, plane);
            for (int64_t i = 0; i < plane; i++)
                sum[i] += w * y[i];
        }
        if (ndim > 1)
            enough = NAME(lowpass)(ndim - 1, b + 1, sum, out + a * outputs, 0, 1);
        else
            out[a] = sum[0];
    }
    give_back(before);
    return enough;
}

/* Units first … stop−1 of a step. */
static int NAME(perform)(const Step *s, real *const *arrays, int64_t first, int64_t stop)
{
    real *p[4];
    for (int k = 0; k < 4; k++)
        p[k] = s->base[k] < 0 ? 0 : arrays[s->base[k]] + s->at[k];
    switch (s->kind) {
    case PAD:
        for (int64_t u = first; u < stop; u++)
            NAME(pad)(&s->padding, p[0] + u * NAME(extent)(&s->padding, 0), p[1] + u * NAME(extent)(&s->padding, 1), 0,
                      NAME(padded_rows)(&s->padding));
        return 1;
    case PAD_VJP:
        for (int64_t u = first; u < stop; u++)
            NAME(pad_vjp)(&s->padding, p[0] + u * NAME(extent)(&s->padding, 1), p[1] + u * NAME(extent)(&s->padding, 0));
        return 1;
    case SPECTRUM:
        return s->shape->signal ? NAME(spectrum_signals)(s->shape, p[0], p[1], s->n[0], first, stop)
                                : NAME(spectrum_planes)(s->shape, p[0], p[1], s->n[1], first, stop);
    case TRANSFORM:
        return NAME(transform)(s->shape, p[0], p[1], (int)s->n[0], RESPONSES, first, stop);
    case REAL_BACK:
        return NAME(transform)(s->shape, p[0], p[1], 1, REAL_PARTS, first, stop);
    case BANDPASS:
        return NAME(bandpass)(&s->block, p[0], p[1], (int)s->n[0], first, stop);
    case BANDPASS_VJP:
        return NAME(bandpass_vjp)(&s->block, p[0], p[1], p[2], (int)s->n[0], first, stop);
    case BANDPASS_VJP_SHARED: /* of one spectrum; each unit some of the wavelets, and a gradient of its own */
        for (int64_t u = first; u < stop; u++) {
            Block b = s->block;
            const int64_t lo = b.count * u / s->units, hi = b.count * (u + 1) / s->units;
            b.filters += lo * b.total, b.count = hi - lo;
            b.live = b.live ? b.live + 2 * lo * b.blocks : 0;
            real *grad = p[1] + (s->n[0] == RESPONSES && !b.apart ? 2 : 1) * lo * b.total;
            if (!NAME(bandpass_vjp)(&b, p[0], grad, p[2] + u * NAME(numbers)(&b), (int)s->n[0], 0, 1))
                return 0;
        }
        return 1;
    case LOWPASS:
        return NAME(lowpass)(s->ndim, s->bands, p[0], p[1], first, stop);
    case LOWPASS_VJP:
        return NAME(lowpass_vjp)(s->ndim, s->bands, p[0], p[1], first, stop);
    case ALONG:
        return NAME(along)(&s->along, p[0], p[1], first, stop);
    case ALONG_VJP:
        return NAME(along_vjp)(&s->along, p[0], p[1], p[2], first, stop);
    case ANGULAR:
        return NAME(angular)(&s->angular, p[0], p[1], first, stop);
    case ANGULAR_VJP:
        return NAME(angular_vjp)(&s->angular, p[0], p[1], p[2], first, stop);
    case MIX:
        return NAME(mix_channels)(&s->mix, p[0], p[1], first, stop);
    case HARMONIC:
        return NAME(harmonic)(&s->solid, p[0], p[2], p[1], first, stop);
    case HARMONIC_VJP:
        return NAME(harmonic_vjp)(&s->solid, p[0], p[1], p[3], p[2], s->mode, first, stop);
    case HALF_BACK:
        return NAME(half_back)(s->shape, s->n[0], p[0], p[1], first, stop);
    case POWER:
        NAME(power)(s->q, s->mode, p[0], p[1], first, stop);
        return 1;
    case POWER_LOWPASS:
        return NAME(power_lowpass)(s->q, s->mode, s->ndim, s->bands, p[0], p[1], first, stop);
    case POWER_VJP:
        NAME(power_vjp)(s->q, s->mode, p[0], p[1], p[2], first, stop);
        return 1;
    case SUM:
        NAME(sum)(p[0], p[1], s->n[0], s->n[1], p[2], first, stop);
        return 1;
    case TAKE:
        NAME(rows_taken)(s->index, p[0], p[1], s->n[0], (int)s->n[1], first, stop);
        return 1;
    case COPY:
        memcpy(p[1] + first, p[0] + first, (stop - first) * sizeof(real));
        return 1;
    case CLEAR:
        memset(p[0] + first, 0, (stop - first) * sizeof(real));
        return 1;
    }
    return 0;
}

/* The arrays of one signal. */
static void NAME(of_signal)(const Program *p, real *memory, real *const *given, int64_t signal, real **arrays)
{
    arrays[0] = memory;
    for (int64_t k = 1; k <= p->arrays; k++)
        arrays[k] = given[k - 1] + signal * p->per[k - 1];
}

/* Signals first … stop−1 in one thread. */
static int NAME(program)(const Program *p, real *const *given, int64_t first, int64_t stop)
{
    const Mark before = mark();
    real **arrays = take((p->arrays + 1) * sizeof *arrays), *memory = arrays ? take((p->memory + 1) * sizeof(real)) : 0;
    int enough = memory != 0;
    for (int64_t i = first; enough && i < stop; i++) {
        NAME(of_signal)(p, memory, given, i, arrays);
        for (int64_t k = 0; enough && k < p->count; k++)
            enough = NAME(perform)(p->steps + k, arrays, 0, p->steps[k].units);
    }
    give_back(before);
    return enough;
}

/* The same by a team: signals one after the other. */
typedef struct {
    const Program *program;
    real *const *given;
    real **arrays; /* of this thread */
    int64_t signal;
} NAME(Together);
#define Together NAME(Together)

static int64_t NAME(program_units)(void *of, int64_t at, int64_t *grain)
{
    const Program *p = ((Together *)of)->program;
    const Step *s = p->steps + at % p->count;
    *grain = s->grain;
    return s->units;
}

static int NAME(program_units_done)(void *of, void *memory, int64_t at, int64_t first, int64_t stop)
{
    Together *o = of;
    const Program *p = o->program;
    if (at / p->count != o->signal) {
        o->signal = at / p->count;
        NAME(of_signal)(p, memory, o->given, o->signal, o->arrays);
    }
    return NAME(perform)(p->steps + at % p->count, o->arrays, first, stop);
}

/* Signals 0 … signals−1, by all threads that make this call. */
static int NAME(program_shared)(const Program *p, Team *team, real *const *given, int64_t signals, int leads)
{
    const Mark before = mark();
    Together of = {p, given, take((p->arrays + 1) * sizeof(real *)), -1};
    const Job job = {signals * p->count, &of, NAME(program_units), NAME(program_units_done)};
    void *memory = leads && of.arrays ? take((p->memory + 1) * sizeof(real)) : 0;
    const int done = work_together(team, &job, memory, leads, of.arrays != 0);
    give_back(before);
    return done;
}
