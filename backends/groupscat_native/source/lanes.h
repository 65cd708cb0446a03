/* Vectors of GS_BYTES bytes, for `real` = float or double (GS_LANES numbers), and how they are turned.
 *
 * Everything is computed on "lanes": a vector holds the same sample of GS_LANES independent transforms, so
 * that a Fourier transform needs no shuffles. Only where data enter and leave is a square of numbers turned. */

#define LANES GS_LANES
typedef real NAME(vec) __attribute__((vector_size(GS_BYTES), may_alias));
typedef real NAME(loose) __attribute__((vector_size(GS_BYTES), may_alias, aligned(sizeof(real))));
#define vec NAME(vec)
#define loose NAME(loose)

static inline vec NAME(load)(const real *p) { return (vec) * (const loose *)p; }
static inline void NAME(store)(real *p, vec x) { *(loose *)p = (loose)x; }
static inline vec NAME(all)(real x) { return x - (vec){0}; }
#define load NAME(load)
#define store NAME(store)
#define all NAME(all)

static inline vec NAME(root)(vec x)
{
    vec y;
    for (int i = 0; i < LANES; i++)
        y[i] = SQRT(x[i]);
    return y;
}
#define root NAME(root)

#if GS_LANES == 8
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODD(a, b) __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#define REVERSE(a) __builtin_shufflevector(a, a, 7, 6, 5, 4, 3, 2, 1, 0)
#elif GS_LANES == 4
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6)
#define ODD(a, b) __builtin_shufflevector(a, b, 1, 3, 5, 7)
#define REVERSE(a) __builtin_shufflevector(a, a, 3, 2, 1, 0)
#elif GS_LANES == 2
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 2)
#define HIGH(a, b) __builtin_shufflevector(a, b, 1, 3)
#define EVEN(a, b) LOW(a, b)
#define ODD(a, b) HIGH(a, b)
#define REVERSE(a) __builtin_shufflevector(a, a, 1, 0)
#endif

/* The square x[i][j] becomes x[j][i]: interleaving halves log2(LANES) times. */
static inline __attribute__((always_inline)) void NAME(turn)(vec *x)
{
    for (int step = 1; step < LANES; step *= 2) {
        vec y[LANES];
        for (int i = 0; i < LANES / 2; i++) {
            y[2 * i] = LOW(x[i], x[i + LANES / 2]);
            y[2 * i + 1] = HIGH(x[i], x[i + LANES / 2]);
        }
        for (int i = 0; i < LANES; i++)
            x[i] = y[i];
    }
}
#define turn NAME(turn)
