"""The road's tests run the command line as a person does (``tests/running.py``)."""

from __future__ import annotations

from tests.running import Ran, lesiontrack

__all__ = ["Ran", "lesiontrack"]
