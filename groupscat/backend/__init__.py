"""Backends: the protocol, the registry, and NumPy."""

from groupscat.backend.base import COMPOSITES, Array, Backend
from groupscat.backend.registry import backend_names, backend_of, default_backend, get_backend

__all__ = ["COMPOSITES", "Array", "Backend", "backend_names", "backend_of", "default_backend", "get_backend"]
