"""Covariates as columns of numbers: groups and factors against a reference level, numbers as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lesiontrack.survival.intake import EndpointData, level_labels
from lesiontrack.survival.sample import BoolArray, FloatArray, IntArray

__all__ = ["Design", "adjusted_design", "indicators", "stratum_codes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A design matrix.

    Parameters
    ----------
    terms
        (p,) names, ``<column><level>`` for a level of a factor.
    x
        (n, p) values of the rows that are kept.
    keep
        (all rows,) rows without a missing covariate.
    references
        Reference level of each factor, by column.
    """

    terms: tuple[str, ...]
    x: FloatArray
    keep: BoolArray
    references: dict[str, str]


def indicators(codes: IntArray, levels: tuple[int, ...]) -> FloatArray:
    """Return one 0/1 column for each of ``levels`` ((n,) -> (n, k))."""
    return np.asarray(codes[:, None] == np.asarray(levels, dtype=np.int64)[None, :], dtype=np.float64)


def stratum_codes(column: pd.Series[Any]) -> tuple[IntArray, BoolArray]:
    """Return each row's stratum 0..s-1 (-1 where missing) and which rows have one."""
    codes, _ = pd.factorize(column, sort=False)
    return codes.astype(np.int64), codes >= 0


def adjusted_design(data: EndpointData, by: str | None, adjust: tuple[str, ...], reference: int | None) -> Design:
    """Return the group (against ``reference``) and the covariates ``adjust`` as one matrix.

    Text, booleans and categories are factors whose first level in sorted order is the reference; numbers enter
    linearly. Levels that no kept row has are left out.
    """
    keep = np.ones(data.sample.n, dtype=bool)
    for column in adjust:
        keep &= data.covariates[column].notna().to_numpy()
    terms: list[str] = []
    columns: list[FloatArray] = []
    references: dict[str, str] = {}
    if by is not None and reference is not None:
        references[by] = data.labels[reference]
        for level in range(len(data.labels)):
            if level != reference and bool((data.group[keep] == level).any()):
                terms.append(f"{by}{data.labels[level]}")
                columns.append((data.group[keep] == level).astype(np.float64))
    for column in adjust:
        if column == by:
            continue
        values = data.covariates.loc[keep, column]
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            terms.append(column)
            columns.append(values.to_numpy(dtype=np.float64))
            continue
        text = values.astype(str).to_numpy()
        levels = level_labels(values.astype(str))
        references[column] = levels[0] if levels else ""
        terms += [f"{column}{level}" for level in levels[1:]]
        columns += [(text == level).astype(np.float64) for level in levels[1:]]
    x = np.column_stack(columns) if columns else np.zeros((int(keep.sum()), 0))
    return Design(terms=tuple(terms), x=x, keep=keep, references=references)
