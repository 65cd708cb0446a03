"""Signals longer than memory: an operator in time applied a window at a time, with the same coefficients."""

from groupscat.streaming.reach import error_bound, reach
from groupscat.streaming.windows import Stream, stream

__all__ = ["Stream", "error_bound", "reach", "stream"]
