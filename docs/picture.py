"""Draw docs/report.png, the README's picture, from the report of a run.

    python docs/picture.py OUT [SUBJECT]

The subject's page as it is, but for parts left out to fit: the verdict, the sum of diameters in the study phase, and
the first three and the last of its lesions by visit. Needs chromium; everything else is the project's own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

TARGET = Path(__file__).with_name("report.png")
MOST_BYTES = 400_000
WIDTH, HEIGHT = 960, 2000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LEFT_OUT = """<style>
nav.jump, nav.crumbs, .facts, #verdict h3, #verdict .scroll, #timeline, #responses, #slices, #endpoints, #sources,
#sums h3 ~ h3, #sums h3 ~ .scroll ~ .scroll, #sums p, #lesions p, #lesions h3, #lesions .scroll ~ .scroll,
.matrix tbody tr:nth-child(n+4):not(:last-child), footer { display: none !important; }
body { background: white; }
</style></head>"""


def main(out: Path, subject: str) -> None:
    """Draw the page of a subject and keep what is not white.

    Raises
    ------
    SystemExit
        Without a browser, without the page, or when the picture does not fit the repository.
    """
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    page = out / "report" / f"{subject}.html"
    if browser is None or not page.is_file():
        sys.exit("chromium is needed" if browser is None else f"{page} is not there: run `make demo` first")
    with tempfile.TemporaryDirectory() as folder:
        short, drawn = Path(folder) / "page.html", Path(folder) / "page.png"
        short.write_text(page.read_text(encoding="utf-8").replace("</head>", LEFT_OUT, 1), encoding="utf-8")
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={drawn}"]
        subprocess.run([*command, short.as_uri()], check=True, capture_output=True, timeout=120)
        picture = Image.open(drawn).convert("RGB")
    used = np.argwhere((np.asarray(picture) < 250).any(axis=2))[:, 0].max()
    cut = picture.crop((0, 0, picture.width, min(int(used) + 24, picture.height)))
    cut.save(TARGET, optimize=True)
    size = TARGET.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{TARGET} has {size} bytes, more than {MOST_BYTES}")
    print(f"{TARGET}: {cut.width} x {cut.height}, {size} bytes")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else "PHANTOM-001")
