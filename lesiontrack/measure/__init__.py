"""Mask to lesions: diameters, touching lesions, site, measurability, certainty and count."""

from lesiontrack.measure.count import Count, count
from lesiontrack.measure.diameter import Diameters, longest_diameters, tenth_mm
from lesiontrack.measure.measurement import Measured, is_measurable, measure
from lesiontrack.measure.settings import MeasureSettings
from lesiontrack.measure.view import lesion_view, place_view, slice_view

__all__ = [
    "Count",
    "Diameters",
    "MeasureSettings",
    "Measured",
    "count",
    "is_measurable",
    "lesion_view",
    "longest_diameters",
    "measure",
    "place_view",
    "slice_view",
    "tenth_mm",
]
