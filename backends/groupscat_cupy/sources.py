"""The CUDA sources of the kernels, as text.

Plain CUDA C++ without includes: a number is ``T``, a complex number ``Z``, both replaced by text, so that any
compiler can check them. All arrays are C-contiguous. Threads lie along the samples of one signal (x) and
along signals (y), so that no index is divided in 64 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Signals and filters per thread: each sample read is used that often from registers.
ROWS, FILTERS = 2, 4
C_TYPES = {"float32": "float", "float64": "double"}

_HEAD = """
typedef {T} T;
struct alignas({bytes}) Z {{ T re, im; }};
#define ROWS {rows}
#define FILTERS {filters}
"""

# out[r, p, u] = Σ_k spectrum[r, window(k, u)] filters[k, p, u]: position w = b·n + u of block b on an axis is
# the sample w + s_i of the spectrum, i being the segment that w lies in, which ends at e_i.
_LOCATE = """
__device__ __forceinline__ int locate(int w, int e0, int e1, int e2, int s0, int s1, int s2, int s3)
{
    return w + (w < e0 ? s0 : w < e1 ? s1 : w < e2 ? s2 : s3);
}
"""
_BANDPASS = """
extern "C" __global__ void bandpass_{d}(
    const Z* __restrict__ spectrum, const T* __restrict__ filters, Z* __restrict__ out,
    long long rows, int count, long long filter_stride, {axes})
{{
    const unsigned n = {n};
    const long long size = {size};
    const long long row_step = (long long)gridDim.y * blockDim.y * ROWS;
    for (long long r0 = ((long long)blockIdx.y * blockDim.y + threadIdx.y) * ROWS; r0 < rows; r0 += row_step)
    for (unsigned u = blockIdx.x * blockDim.x + threadIdx.x; u < n; u += gridDim.x * blockDim.x) {{
        unsigned rest = u;
        {positions}
        for (int p0 = blockIdx.z * FILTERS; p0 < count; p0 += gridDim.z * FILTERS) {{
            T re[ROWS][FILTERS], im[ROWS][FILTERS];
            #pragma unroll
            for (int i = 0; i < ROWS; i++)
                #pragma unroll
                for (int p = 0; p < FILTERS; p++) re[i][p] = im[i][p] = 0;
            long long block = 0;
            {loops}
                Z z[ROWS];
                #pragma unroll
                for (int i = 0; i < ROWS; i++)
                    if (r0 + i < rows) z[i] = spectrum[(r0 + i) * size + {source}];
                    else z[i].re = z[i].im = 0;
                #pragma unroll
                for (int p = 0; p < FILTERS; p++) if (p0 + p < count) {{
                    const T psi = filters[block + (long long)(p0 + p) * n + u];
                    #pragma unroll
                    for (int i = 0; i < ROWS; i++) {{
                        re[i][p] += z[i].re * psi;
                        im[i][p] += z[i].im * psi;
                    }}
                }}
                block += filter_stride;
            {ends}
            #pragma unroll
            for (int i = 0; i < ROWS; i++)
                #pragma unroll
                for (int p = 0; p < FILTERS; p++)
                    if (r0 + i < rows && p0 + p < count) {{
                        Z y;
                        y.re = re[i][p];
                        y.im = im[i][p];
                        out[((r0 + i) * count + p0 + p) * n + u] = y;
                    }}
        }}
    }}
}}
"""

# out[r, m, u] = spectrum[r, u] filters[m, u], complex.
_MULTIPLY = """
extern "C" __global__ void multiply(
    const Z* __restrict__ spectrum, const Z* __restrict__ filters, Z* __restrict__ out,
    long long rows, int count, long long n)
{{
    const long long row_step = (long long)gridDim.y * blockDim.y;
    const long long step = (long long)gridDim.x * blockDim.x;
    for (long long r = (long long)blockIdx.y * blockDim.y + threadIdx.y; r < rows; r += row_step)
    for (long long u = (long long)blockIdx.x * blockDim.x + threadIdx.x; u < n; u += step) {{
        const Z z = spectrum[r * n + u];
        for (int m = blockIdx.z; m < count; m += gridDim.z) {{
            const Z psi = filters[m * n + u];
            Z y;
            y.re = z.re * psi.re - z.im * psi.im;
            y.im = z.re * psi.im + z.im * psi.re;
            out[(r * count + m) * n + u] = y;
        }}
    }}
}}
"""

# out[r, u] = √Σ_m |z[r, m, u]|²
_MODULUS = """
extern "C" __global__ void modulus(
    const Z* __restrict__ z, T* __restrict__ out, long long rows, int count, long long n)
{{
    const long long row_step = (long long)gridDim.y * blockDim.y;
    const long long step = (long long)gridDim.x * blockDim.x;
    for (long long r = (long long)blockIdx.y * blockDim.y + threadIdx.y; r < rows; r += row_step)
    for (long long u = (long long)blockIdx.x * blockDim.x + threadIdx.x; u < n; u += step) {{
        T squares = 0;
        for (int m = 0; m < count; m++) {{
            const Z y = z[(r * count + m) * n + u];
            squares += y.re * y.re + y.im * y.im;
        }}
        out[r * n + u] = sqrt(squares);
    }}
}}
"""

# out[r, u] = x[r, index_0[u_0], index_1[u_1], …], 0 where an index is negative; E is the type of an element.
_PAD = """
extern "C" __global__ void pad_{d}(
    const {E}* __restrict__ x, {E}* __restrict__ out, long long rows, {axes})
{{
    const unsigned n = {n};
    const long long size = {size};
    const long long row_step = (long long)gridDim.y * blockDim.y;
    for (unsigned u = blockIdx.x * blockDim.x + threadIdx.x; u < n; u += gridDim.x * blockDim.x) {{
        unsigned rest = u;
        {positions}
        {look_up}
        const bool inside = {inside};
        const long long from = {source};
        for (long long r = (long long)blockIdx.y * blockDim.y + threadIdx.y; r < rows; r += row_step) {{
            {E} value = {E}();
            if (inside) value = x[r * size + from];
            out[r * n + u] = value;
        }}
    }}
}}
"""

# out[r, k, u] = Σ_t x[r, stride·u + t − t₀] kernels[k, t] on a periodic grid.
_FILTERBANK = """
__device__ __forceinline__ int periodic(int i, int size)
{{
    i %= size;
    return i < 0 ? i + size : i;
}}
extern "C" __global__ void filterbank_{d}(
    const T* __restrict__ x, const T* __restrict__ kernels, T* __restrict__ out,
    long long rows, int count, int stride, {axes})
{{
    const unsigned n = {n};
    const long long size = {size};
    const int taps = {taps};
    const long long row_step = (long long)gridDim.y * blockDim.y;
    for (long long r = (long long)blockIdx.y * blockDim.y + threadIdx.y; r < rows; r += row_step)
    for (unsigned u = blockIdx.x * blockDim.x + threadIdx.x; u < n; u += gridDim.x * blockDim.x) {{
        unsigned rest = u;
        {positions}
        for (int k0 = blockIdx.z * FILTERS; k0 < count; k0 += gridDim.z * FILTERS) {{
            T y[FILTERS];
            #pragma unroll
            for (int k = 0; k < FILTERS; k++) y[k] = 0;
            const T* kernel = kernels + k0 * taps;
            {loops}
                const T value = x[r * size + {source}];
                #pragma unroll
                for (int k = 0; k < FILTERS; k++)
                    if (k0 + k < count) y[k] += value * kernel[k * taps];
                kernel++;
            {ends}
            #pragma unroll
            for (int k = 0; k < FILTERS; k++)
                if (k0 + k < count) out[(r * count + k0 + k) * n + u] = y[k];
        }}
    }}
}}
"""


def source(name: str, d: int, precision: str, is_complex: bool = False) -> str:
    """The CUDA source of a kernel for ``d`` axes.

    Parameters
    ----------
    name : a key of ``KERNELS``.
    precision : "float32" or "float64"; with ``is_complex`` the elements that "pad" moves are complex.
    """
    real = C_TYPES[precision]
    head = _HEAD.format(T=real, bytes=2 * np.dtype(precision).itemsize, rows=ROWS, filters=FILTERS)
    return head + KERNELS[name].format(E="Z" if is_complex else real, **_axes_of(name, d))


def _axes_of(name: str, d: int) -> dict[str, Any]:
    """What depends on the number of axes: parameters, indices and loops of axis a = 0 … d−1, as text."""
    axes = range(d)
    parameters = {
        "bandpass": "int size{a}, int n{a}, int fold{a}, int e{a}0, int e{a}1, int e{a}2, "
        "int s{a}0, int s{a}1, int s{a}2, int s{a}3",
        "pad": "const int* __restrict__ index{a}, int size{a}, int n{a}",
        "filterbank": "int size{a}, int n{a}, int taps{a}",
    }
    loops = {
        "bandpass": "for (int b{a} = 0; b{a} < fold{a}; b{a}++) {{ const int i{a} = locate("
        "b{a} * n{a} + (int)u{a}, e{a}0, e{a}1, e{a}2, s{a}0, s{a}1, s{a}2, s{a}3);",
        "filterbank": "for (int t{a} = 0; t{a} < taps{a}; t{a}++) {{ const int i{a} = periodic("
        "stride * (int)u{a} + t{a} - taps{a} / 2, size{a});",
    }
    index = "(long long)i0"  # row-major: (i0·size1 + i1)·size2 + i2
    for a in axes[1:]:
        index = f"({index}) * size{a} + i{a}"
    return {
        "d": d,
        "axes": ", ".join(parameters.get(name, "").format(a=a) for a in axes),
        "n": " * ".join(f"(unsigned)n{a}" for a in axes),
        "size": " * ".join(f"(long long)size{a}" for a in axes),
        "taps": " * ".join(f"taps{a}" for a in axes),
        "positions": " ".join(
            [f"const unsigned u{a} = rest % n{a}; rest /= n{a};" for a in reversed(axes[1:])]
            + ["const unsigned u0 = rest;"]
        ),
        "loops": " ".join(loops.get(name, "").format(a=a) for a in axes),
        "ends": "}" * d,
        "look_up": " ".join(f"const int i{a} = index{a}[u{a}];" for a in axes),
        "inside": " && ".join(f"i{a} >= 0" for a in axes),
        "source": f"({index})",
    }


#: The kernels by name: templates whose names end in the number of axes where they depend on it.
KERNELS = {
    "bandpass": _LOCATE.replace("{", "{{").replace("}", "}}") + _BANDPASS,
    "multiply": _MULTIPLY,
    "modulus": _MODULUS,
    "pad": _PAD,
    "filterbank": _FILTERBANK,
}
#: Those that are the same for any number of axes.
FLAT = ("multiply", "modulus")
