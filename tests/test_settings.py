"""One tree of settings: in sections or by bare name, out as TOML that reads back the same."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from lesiontrack.errors import SettingsError
from lesiontrack.settings import Settings, as_toml, load_settings


def _file(folder: Path, text: str, name: str = "study.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_of_the_contract() -> None:
    """Contract, section 4, and response rules, section 10: the numbers that change results."""
    settings = Settings()
    assert settings.archive.visit_window_days == 14
    assert settings.events.assessment_interval_days == 56
    assert settings.events.assessment_window_days == 7
    assert settings.events.assume_extrahepatic_imaged is True


@pytest.mark.parametrize(
    "text",
    [
        "assessment_interval_days = 84\nvisit_window_days = 21\n[labels]\nliver = 1\n",
        "[events]\nassessment_interval_days = 84\n",
    ],
)
def test_a_setting_is_found_with_or_without_its_section(tmp_path: Path, text: str) -> None:
    """As the contract writes them, bare, or in the section of their step."""
    assert load_settings(_file(tmp_path, text)).events.assessment_interval_days == 84


def test_a_later_file_overrides_an_earlier_one(tmp_path: Path) -> None:
    """What the command line names wins over the study's own; the rest stays."""
    first = _file(tmp_path, "visit_window_days = 21\nassessment_interval_days = 84\n")
    second = _file(tmp_path, "[events]\nassessment_interval_days = 42\n", "other.toml")
    settings = load_settings(first, second)
    assert (settings.archive.visit_window_days, settings.events.assessment_interval_days) == (21, 42)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense = 1", "nonsense"),
        ("[events]\nnonsense = 1", "nonsense"),
        ("assessment_interval_days = 0", "assessment_interval_days"),
        ("assessment_interval_days = 'often'", "assessment_interval_days"),
        ("events = 3", "section"),
        ("[events", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    """Unknown, out of bounds, of another type, or no TOML at all."""
    with pytest.raises(SettingsError, match=said) as caught:
        load_settings(_file(tmp_path, text))
    assert "study.toml" in str(caught.value)


def _fields(model: type[BaseModel]) -> list[tuple[str, Any]]:
    return [(name, field) for name, field in model.model_fields.items()]


def test_every_setting_says_what_it_is() -> None:
    """Each has a description, which is the comment in the TOML and the help in the dock."""
    for section, field in _fields(Settings):
        model = field.annotation
        assert issubclass(model, BaseModel)
        for name, setting in _fields(model):
            assert setting.description, f"{section}.{name}"
            assert len(setting.description) > 15, f"{section}.{name}"


def test_the_toml_reads_back_as_the_same_settings(tmp_path: Path) -> None:
    """Defaults and settings that differ survive the way out and in, lists of tables included."""
    text = (
        "visit_window_days = 21\n[labels]\nliver = 1\nhepatic = 'instances'\n"
        "[events]\nschedule = [{from_day = 365, interval_days = 84, window_days = 14}]\n"
    )
    for settings in (Settings(), load_settings(_file(tmp_path, text))):
        written = as_toml(settings)
        assert tomllib.loads(written)
        assert load_settings(_file(tmp_path, written, "again.toml")) == settings
