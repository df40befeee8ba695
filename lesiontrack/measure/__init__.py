"""Mask to lesions: diameters, touching lesions, site, measurability, certainty and count."""

from lesiontrack.measure.count import Count, count
from lesiontrack.measure.diameter import Diameters, longest_diameters, tenth_mm
from lesiontrack.measure.measurement import Measured, measure
from lesiontrack.measure.settings import MeasureSettings

__all__ = [
    "Count",
    "Diameters",
    "MeasureSettings",
    "Measured",
    "count",
    "longest_diameters",
    "measure",
    "tenth_mm",
]
