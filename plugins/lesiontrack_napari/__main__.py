"""`lesiontrack review` as its own program: napari with the reading room open."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["main"]

_WORKLIST_WIDTH = 600


def main(arguments: list[str]) -> int:
    """Open napari at a result folder: OUT, the subject or "", the reader or "", the study or "" where it was run.

    Returns
    -------
    int
        Exit code.
    """
    import napari

    from lesiontrack.errors import LesiontrackError
    from lesiontrack_napari.panels.docks import put_away, widen
    from lesiontrack_napari.panels.room import ReadingRoom

    out, subject_id, reader, study = Path(arguments[0]), arguments[1], arguments[2], arguments[3]
    viewer = napari.Viewer(title="lesiontrack", show=False)
    room = ReadingRoom(viewer)
    try:
        room.open_result(out, reader, study=Path(study) if study else None)
        viewer.window.add_dock_widget(room, name="reading room", area="right")
        viewer.show()
        put_away(room.window())
        # Two panes and a table want the whole screen.
        room.window().showMaximized()
        widen(room, _WORKLIST_WIDTH)
        if subject_id:
            room.open_case(subject_id)
    except LesiontrackError as error:
        print(f"lesiontrack: {error}", file=sys.stderr)
        return 2
    napari.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
