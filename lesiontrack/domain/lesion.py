"""Lesion, TreatedZone, Link, Track: what is seen in a visit, and what is the same through time."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from lesiontrack.domain.study import Compartment, LocalTreatment, compartment_of
from lesiontrack.errors import ReadsError

__all__ = [
    "Certainty",
    "Fate",
    "Lesion",
    "LesionStatus",
    "Link",
    "LinkKind",
    "Missing",
    "MissingState",
    "Role",
    "Track",
    "TreatedZone",
]

PointLps = tuple[float, float, float]


class Role(StrEnum):
    """What a lesion is to RECIST."""

    TARGET = "TARGET"
    NON_TARGET = "NON_TARGET"
    NEW = "NEW"


class LesionStatus(StrEnum):
    """State of a lesion that is seen; TSTM is too small to measure."""

    PRESENT = "PRESENT"
    TSTM = "TSTM"


class Certainty(StrEnum):
    """How sure it is that a mask component is exactly one lesion."""

    CERTAIN = "CERTAIN"
    PROBABLE = "PROBABLE"
    CONFLUENT = "CONFLUENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """One lesion in one scan.

    Attributes
    ----------
    lesion_id
        Positive number, unique in the visit; the value in the visit's lesion label map.
    centroid_lps_mm
        In the scan's own patient coordinates.
    longest_diameter_mm, short_axis_mm
        Axial, rounded once to 0.1 mm when measured; decimals because they decide categories.
    diameter_ends_lps_mm
        The two end points of the longest diameter.
    sop_instance_uid
        Of the slice that holds the longest diameter; empty where the source has none.
    measurable
        By RECIST size and slice thickness (response rules, section 2).
    tracked
        ``tracking_uid`` is the answer of an earlier run or its readers, not a segmenter's word (`Segment.tracked`).
    max_components
        How many lesions the mask may be at most; above 1 when confluent.
    """

    timepoint: int
    lesion_id: int
    series_uid: str
    date: dt.date
    site: str
    centroid_lps_mm: PointLps
    longest_diameter_mm: Decimal
    short_axis_mm: Decimal
    volume_mm3: float
    measurable: bool
    status: LesionStatus = LesionStatus.PRESENT
    sop_instance_uid: str = ""
    diameter_ends_lps_mm: tuple[PointLps, PointLps]
    short_axis_ends_lps_mm: tuple[PointLps, PointLps] | None = None
    slice_index: int = 0
    n_slices: int = 1
    slice_thickness_mm: float | None = None
    tracking_uid: str | None = None
    tracked: bool = False
    certainty: Certainty = Certainty.CERTAIN
    max_components: int = 1
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.lesion_id < 1:
            raise ReadsError("lesion numbers start at 1", visit=str(self.timepoint), found=str(self.lesion_id))
        if self.longest_diameter_mm < 0 or self.short_axis_mm < 0:
            raise ReadsError("negative diameter", visit=str(self.timepoint), found=str(self.longest_diameter_mm))

    @property
    def compartment(self) -> Compartment:
        """Hepatic or extrahepatic, by site."""
        return compartment_of(self.site)

    @property
    def radius_mm(self) -> float:
        """Radius of the sphere of equal volume, mm."""
        return float((3.0 * self.volume_mm3 / (4.0 * 3.141592653589793)) ** (1.0 / 3.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class TreatedZone:
    """A treated site as segmented in one scan (an ablation zone): never a lesion, never summed."""

    timepoint: int
    zone_id: int
    series_uid: str
    centroid_lps_mm: PointLps
    volume_mm3: float
    longest_diameter_mm: Decimal

    @property
    def radius_mm(self) -> float:
        """Radius of the sphere of equal volume, mm."""
        return float((3.0 * self.volume_mm3 / (4.0 * 3.141592653589793)) ** (1.0 / 3.0))


class LinkKind(StrEnum):
    """How two lesions of two visits belong together."""

    SAME = "SAME"
    SPLIT = "SPLIT"
    MERGE = "MERGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One lesion seen again at a later visit.

    ``distance_mm`` is between the projected earlier centroid and the later one; ``confidence`` is the probability
    that the link is right, 0 to 1.
    """

    timepoint_from: int
    lesion_from: int
    timepoint_to: int
    lesion_to: int
    kind: LinkKind
    distance_mm: float
    confidence: float
    author: str = "machine"


class Fate(StrEnum):
    """What became of a track by the last usable visit."""

    PERSISTS = "PERSISTS"
    DISAPPEARED = "DISAPPEARED"
    MERGED = "MERGED"
    RESECTED = "RESECTED"
    ABLATED = "ABLATED"
    IRRADIATED = "IRRADIATED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One lesion through time.

    Attributes
    ----------
    track_id
        ``L01``, ``L02``, ... unique in the subject.
    tracking_uid
        DICOM tracking UID, the same on every rerun over the same data.
    lesions
        (timepoint, lesion_id) in time order; a timepoint occurs more than once when the lesion is in fragments.
    fate
        At the last usable visit.
    treatments
        Local treatments of this lesion, in date order.
    parent_track_id
        The track that this one split from, where a fragment is followed on its own.
    merged_into
        The track that this one coalesced into.
    reasons
        Why ``needs_review`` is set.
    recurrence_of
        The track began within the stated distance of this other track's treated site.
    """

    track_id: str
    tracking_uid: str
    site: str
    lesions: tuple[tuple[int, int], ...]
    fate: Fate
    needs_review: bool = False
    treatments: tuple[LocalTreatment, ...] = ()
    parent_track_id: str | None = None
    merged_into: str | None = None
    reasons: tuple[str, ...] = ()
    recurrence_of: str | None = None

    def __post_init__(self) -> None:
        if not self.lesions:
            raise ReadsError("a track without lesions", found=self.track_id)
        if list(self.lesions) != sorted(set(self.lesions)):
            raise ReadsError("a track's lesions are not in time order", found=self.track_id)

    @property
    def compartment(self) -> Compartment:
        """Hepatic or extrahepatic, by site."""
        return compartment_of(self.site)

    @property
    def first_timepoint(self) -> int:
        """Visit at which it is first seen."""
        return self.lesions[0][0]

    @property
    def last_seen_timepoint(self) -> int:
        """Visit at which it is last seen."""
        return self.lesions[-1][0]

    def at(self, timepoint: int) -> tuple[int, ...]:
        """Return the lesion numbers of this track at a visit; empty when it is not seen there."""
        return tuple(number for visit, number in self.lesions if visit == timepoint)


class MissingState(StrEnum):
    """Why a known lesion is not among those of a visit."""

    NOT_SEEN = "NOT_SEEN"
    OUT_OF_VIEW = "OUT_OF_VIEW"
    TREATED = "TREATED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A known lesion that a visit does not show, with its projected place there.

    ``place_lps_mm`` is in the coordinates of scan ``series_uid``; ``trusted`` tells whether the registration that
    projected it is.
    """

    timepoint: int
    track_id: str
    series_uid: str
    place_lps_mm: PointLps
    state: MissingState
    since_timepoint: int
    trusted: bool = True
