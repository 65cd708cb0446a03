"""groupscat on CuPy: the backend, found by its entry point, and its CUDA kernels."""
