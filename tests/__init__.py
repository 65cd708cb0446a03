"""Tests of groupscat; `oracle.py` holds the definition that the operators are compared with."""
