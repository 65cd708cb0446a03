"""Pickles of plain data are read, and nothing that they call is called."""

from __future__ import annotations

import contextlib
import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupscat.datasets import plain_pickle
from groupscat.datasets.plain_pickle import read_plain
from groupscat.errors import DataError


class _Calls:
    """Pickled as a call."""

    def __init__(self, call, *arguments):
        self.call = call, arguments

    def __reduce__(self):
        return self.call


class TestPlainPickle:
    @given(st.dictionaries(st.text(), st.lists(st.integers(-(2**40), 2**40))), st.sampled_from([2, 3, 4]))
    def test_round_trip(self, value, protocol):
        assert read_plain(pickle.dumps(value, protocol), "x") == value

    @pytest.mark.parametrize("dtype", ["uint8", "<i4", ">i4", "float64", ">f4", "bool"])
    @pytest.mark.parametrize("protocol", [2, 3, 4])
    def test_arrays(self, dtype, protocol):
        for order in "CF":
            x = np.arange(6).reshape(2, 3).astype(dtype, order=order)
            found = read_plain(pickle.dumps({"x": x}, protocol), "x")["x"]
            np.testing.assert_array_equal(found, x)
            assert found.dtype == x.dtype

    @pytest.mark.parametrize(
        "call",
        [
            (os.system, "exit 1"),
            (eval, "1"),
            (print,),
            (getattr, 1, "real"),
            (open, "x"),
            (np.load, "x"),
            (np.frombuffer, b"1"),
            (bytearray, 10),
        ],
    )
    def test_nothing_else_is_called(self, call, capsys):
        with pytest.raises(DataError, match=r"it calls \w+(\.\w+)*, and only arrays"):
            read_plain(pickle.dumps({"x": _Calls(*call)}), "x")
        assert not capsys.readouterr().out

    @pytest.mark.parametrize(
        "value", [np.array([{}], object), np.zeros(2, "S3"), np.zeros(2, "i4,i4"), {1}, 3]
    )
    def test_other_values(self, value):
        with pytest.raises(DataError):
            read_plain(pickle.dumps(value if isinstance(value, int) else {"x": value}, 2), "x")

    def test_lengths_of_arrays_are_checked(self):
        good = pickle.dumps({"x": np.zeros(3, np.uint8)}, 2)
        assert good.count(b"K\x03\x85") == 1
        with pytest.raises(DataError, match=r"an array of shape \(200,\) and 3 bytes"):
            read_plain(good.replace(b"K\x03\x85", b"K\xc8\x85"), "x")

    def test_stand_ins_cannot_be_changed(self):
        """BUILD on a global sets its attributes, unless that has a way of its own."""
        before = {key: dict(getattr(value, "__dict__", {})) for key, value in plain_pickle.STAND_INS.items()}
        for module, name in plain_pickle.STAND_INS:
            for state in (b"}U\x01aK\x01s", b"N}U\x01aK\x01s\x86"):
                code = b"\x80\x02c" + module.encode() + b"\n" + name.encode() + b"\n" + state + b"b."
                with pytest.raises(DataError):
                    read_plain(code, "x")
        after = {key: dict(getattr(value, "__dict__", {})) for key, value in plain_pickle.STAND_INS.items()}
        assert after == before

    @given(st.binary(max_size=60))
    def test_any_bytes_are_read_or_refused(self, content):
        with contextlib.suppress(DataError):
            assert isinstance(read_plain(content, "x"), dict)
