"""A reader who decides on and on, a program of its own for `test_killed_reader`; names each decision that is taken."""

from __future__ import annotations

import sys
from itertools import cycle
from pathlib import Path

from lesiontrack_napari.deciding import Deciding
from tests.plugin.reading_case import make_session


def main(out: str) -> None:
    """Decide until killed."""
    session = make_session(Path(out))
    for n, name in enumerate(cycle(session.colours)):
        session.select(name)
        session.current = 1 + n % 3
        if n % 5 == 4:
            session.undo()
        else:
            Deciding(session).comment(f"remark {n}") if n % 2 else Deciding(session).confirm()
        print(session.decisions[-1].id, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
