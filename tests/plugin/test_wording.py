"""Readers see words, never codes."""

from __future__ import annotations

import pytest

from lesiontrack.domain.reading import LesionWord
from lesiontrack.domain.study import Method
from lesiontrack.review import ConfirmCase, Item, ItemKind
from lesiontrack_napari.wording import STATUSES, asked, method_words, plain_act, plain_reason


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("NEW_UNSURE: could be L06 (0.33)", "new? could be L06 (33 %)"),
        ("TREATMENT_PLACED: nearest to a treated zone", "treated? nearest to a treated zone"),
        ("LINK_UNSURE: visit 0 to 1 (0.40)", "unsure link, visit 0 to 1 (40 %)"),
        ("SOME_CODE: with (two) words", "some code: with (two) words"),
        ("UNREAD", "unread"),
    ],
)
def test_a_reason_has_no_code(reason: str, said: str) -> None:
    assert plain_reason(reason) == said


def test_every_word_and_method_has_its_words() -> None:
    assert set(STATUSES) == set(LesionWord)
    for word, said in STATUSES.items():
        assert said != word.value
    assert [method_words(method) for method in Method] == ["resected", "ablated", "irradiated", "other"]
    assert plain_act(ConfirmCase()) == "confirm case"


def test_the_question_says_what_the_key_answers() -> None:
    link = Item(
        kind=ItemKind.LINK,
        timepoint=2,
        lesions=((1, 1), (2, 3)),
        track_id="L05",
        confidence=0.43,
        reasons=("SAME_UNSURE",),
    )
    assert asked(link) == "L05 at visit 2: the same lesion? (43 % sure) Return: yes; U: no."
