"""A reader's way through a case in a real window: a window manager, the mouse and the keyboard, nothing called."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.reading import SUBJECT

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(
    not (shutil.which("xdotool") and shutil.which("openbox")),
    reason="needs xdotool and openbox (make test installs them)",
)
LONG = pytest.mark.skipif(not os.environ.get("LESIONTRACK_SOAK"), reason="a case read in a window: in `make soak`")


class Hands:
    """A window on the screen, and a reader's hands and eyes on it."""

    def __init__(self, out: Path, folder: Path, size: str) -> None:
        self._answer = folder / "where.json"
        self._pictures = Path(os.environ.get("LESIONTRACK_SCREENSHOTS", folder)) / size
        self._pictures.mkdir(parents=True, exist_ok=True)
        self._answer.unlink(missing_ok=True)
        command = [sys.executable, str(Path(__file__).with_name("app.py")), str(out), str(self._answer), size]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "QT_API": "pyside6"}
        self.program = subprocess.Popen(command, env=environment)
        self._wait(self._answer.exists, "the window")
        self._shots = 0
        self.rest()

    @staticmethod
    def _wait(true: Any, what: str, seconds: float = 120) -> None:
        until = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < until, f"waited in vain for {what}"
            time.sleep(0.05)

    def look(self) -> dict[str, Any]:
        """Return where things are and what the panels say."""
        self._answer.unlink(missing_ok=True)
        self.program.send_signal(signal.SIGUSR1)
        self._wait(self._answer.exists, "an answer")
        seen: dict[str, Any] = json.loads(self._answer.read_text())
        return seen

    def until(self, true: Any, what: str) -> dict[str, Any]:
        """Look until something is so."""
        until = time.monotonic() + 120
        while True:
            seen = self.look()
            if true(seen):
                return seen
            assert time.monotonic() < until, f"waited in vain for {what}: {seen.get('message')}"

    def _xdotool(self, *arguments: object) -> None:
        subprocess.run(["xdotool", *map(str, arguments)], check=True)

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
            subprocess.run(
                ["import", "-window", "root", str(self._pictures / f"{self._shots:02d}-{name}.png")], check=True
            )

    def close(self) -> None:
        if self.program.poll() is None:
            self.program.terminate()
            self.program.wait(30)


@pytest.fixture
def window_manager() -> Iterator[None]:
    """Run a window manager on the screen."""
    program = subprocess.Popen(["openbox"], stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    yield
    program.terminate()
    program.wait(10)


@LONG
@pytest.mark.parametrize("size", ["1366x768", "1900x1140"])
def test_a_reader_reads_a_case(size: str, out: Path, tmp_path: Path, window_manager: None) -> None:
    """Worklist, case, jump, wrong link, diameter, ablated, undo, redo, close, open again: all is there."""
    hands = Hands(out, tmp_path, size)
    try:
        hands.shot("worklist")
        hands.click(hands.look()["cases"][SUBJECT], times=2)
        seen = hands.until(lambda s: s["ready"] and s.get("cells"), "the case")
        hands.rest(1)
        hands.shot("case")
        seen = hands.look()
        (width, height), (prior_width, prior_height) = seen["panes"]
        assert abs(width - prior_width) <= 0.05 * width
        assert abs(height - prior_height) <= 24

        hands.click(seen["cells"]["L02@2"])
        seen = hands.until(lambda s: s["at"][:2] == ["L02", 2], "the jump")
        hands.shot("jump")

        # A link is cut, and the lesion under the cursor is linked again.
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

        # A diameter is dragged to be longer.
        hands.click(seen["cells"]["L01@3"])
        seen = hands.until(lambda s: s["at"][:2] == ["L01", 3], "the jump")
        hands.rest(1)
        seen, long = hands.look(), float(seen["table"]["L01"][3].split()[0])
        first, second = seen["ends"]["main:1"]
        away = [second[0] + (second[0] - first[0]) // 2, second[1] + (second[1] - first[1]) // 2]
        hands.drag(second, away)
        seen = hands.until(lambda s: s["decisions"] == 3, "the diameter")
        assert float(seen["table"]["L01"][3].split()[0]) > 1.3 * long
        hands.shot("diameter")

        # Two clicks and a key: ablated, no viable tumour.
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
        hands.press("ctrl+shift+z")
        seen = hands.until(lambda s: s["decisions"] == 6, "redo")
        assert seen["fates"]["L05"] == "ablated"
        hands.shot("redone")
    finally:
        hands.close()

    again = Hands(out, tmp_path, size)
    try:
        again.click(again.look()["cases"][SUBJECT], times=2)
        found = again.until(lambda s: s["ready"] and s.get("cells"), "the case again")
        again.shot("again")
        for what in ("table", "fates", "verdict", "decisions"):
            assert found[what] == seen[what], what
    finally:
        again.close()
