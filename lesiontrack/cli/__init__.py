"""Parse, call, print: one module for each family of commands; exit codes 0, 1, 2."""

from __future__ import annotations

# Importing a family registers its commands; help lists them in this order.
from lesiontrack.cli import images, measurements, reading, results, starting, viewing
from lesiontrack.cli.program import app, main

__all__ = ["app", "images", "main", "measurements", "reading", "results", "starting", "viewing"]
