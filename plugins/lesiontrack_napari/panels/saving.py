"""Responses and endpoints brought up to the decisions, by the command that does it everywhere: `lesiontrack replay`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qtpy.QtCore import QProcess

from lesiontrack_napari.opening import replay_command

if TYPE_CHECKING:
    from lesiontrack_napari.panels.room import ReadingRoom

__all__ = ["replay_in_background"]


def replay_in_background(room: ReadingRoom) -> QProcess | None:
    """Start `lesiontrack replay OUT --subject ID`, and tell the reader how it went; decisions are safe either way."""
    session = room.session
    if session is None:
        return None
    process = QProcess(room)
    process.setProcessChannelMode(QProcess.ProcessChannelMode.MergedChannels)

    def finished(code: int, _: object = None) -> None:
        said = bytes(process.readAllStandardOutput().data()).decode(errors="replace").strip().splitlines()
        if code in (0, 1):
            room.tell("responses and endpoints are up to date")
        else:
            room.tell(f"replay: {said[-1] if said else f'exit code {code}'}", trouble=True)
        process.deleteLater()

    process.finished.connect(finished)
    room.tell("all decisions are on disk; responses and endpoints are being brought up to them …")
    process.start(sys.executable, replay_command(session.case.out, session.case.subject_id))
    return process
