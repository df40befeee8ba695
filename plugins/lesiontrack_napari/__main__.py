"""`lesiontrack review` as its own program: napari with the reading room open."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Open napari at a result folder: OUT, the subject or "", the reader or "".

    Returns
    -------
    int
        Exit code.
    """
    import napari

    from lesiontrack.errors import LesiontrackError
    from lesiontrack_napari.panels.room import ReadingRoom

    out, subject_id, reader = Path(arguments[0]), arguments[1], arguments[2]
    viewer = napari.Viewer(title="lesiontrack", show=False)
    room = ReadingRoom(viewer)
    try:
        room.open_result(out, reader)
        viewer.window.add_dock_widget(room, name="reading room", area="right")
        viewer.show()
        if subject_id:
            room.open_case(subject_id)
    except LesiontrackError as error:
        print(f"lesiontrack: {error}", file=sys.stderr)
        return 2
    napari.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
