/* What filters leave in the Nyquist bins alone: fields that alternate along an axis, by transforms of the faces n/2. */

/* Where the filters of the faces without an axis begin, and, from edge to edge, how far they are apart. */
static inline const real *NAME(face_filters)(const Solid *h, const Passes *p, int axis, int64_t *apart)
{
    const int64_t *n = h->s->size, begin[3] = {0, n[1] * n[2], n[1] * n[2] + n[0] * n[2]};
    *apart = 2 * (begin[2] + n[0] * n[1]);
    return p->edges + 2 * begin[axis];
}

/* How many bins of a row of a face are in a spectrum. */
static inline int64_t NAME(stored)(const Solid *h, int axis, const Face *f)
{
    return axis < 2 && h->wide < f->shape.last ? h->wide : f->shape.last;
}

/* The faces of all edges. */
static int NAME(edges_back)(const Solid *h, const real *spectrum, Passes *p)
{
    const int64_t *n = h->s->size, tile = h->lanes / n[0];
    for (int axis = 0; h->edges && axis < 3; axis++) {
        const Face f = NAME(face)(h, axis);
        real *bins = p->complex, *z = bins + 2 * f.total;
        int64_t apart;
        const real *filter = NAME(face_filters)(h, p, axis, &apart);
        for (int64_t j = 0; j < f.shape.rows; j++)
            for (int64_t k = 0; k < f.shape.last; k++) {
                const int there = k < NAME(stored)(h, axis, &f); /* or the conjugate of the opposite bin */
                const int64_t row = there ? j : (f.shape.rows - j) % f.shape.rows, column = there ? k : f.shape.last - k;
                const real *x = spectrum + 2 * (f.from + row * f.row + column * f.column);
                bins[2 * (j * f.shape.last + k)] = x[0];
                bins[2 * (j * f.shape.last + k) + 1] = there ? x[1] : -x[1];
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
                if (!NAME(transform)(&f.shape, z, z, 1, RESPONSES, 0, 1))
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
        const Face f = NAME(face)(h, axis);
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
            if (!NAME(transform)(&f.shape, z, z, 0, RESPONSES, 0, 1))
                return 0;
            for (int64_t k = 0; k < 2 * f.total; k += 2) {
                bins[k] += filter[k] * z[k] + filter[k + 1] * z[k + 1];
                bins[k + 1] += filter[k] * z[k + 1] - filter[k + 1] * z[k];
            }
        }
        for (int64_t j = 0; j < f.shape.rows; j++)
            for (int64_t k = 0; k < NAME(stored)(h, axis, &f); k++) {
                real *to = spectrum + 2 * (f.from + j * f.row + k * f.column);
                to[0] += bins[2 * (j * f.shape.last + k)], to[1] += bins[2 * (j * f.shape.last + k) + 1];
            }
    }
    return 1;
}
