/* Solid harmonics: fields of a spectrum and their modulus. */

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
