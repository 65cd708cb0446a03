"""Compiled kernels for CPUs: Fourier transforms, wavelet moduli and averages that never leave the cache."""
