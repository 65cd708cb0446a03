/* Kernels of groupscat for CPUs: C11 with the vector types of GCC and Clang; GS_BYTES is the length of a vector.
 * All functions are pure, hold no lock, and return 0 where memory ran out. Those that work take a stack first.
 * Lengths and places are int64_t: a long has 32 bits on Windows. */

#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef GS_BYTES
#define GS_BYTES 32
#endif
#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
#ifdef _WIN32
__declspec(dllimport) int __stdcall SwitchToThread(void);
#define give_way() SwitchToThread()
#else
#include <sched.h>
#define give_way() sched_yield()
#endif
#define PI 3.14159265358979323846

enum { MODULI, RESPONSES, REAL_PARTS }; /* what is made of responses */
enum { INSIDE, ALONE, ADDED }; /* a window is read, written to zeros, or added to what is there */
enum { REAL, IMAGINARY, COMPLEX, NONE }; /* filters: h, i·h, complex, or 1 */
enum { ADD = 1, HALF = 2 }; /* to a spectrum: add; write only the bins 0 … n/2 of the last axis */
#define CACHE (256 << 10) /* bytes of arrays that are transformed side by side */
#define LANES_BYTES (16 << 10) /* bytes of columns that are transformed in turn */
#define LEAST (1 << 18)   /* bytes of a piece of the stack */
#define SHARED (64 << 10) /* bytes of a response from which on it is one of all threads */
#define ROWS 16 /* that a thread of a team takes at once where they are only copied */
#define AHEAD 4 /* rows that are asked for before they are needed */
#define ALIASES 4096 /* the most that are added up in one sample */

/* A stack of memory that callers keep from call to call: fresh pages cost more than the work on them. What `take`
 * gave is given back by returning to an earlier `mark`. One call uses a stack at a time. */

#define CHUNKS 64

typedef struct {
    int chunk;
    size_t used;
} Mark;

typedef struct {
    char *memory[CHUNKS];
    size_t bytes[CHUNKS];
    Mark top;
} Stack;

static _Thread_local Stack *stack; /* that of the call at work in this thread */

static Mark mark(void) { return stack->top; }

static void give_back(Mark m) { stack->top = m; }

/* Aligned memory, or NULL. */
static void *take(size_t bytes)
{
    bytes = (bytes + 127) / 64 * 64;
    int c = stack->top.chunk;
    size_t used = stack->top.used;
    while (c < CHUNKS && used + bytes > stack->bytes[c]) {
        if (used == 0) { /* nobody uses it, and it is too small */
            free(stack->memory[c]);
            const size_t size = bytes + 64 > LEAST ? bytes + 64 : LEAST;
            stack->memory[c] = malloc(size);
            stack->bytes[c] = stack->memory[c] ? size - 64 : 0;
            if (!stack->memory[c])
                return 0;
        } else
            c++, used = 0;
    }
    if (c == CHUNKS)
        return 0;
    stack->top.chunk = c, stack->top.used = used + bytes;
    return (char *)(((uintptr_t)stack->memory[c] + 63) & ~(uintptr_t)63) + used;
}

EXPORT Stack *groupscat_stack_new(void) { return calloc(1, sizeof(Stack)); }

EXPORT void groupscat_stack_free(Stack *s)
{
    for (int c = 0; s && c < CHUNKS; c++)
        free(s->memory[c]);
    free(s);
}

/* Gives the memory of a stack that nobody uses back to the system where it is more than `most` bytes. */
EXPORT void groupscat_stack_trim(Stack *s, int64_t most)
{
    size_t bytes = 0;
    for (int c = 0; c < CHUNKS; c++)
        bytes += s->bytes[c];
    for (int c = 0; c < CHUNKS && bytes > (size_t)most; c++) {
        free(s->memory[c]);
        s->memory[c] = 0, s->bytes[c] = 0;
    }
}

/* Which of the libraries this processor can run: 0 any, 1 AVX2 with FMA, 2 AVX-512. */
EXPORT int32_t groupscat_level(void)
{
#if defined(__x86_64__) || defined(_M_X64)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2"))
        return 0;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl")
               ? 2
               : 1;
#else
    return 0;
#endif
}

#include "team.h"

enum { /* steps of a program: in the order of program.py */
    PAD, PAD_VJP, SPECTRUM, TRANSFORM, REAL_BACK, BANDPASS, BANDPASS_VJP, BANDPASS_VJP_SHARED, LOWPASS, LOWPASS_VJP,
    ALONG, ALONG_VJP, ANGULAR, ANGULAR_VJP, MIX, HARMONIC, HARMONIC_VJP, HALF_BACK, POWER, POWER_LOWPASS, POWER_VJP, SUM, TAKE, COPY, CLEAR
};

enum { /* stages of a tree by a team */
    SIGNAL_PADDED, SIGNAL_ROWS, SIGNAL_COLUMNS, SIGNAL_WHOLE, SIGNAL_BRANCHES,
    RESPONSE_COLUMNS, RESPONSE_ROWS, MODULI_COLUMNS, MODULI_BRANCHES, STAGES,
    OF_RESPONSE = RESPONSE_COLUMNS
};

#define real float
#define SQRT sqrtf
#define ABS fabsf
#define POW powf
#define NAME(x) x##_float32
#define EXPORTED(x) groupscat_##x##_float32
#if GS_BYTES == 32
#define GS_LANES 8
#else
#define GS_LANES 4
#endif
#include "typed.h"
#undef real
#undef SQRT
#undef ABS
#undef POW
#undef NAME
#undef EXPORTED
#undef GS_LANES

#define real double
#define SQRT sqrt
#define ABS fabs
#define POW pow
#define NAME(x) x##_float64
#define EXPORTED(x) groupscat_##x##_float64
#if GS_BYTES == 32
#define GS_LANES 4
#else
#define GS_LANES 2
#endif
#include "typed.h"
