"""``python -m lesiontrack.cli``."""

from lesiontrack.cli import main

main()
