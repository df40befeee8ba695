"""How archives are read: visits, geometry tolerances, segmentations, and what labels and names mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from lesiontrack.domain.geometry import SegmentKind
from lesiontrack.domain.study import Site

__all__ = ["TRANSPORT", "ArchiveSettings", "LabelSettings", "Meaning"]

Meaning = tuple[SegmentKind, str | None, bool]
"""What a label stands for: its kind, its site where one is said, and whether it is one lesion."""


def _as_selection(value: object) -> object:
    """Accept one value where a list is meant."""
    if value is None:
        return ()
    return (value,) if isinstance(value, int | str) and not isinstance(value, bool) else value


def _checked(values: tuple[int | str, ...]) -> tuple[int | str, ...]:
    for value in values:
        if isinstance(value, int) and value < 1:
            raise ValueError(f"label {value}: 0 is background and labels are positive")
        if isinstance(value, str):
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"{value!r} is not a pattern: {error}") from error
    return values


Selection = Annotated[
    tuple[Annotated[int, Field(strict=True)] | str, ...], BeforeValidator(_as_selection), AfterValidator(_checked)
]

INSTANCES = "instances"

_SITES: Mapping[str, Site] = {
    "hepatic": Site.LIVER,
    "lung": Site.LUNG,
    "lymph_node": Site.LYMPH_NODE,
    "peritoneum": Site.PERITONEUM,
    "bone": Site.BONE,
    "adrenal": Site.ADRENAL,
    "brain": Site.BRAIN,
    "other": Site.OTHER,
}


class LabelSettings(BaseModel):
    """What labels (NIfTI, NRRD, MHA) and names (RTSTRUCT regions, segments, files of single masks) mean.

    Each entry is a label value, a list of them, or a case-insensitive pattern that is searched in names;
    ``"instances"`` says that each label that no other entry names is one lesion of that site.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    liver: Selection = Field((), description="The liver. Values or name patterns; no default, segmenters differ.")
    hepatic: Selection = Field((), description="Liver lesions. Values, name patterns, or 'instances'.")
    lung: Selection = Field((), description="Lung lesions. Values, name patterns, or 'instances'.")
    lymph_node: Selection = Field((), description="Nodal lesions. Values, name patterns, or 'instances'.")
    peritoneum: Selection = Field((), description="Peritoneal lesions. Values, name patterns, or 'instances'.")
    bone: Selection = Field((), description="Bone lesions. Values, name patterns, or 'instances'.")
    adrenal: Selection = Field((), description="Adrenal lesions. Values, name patterns, or 'instances'.")
    brain: Selection = Field((), description="Brain lesions. Values, name patterns, or 'instances'.")
    other: Selection = Field((), description="Lesions elsewhere. Values, name patterns, or 'instances'.")
    ablation_zone: Selection = Field(
        (r"ablat(ion|ed)|treat(ed|ment)[ _-]*(zone|site|area)",),
        description="Treated zones, never lesions. The default pattern holds the usual English names; it also applies "
        "to the segment labels of DICOM SEG.",
    )

    @model_validator(mode="after")
    def _unambiguous(self) -> LabelSettings:
        instances = [name for name in _SITES if INSTANCES in getattr(self, name)]
        if len(instances) > 1:
            raise ValueError(f"'instances' can be said of one entry only, not of {' and '.join(instances)}")
        if INSTANCES in self.liver or INSTANCES in self.ablation_zone:
            raise ValueError("'instances' can be said of lesions only")
        seen: dict[int, str] = {}
        for name in ("liver", "ablation_zone", *_SITES):
            for value in getattr(self, name):
                if isinstance(value, int) and seen.setdefault(value, name) != name:
                    raise ValueError(f"label {value} stands both in {seen[value]} and in {name}")
        return self

    @property
    def is_set(self) -> bool:
        """Whether the settings give any label a meaning; without that a label map says nothing."""
        return self.names_liver or any(getattr(self, name) for name in _SITES)

    @property
    def names_liver(self) -> bool:
        """Whether the settings say which label is the liver."""
        return bool(self.liver)

    def is_zone_name(self, name: str) -> bool:
        """Tell whether a segment's name marks a treated zone."""
        return _matches(self.ablation_zone, name)

    def meaning_of_label(self, value: int, name: str = "") -> Meaning | None:
        """Return what a label stands for; None for a structure that is of no interest.

        A pattern that matches the label's name, where the file names its labels (``.seg.nrrd``), goes before its value:
        values follow the order in which segments were drawn and differ between visits.
        """
        named = self.meaning_of_pattern(name) if name else None
        if named is not None:
            return named
        if value in self.ablation_zone:
            return (SegmentKind.ABLATION_ZONE, None, False)
        if value in self.liver:
            return (SegmentKind.LIVER, None, False)
        for entry, site in _SITES.items():
            if value in getattr(self, entry):
                return (SegmentKind.LESION, site, False)
        return self._instance()

    def meaning_of_name(self, name: str) -> Meaning | None:
        """Return what a region's name stands for, "instances" included; None for what is of no interest."""
        return self.meaning_of_pattern(name) or self._instance()

    def meaning_of_pattern(self, name: str) -> Meaning | None:
        """Return what the first matching pattern says of a name; zones go before lesions, and lesions before the liver.

        "Liver lesion 3" is a lesion though a liver pattern may match it too.
        """
        if self.is_zone_name(name):
            return (SegmentKind.ABLATION_ZONE, None, False)
        for entry, site in _SITES.items():
            if _matches(getattr(self, entry), name):
                return (SegmentKind.LESION, site, False)
        if _matches(self.liver, name):
            return (SegmentKind.LIVER, None, False)
        return None

    def _instance(self) -> Meaning | None:
        for entry, site in _SITES.items():
            if INSTANCES in getattr(self, entry):
                return (SegmentKind.LESION, site, True)
        return None


def _matches(selection: tuple[int | str, ...], name: str) -> bool:
    return any(
        isinstance(value, str) and value != INSTANCES and re.search(value, name, re.IGNORECASE) for value in selection
    )


TRANSPORT = frozenset({"dicomweb_timeout_s", "dicomweb_attempts", "dicomweb_least_bytes_per_s"})
"""Settings of the archive that say how it is asked; no result depends on them."""


class ArchiveSettings(BaseModel):
    """How an archive becomes subjects, visits, volumes and segmentations."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: str = Field(
        "",
        description="Where the images lie, when not in the study's images/ folder: a folder, relative to the study, or "
        "a DICOMweb archive: dicomweb+https://host/path, dicomweb+http://host/path. Its credentials stand in the "
        "environment and nowhere else: LESIONTRACK_DICOMWEB_USER and LESIONTRACK_DICOMWEB_PASSWORD, or "
        "LESIONTRACK_DICOMWEB_TOKEN (bearer).",
    )
    dicomweb_timeout_s: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="How long a DICOMweb server may be silent before a request has failed, seconds.",
    )
    dicomweb_least_bytes_per_s: float = Field(
        1000.0,
        ge=0,
        description="An answer that brings fewer bytes a second, on average over the length of the time-out, has "
        "failed as if it were silent; 0: none is too slow.",
    )
    dicomweb_attempts: int = Field(
        5, ge=1, le=20, description="How often a request is made that fails for a passing reason; waits from 0.5 s up."
    )
    visit_window_days: int = Field(
        14, ge=0, le=90, description="Longest time between the first and last study of a visit, days (RECIST practice)."
    )
    segmentation_source: Selection = Field(
        (),
        description="Which of rival lesion segmentations counts: patterns, best first, searched in the segmentation's "
        "series description, content label, creator, manufacturer, algorithm, UIDs and file name. Empty: rivals "
        "make the visit unusable, because no rule can tell which one is meant.",
    )
    series_preference: Selection = Field(
        (),
        description="Which of rival series of one visit is measured, where several show liver lesions or fit one label "
        "map: patterns, best first, searched in 'MODALITY PHASE SERIES_UID', as in 'CT PORTAL_VENOUS 1.2.3'. What "
        "none of them matches comes after, in the order: modality of the baseline, portal venous, thin slices.",
    )
    fractional_threshold: float = Field(
        0.5, gt=0, le=1, description="A fractional segment marks a voxel from this share on; one half keeps the volume."
    )
    minimum_slices: int = Field(
        3, ge=2, le=100, description="A volume has at least so many slices; with 3 the spacing can be checked."
    )
    position_tolerance_mm: float = Field(
        0.2, gt=0, le=0.5, description="How far a slice may lie off the regular grid, mm; rounding of headers is less."
    )
    missing_slices: Literal["refuse", "resample"] = Field(
        "refuse",
        description="A series with gaps or uneven spacing is refused, or resampled linearly along the slices with "
        "a note; lengths across a gap are guesses, so the default refuses.",
    )
    modality: Literal["auto", "CT", "MR"] = Field(
        "auto", description="Modality of NIfTI, NRRD and MHA volumes; auto: by name, else by values below -200."
    )
