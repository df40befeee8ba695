"""What can be wrong with the data, by name.

Every error carries what a person needs to act on it: the subject, the visit and the file it is about, what was
found and what was expected. The message never holds a patient attribute other than the subject id.
"""

from __future__ import annotations

__all__ = [
    "ArchiveError",
    "ClinicalError",
    "DecisionError",
    "GeometryError",
    "ImageError",
    "LesiontrackError",
    "ReadsError",
    "RegistrationError",
    "SegmentationError",
    "SettingsError",
    "StudyError",
    "TableError",
]


class LesiontrackError(Exception):
    """Base of every error that the program raises about its input.

    Parameters
    ----------
    message
        One sentence: what is wrong.
    subject_id, visit, file
        Where; ``visit`` is an ISO date or a timepoint number.
    found, expected
        What was read and what would have been right.
    """

    def __init__(
        self,
        message: str,
        *,
        subject_id: str | None = None,
        visit: str | None = None,
        file: str | None = None,
        found: str | None = None,
        expected: str | None = None,
    ) -> None:
        self.message = message
        self.subject_id = subject_id
        self.visit = visit
        self.file = file
        self.found = found
        self.expected = expected
        super().__init__(message)

    def __str__(self) -> str:
        """Return one line: where, what, found, expected."""
        where = [
            f"{name} {value}"
            for name, value in (("subject", self.subject_id), ("visit", self.visit), ("file", self.file))
            if value
        ]
        tail = [f"{name} {value}" for name, value in (("found", self.found), ("expected", self.expected)) if value]
        text = f"{', '.join(where)}: {self.message}" if where else self.message
        return f"{text} ({'; '.join(tail)})" if tail else text

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with all parts, so that an error survives the way back from a worker process."""
        return (_rebuild, (type(self), self.message, self._parts()))

    def _parts(self) -> dict[str, str | None]:
        return {
            "subject_id": self.subject_id,
            "visit": self.visit,
            "file": self.file,
            "found": self.found,
            "expected": self.expected,
        }

    def at(
        self, *, subject_id: str | None = None, visit: str | None = None, file: str | None = None
    ) -> LesiontrackError:
        """Return the same error with places filled in that it did not know itself."""
        parts = self._parts()
        for name, value in (("subject_id", subject_id), ("visit", visit), ("file", file)):
            parts[name] = parts[name] or value
        return _rebuild(type(self), self.message, parts)


def _rebuild(kind: type[LesiontrackError], message: str, parts: dict[str, str | None]) -> LesiontrackError:
    return kind(message, **parts)


class StudyError(LesiontrackError):
    """The study folder or the archive cannot be used at all."""


class ArchiveError(LesiontrackError):
    """An archive's server does not answer, or not as it must. Says nothing of the data: asking later may help."""


class SettingsError(LesiontrackError):
    """A setting is unknown, out of bounds or contradicts another."""


class ImageError(LesiontrackError):
    """An image file or series cannot be read as a volume."""


class GeometryError(ImageError):
    """A series has no single trustworthy geometry: missing slice, missing position, mixed orientation."""


class SegmentationError(LesiontrackError):
    """A segmentation is missing, foreign to its image, or ambiguous."""


class RegistrationError(LesiontrackError):
    """Two scans could not be brought together."""


class ClinicalError(LesiontrackError):
    """A clinical table lacks a row or holds an impossible one."""


class ReadsError(LesiontrackError):
    """Reads (measurements by visit) contradict themselves or cannot be assessed."""


class TableError(LesiontrackError):
    """A table does not have the declared columns, types or values."""


class DecisionError(LesiontrackError):
    """A reader's decision is impossible, or a decision log is damaged."""
