"""Gather each step's settings into one tree; TOML in and out.

A study's ``study.toml`` names a setting in its section (``[link] review_below = 0.6``) or, where only one section has
a setting of that name, without a section (``visit_window_days = 21``), as the contract writes them.
"""

from __future__ import annotations

import tomllib
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lesiontrack.align.settings import AlignSettings
from lesiontrack.assess.settings import AssessSettings
from lesiontrack.errors import SettingsError
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.link.settings import LinkSettings
from lesiontrack.measure.settings import MeasureSettings
from lesiontrack.review.agreement_settings import AgreementSettings
from lesiontrack.review.settings import ReviewSettings
from lesiontrack.survival.event_settings import EventSettings
from lesiontrack.survival.settings import SurvivalSettings

__all__ = ["RunSettings", "Settings", "as_toml", "differing", "load_settings"]


class RunSettings(BaseModel):
    """How many subjects are gone through; no result depends on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject_limit_s: float = Field(
        21600.0,
        ge=0,
        le=10**7,
        description="How long a subject may take, seconds; then its worker is ended and the subject is a failure, so "
        "that a file that hangs on reading, or a decoder without end, does not keep the others. 0: no limit.",
    )


class Settings(BaseModel):
    """All settings, one section for each step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: RunSettings = Field(default_factory=RunSettings, description="going through many subjects")
    archive: ArchiveSettings = Field(default_factory=ArchiveSettings, description="reading the archive")
    labels: LabelSettings = Field(default_factory=LabelSettings, description="what labels and segment names mean")
    measure: MeasureSettings = Field(default_factory=MeasureSettings, description="measuring lesions")
    align: AlignSettings = Field(default_factory=AlignSettings, description="bringing two scans together")
    link: LinkSettings = Field(default_factory=LinkSettings, description="following lesions through time")
    assess: AssessSettings = Field(default_factory=AssessSettings, description="response by RECIST 1.1")
    agreement: AgreementSettings = Field(default_factory=AgreementSettings, description="comparing readers")
    review: ReviewSettings = Field(default_factory=ReviewSettings, description="reading cases in the viewer")
    events: EventSettings = Field(default_factory=EventSettings, description="deriving event dates")
    survival: SurvivalSettings = Field(default_factory=SurvivalSettings, description="estimates and comparisons")


def load_settings(*files: Path) -> Settings:
    """Read settings files in order, a later one overriding an earlier one.

    Raises
    ------
    SettingsError
        With the file, the setting, what was found and what is allowed.
    """
    merged: dict[str, Any] = {}
    for file in files:
        try:
            document = tomllib.loads(file.read_text(encoding="utf-8-sig"))
        except OSError as error:
            found = error.strerror or type(error).__name__
            raise SettingsError("settings cannot be read", file=str(file), found=found, expected="a file") from error
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(
                "settings cannot be read", file=str(file), found=str(error), expected="TOML in UTF-8"
            ) from error
        _merge(merged, _sectioned(document, file))
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        unknown = first["type"] == "extra_forbidden"
        setting = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"setting {setting} is not known" if unknown else f"setting {setting}: {first['msg']}",
            expected="a setting of `lesiontrack settings`" if unknown else None,
            file=", ".join(str(file) for file in files),
            found=repr(first.get("input")),
        ) from error


def _sections() -> dict[str, type[BaseModel]]:
    return {name: field.annotation for name, field in Settings.model_fields.items() if _is_model(field.annotation)}  # type: ignore[misc]


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _sectioned(document: dict[str, Any], file: Path) -> dict[str, Any]:
    """Move settings named without a section into the one section that has them."""
    sections = _sections()
    placed: dict[str, Any] = {}
    for key, value in document.items():
        if key in sections:
            if not isinstance(value, dict):
                raise SettingsError(f"[{key}] is a section", file=str(file), found=repr(value))
            _merge(placed, {key: value})
            continue
        homes = [name for name, model in sections.items() if key in model.model_fields]
        if len(homes) != 1:
            expected = f"one of the sections {', '.join(homes)}" if homes else "a setting of `lesiontrack settings`"
            raise SettingsError(f"setting {key} is not known", file=str(file), expected=expected)
        _merge(placed, {homes[0]: {key: value}})
    return placed


def _merge(into: dict[str, Any], new: dict[str, Any]) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def differing(settings: Settings) -> dict[str, tuple[Any, Any, str]]:
    """Return the settings that differ from the defaults: ``section.name`` -> (value, default, description)."""
    found: dict[str, tuple[Any, Any, str]] = {}
    for section in type(settings).model_fields:
        ours: BaseModel = getattr(settings, section)
        defaults = type(ours)()
        for name, field in type(ours).model_fields.items():
            value, default = getattr(ours, name), getattr(defaults, name)
            if value != default:
                found[f"{section}.{name}"] = (value, default, field.description or "")
    return found


def as_toml(settings: Settings) -> str:
    """Return the settings as TOML, each with its description, allowed values and default as a comment."""
    document = tomlkit.document()
    document.add(
        tomlkit.comment("lesiontrack settings. Each is at the value in force; delete what should stay default.")
    )
    for name, field in Settings.model_fields.items():
        section = tomlkit.table()
        section.comment(field.description or name)
        _fill(section, getattr(settings, name))
        document.add(tomlkit.nl())
        document.add(name, section)
    return tomlkit.dumps(document)


def _fill(section: tomlkit.items.Table, values: BaseModel) -> None:
    plain = values.model_dump(mode="json")
    for name, field in type(values).model_fields.items():
        for line in _wrapped(field.description or "", _allowed(field.annotation)):
            section.add(tomlkit.comment(line))
        value = plain[name]
        if value is None:
            section.add(tomlkit.comment(f"{name} =   (not set)"))
        else:
            section.add(name, _without_none(value))


def _without_none(value: Any) -> Any:
    """Return a value as TOML holds it: no nulls, and tables on one line, where they cannot end the section."""
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update({key: _without_none(item) for key, item in value.items() if item is not None})
        return table
    if isinstance(value, list):
        array = tomlkit.array()
        array.extend(_without_none(item) for item in value if item is not None)
        return array
    return value


def _wrapped(description: str, allowed: str) -> list[str]:
    words, lines, line = f"{description}{allowed}".split(), [], ""
    for word in words:
        if len(line) + len(word) > 110:
            lines.append(line.rstrip())
            line = ""
        line += f"{word} "
    return [*lines, line.rstrip()] if line else lines


def _allowed(annotation: Any) -> str:
    """Name the allowed values of a choice."""
    if get_origin(annotation) in (Union, UnionType):
        inner = [arg for arg in get_args(annotation) if arg is not NoneType]
        return _allowed(inner[0]) if len(inner) == 1 else ""
    if str(get_origin(annotation)) == "typing.Literal":
        return f" One of: {', '.join(str(value) for value in get_args(annotation))}."
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return f" One of: {', '.join(str(member.value) for member in annotation)}."
    return ""
