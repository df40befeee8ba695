"""Lesions at several visits to links, tracks, fates and the ledger of the missing."""

from lesiontrack.link.chain import Tracking, chain
from lesiontrack.link.regroup import Regrouper
from lesiontrack.link.settings import LinkSettings

__all__ = ["LinkSettings", "Regrouper", "Tracking", "chain"]
