"""A reader's way through a case in a real window: a window manager, the mouse and the keyboard, nothing called."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lesiontrack.io.store import read_table
from tests.reading import SUBJECT

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(
    not (shutil.which("xdotool") and shutil.which("openbox") and shutil.which("Xvfb")),
    reason="needs Xvfb, xdotool and openbox (make test installs them)",
)
LONG = pytest.mark.skipif(not os.environ.get("LESIONTRACK_SOAK"), reason="a second screen size: in `make soak`")
Seen = dict[str, Any]
QUIET = subprocess.DEVNULL


class Hands:
    """A window on the screen, and a reader's hands and eyes on it."""

    def __init__(self, out: Path, folder: Path, screen: str) -> None:
        self._answer = folder / "where.json"
        self._pictures = Path(os.environ.get("LESIONTRACK_SCREENSHOTS", folder)) / folder.name
        self._pictures.mkdir(parents=True, exist_ok=True)
        self._answer.unlink(missing_ok=True)
        command = [sys.executable, str(Path(__file__).with_name("app.py")), str(out), str(self._answer)]
        self._environment = {**os.environ, "DISPLAY": screen, "PYTHONPATH": str(ROOT), "QT_API": "pyside6"}
        self.program = subprocess.Popen(command, env=self._environment)
        self._wait(self._answer.exists, "the window")
        self._shots = 0
        self.rest()

    def _wait(self, true: Callable[[], bool], what: str, seconds: float = 120) -> None:
        until = time.monotonic() + seconds
        while not true():
            assert self.program.poll() is None, f"the program ended while waiting for {what}"
            assert time.monotonic() < until, f"waited in vain for {what}"
            time.sleep(0.05)

    def look(self) -> Seen:
        """Return where things are and what the panels say."""
        self._answer.unlink(missing_ok=True)
        self.program.send_signal(signal.SIGUSR1)
        self._wait(self._answer.exists, "an answer")
        seen: Seen = json.loads(self._answer.read_text())
        return seen

    def until(self, true: Callable[[Seen], bool], what: str) -> Seen:
        """Look until something is so."""
        until = time.monotonic() + 120
        while True:
            seen = self.look()
            if true(seen):
                return seen
            assert time.monotonic() < until, f"waited in vain for {what}: {seen.get('message')}"

    def _xdotool(self, *arguments: object) -> None:
        subprocess.run(["xdotool", *map(str, arguments)], check=True, env=self._environment)

    def click(self, at: list[int], *, times: int = 1) -> None:
        self._xdotool("mousemove", *at)
        self.rest()
        self._xdotool("click", "--repeat", times, "--delay", 60, 1)
        self.rest()

    def point(self, at: list[int]) -> None:
        self._xdotool("mousemove", at[0] - 3, at[1])
        self._xdotool("mousemove", *at)
        self.rest()

    def drag(self, start: list[int], end: list[int]) -> None:
        self.point(start)
        self._xdotool("mousedown", 1)
        for part in range(1, 6):
            self._xdotool("mousemove", *(round(a + (b - a) * part / 5) for a, b in zip(start, end, strict=True)))
            self.rest(0.1)
        self._xdotool("mouseup", 1)
        self.rest()

    def press(self, *keys: str) -> None:
        for key in keys:
            self._xdotool("key", key)
            self.rest(0.25)

    def rest(self, seconds: float = 0.4) -> None:
        time.sleep(seconds)

    def shot(self, name: str) -> None:
        """Keep a picture of the screen."""
        self.rest()
        self._shots += 1
        if shutil.which("import"):
            picture = self._pictures / f"{self._shots:02d}-{name}.png"
            subprocess.run(["import", "-window", "root", str(picture)], check=True, env=self._environment)

    def close(self) -> None:
        if self.program.poll() is None:
            self.program.terminate()
            self.program.wait(30)


@pytest.fixture
def screen(request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the display of a screen of its own, of the size asked for, with a window manager."""
    read, write = os.pipe()
    size = f"{request.param}x24"
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", size], pass_fds=[write], stdout=QUIET, stderr=QUIET
    )
    os.close(write)
    with os.fdopen(read) as told:
        display = f":{told.readline().strip()}"
    manager = subprocess.Popen(["openbox"], env={**os.environ, "DISPLAY": display}, stdout=QUIET, stderr=QUIET)
    time.sleep(0.5)
    yield display
    for program in (manager, server):
        program.terminate()
        program.wait(10)


def _opened(hands: Hands) -> Seen:
    """Open the case from the worklist, and see it in two equal panes that fill the screen."""
    hands.shot("worklist")
    hands.click(hands.look()["cases"][SUBJECT], times=2)
    hands.until(lambda s: s["ready"] and bool(s.get("cells")), "the case")
    hands.rest(1)
    hands.shot("case")
    seen = hands.look()
    (width, height), (prior_width, prior_height) = seen["panes"]
    assert abs(width - prior_width) <= 0.05 * width
    assert abs(height - prior_height) <= 24
    return seen


def _link_mended(hands: Hands, seen: Seen) -> Seen:
    """Jump to a lesion, cut its link, and link the lesion under the cursor again."""
    hands.click(seen["cells"]["L02@2"])
    seen = hands.until(lambda s: s["at"][:2] == ["L02", 2], "the jump")
    hands.shot("jump")
    before = seen["table"]["L02"]
    hands.press("u")
    seen = hands.until(lambda s: s["decisions"] == 1, "the cut")
    assert seen["table"]["L02"][2] != before[2]
    hands.shot("cut")
    hands.click(seen["cells"]["L02@1"])
    hands.click(hands.until(lambda s: s["at"][1] == 1, "visit 1")["cells"]["L02@2"])
    seen = hands.until(lambda s: s["at"] == ["L02", 2, 1], "visit 2 again")
    length = before[2].split()[0]
    cut_off = next(n for n, cells in seen["table"].items() if n != "L02" and cells[2].split()[:1] == [length])
    hands.point(seen["lesions"][cut_off])
    hands.press("l")
    seen = hands.until(lambda s: s["decisions"] == 2, "the link")
    assert seen["table"]["L02"][2] == before[2]
    hands.shot("linked")
    return seen


def _diameter_dragged(hands: Hands, seen: Seen) -> Seen:
    """Drag an end of a diameter until it is half as long again."""
    hands.click(seen["cells"]["L01@3"])
    hands.until(lambda s: s["at"][:2] == ["L01", 3], "the jump")
    hands.rest(1)
    seen = hands.look()
    long = float(seen["table"]["L01"][3].split()[0])
    first, second = seen["ends"]["main:1"]
    away = [second[0] + (second[0] - first[0]) // 2, second[1] + (second[1] - first[1]) // 2]
    hands.drag(second, away)
    seen = hands.until(lambda s: s["decisions"] == 3, "the diameter")
    assert float(seen["table"]["L01"][3].split()[0]) == pytest.approx(1.5 * long, rel=0.05)
    hands.shot("diameter")
    return seen


def _ablated(hands: Hands, seen: Seen) -> Seen:
    """Say by two clicks and a key that a lesion was ablated and shows no viable tumour; undo it, and redo it."""
    hands.click(seen["cells"]["L05@2"])
    hands.until(lambda s: s["at"][:2] == ["L05", 2], "the jump")
    hands.click(seen["buttons"]["treated"])
    hands.press("Down", "Right")
    hands.shot("menu")
    hands.press("Return")
    seen = hands.until(lambda s: s["decisions"] == 4, "the ablation")
    assert seen["fates"]["L05"] == "ablated"
    hands.shot("ablated")
    hands.press("ctrl+z")
    assert hands.until(lambda s: s["decisions"] == 5, "undo")["fates"]["L05"] != "ablated"
    hands.shot("undone")
    hands.press("ctrl+shift+z")
    seen = hands.until(lambda s: s["decisions"] == 6, "redo")
    assert seen["fates"]["L05"] == "ablated"
    hands.shot("redone")
    return seen


def _events(out: Path) -> set[tuple[str, str]]:
    """Return endpoint and reader of each of the case's events."""
    events = read_table(out / "cohort", "events")
    own = events[events["subject_id"] == SUBJECT]
    return set(zip(own["endpoint"].astype(str), own["reader"].fillna("").astype(str), strict=True))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("screen", ["1366x768", pytest.param("1920x1200", marks=LONG)], indirect=True)
def test_a_reader_reads_a_case(screen: str, out: Path, tmp_path: Path) -> None:
    """Worklist, case, jump, wrong link, diameter, ablated, undo, redo, save, close, open again: all is there."""
    before = _events(out)
    assert ("PFS", "machine") in before
    hands = Hands(out, tmp_path, screen)
    try:
        seen = _ablated(hands, _diameter_dragged(hands, _link_mended(hands, _opened(hands))))
        hands.press("ctrl+s")
        hands.until(lambda s: "up to date" in s["message"], "the endpoints")
        hands.shot("saved")
    finally:
        hands.close()
    # The endpoints rest on the reader's reading now, and the ablated lesion, which is still marked later, has recurred.
    after = _events(out)
    assert ("PFS", "anna") in after and ("PFS", "machine") not in after
    assert ("LTP", "anna") in after
    assert "LTP" not in {endpoint for endpoint, _ in before}

    again = Hands(out, tmp_path, screen)
    try:
        again.click(again.look()["cases"][SUBJECT], times=2)
        found = again.until(lambda s: s["ready"] and bool(s.get("cells")), "the case again")
        again.shot("again")
        for what in ("table", "fates", "verdict", "decisions"):
            assert found[what] == seen[what], what
    finally:
        again.close()
