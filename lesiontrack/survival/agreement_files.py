"""Agreement of the readers of a cohort, written: document, table, figures with the numbers behind them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from lesiontrack.review.agreement_settings import AgreementSettings
from lesiontrack.survival.agreement_figures import write_agreement_figures
from lesiontrack.survival.agreement_record import agreement_document, agreement_table, pairs_of
from lesiontrack.survival.readings import Case
from lesiontrack.survival.settings import SurvivalSettings

__all__ = ["write_agreement"]

_UNSAFE = re.compile(r"[^A-Za-z0-9-]+")


def write_agreement(
    cases: Iterable[Case], folder: Path, agreement: AgreementSettings, survival: SurvivalSettings
) -> list[Path]:
    """Write ``agreement.json``, ``agreement.csv`` and the figures of each pair of readers; nothing without a pair.

    Parameters
    ----------
    cases
        Subjects read by two readers or more.
    folder
        Made if need be.
    """
    pairs = pairs_of(cases, agreement, level=survival.confidence_level)
    if not pairs:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    document = agreement_document(pairs, level=survival.confidence_level)
    stems: dict[str, str] = {}
    for number, (pair, block) in enumerate(zip(pairs, document["pairs"], strict=True), start=1):
        stem = "_".join(_UNSAFE.sub("-", reader) for reader in ("agreement", *pair.readers))
        if stem.lower() in stems:
            stem = f"{stem}_{number}"
        stems[stem.lower()] = block["figures"] = stem
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "agreement.json").write_text(text + "\n", encoding="utf-8")
    table = agreement_table(pairs)
    table.to_csv(folder / "agreement.csv", index=False, lineterminator="\n", float_format="%.15g")
    written = [folder / "agreement.json", folder / "agreement.csv"]
    for pair, block in zip(pairs, document["pairs"], strict=True):
        written += write_agreement_figures(pair, folder, block["figures"], survival)
    return written
