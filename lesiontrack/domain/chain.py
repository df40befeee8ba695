"""Records that each carry the digest of the one before: what was written can neither be changed nor left out unseen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["canonical", "genesis", "seal"]


def canonical(record: Mapping[str, Any]) -> str:
    """Return a record as JSON on one line, the same text for the same values; NaN and infinities are refused."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def seal(previous: str, record: Mapping[str, Any]) -> str:
    """Return the digest (SHA-256, hexadecimal) of a record that follows the one with digest ``previous``."""
    return hashlib.sha256(f"{previous}\n{canonical(record)}".encode("ascii")).hexdigest()


def genesis(**what: str) -> str:
    """Return what the first record of a log follows: a digest of what the log is and whose."""
    return seal("", what)
