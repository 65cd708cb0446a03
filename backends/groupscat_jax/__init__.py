"""The JAX plug-in: a backend for jax.Array, under jit, vmap and grad."""
