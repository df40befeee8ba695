# One command each. `make demo` and `make test` do all their own set-up on a bare Debian with python3 and make.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := demo

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	  $$p -c 'import sys; sys.exit(not ((3,11) <= sys.version_info[:2] < (3,14)))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
DEMO_OUT := demo_out
WORKERS ?= $(shell nproc)

.PHONY: demo test test-core test-viewer check format bench soak clean system pacs

# --- set-up ---------------------------------------------------------------------------------------------------------

# System packages that the program needs: none beyond python3 with venv. Installed when root, otherwise the command is named.
system:
	@if [ -z "$(PYTHON)" ]; then echo "Python 3.11 to 3.13 is needed and none was found" >&2; exit 2; fi
	@if ! $(PYTHON) -c 'import venv, ensurepip' 2>/dev/null; then \
	  packages="python3-venv"; \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$packages; \
	  else echo "missing system packages; run: sudo apt-get update && sudo apt-get install -y $$packages" >&2; exit 2; fi; fi

# A real PACS, which the tests of DICOMweb archives start on loopback; without it they are skipped and say so.
# Installed when root, and kept from starting as a service, now or later: that would listen to the whole network.
pacs:
	@if [ ! -x /usr/sbin/Orthanc ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  if [ ! -e /usr/sbin/policy-rc.d ]; then \
	    trap 'rm -f /usr/sbin/policy-rc.d' EXIT; \
	    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d; fi; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    orthanc orthanc-dicomweb >/dev/null && { ! command -v systemctl >/dev/null || systemctl disable -q orthanc; }; } \
	  || echo "Orthanc could not be installed: tests that need it are skipped" >&2; fi

$(BIN)/python: | system
	@[ -x $@ ] || $(PYTHON) -m venv $(VENV)

.stamps/run: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@mkdir -p .stamps && touch $@

.stamps/test: pyproject.toml .stamps/run | $(BIN)/python pacs
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@mkdir -p .stamps && touch $@

# What a window needs, and the hands of the test that reads a case in one.
VIEWER_PACKAGES := libegl1 libgl1 libgl1-mesa-dri libglib2.0-0 libfontconfig1 libfreetype6 libdbus-1-3 libx11-xcb1 \
  libxkbcommon0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 \
  libxcb-render-util0 libxcb-shape0 libxcb-shm0 libxcb-sync1 libxcb-util1 libxcb-xfixes0 libxcb-xkb1 libxcb-glx0 \
  xvfb xauth fonts-dejavu-core openbox xdotool x11-utils

.stamps/viewer-system: | system
	@if ! (command -v Xvfb && command -v openbox && command -v xdotool && ldconfig -p | grep -q libxcb-cursor) >/dev/null 2>&1; then \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(VIEWER_PACKAGES); \
	  else echo "missing system packages; run: sudo apt-get update && sudo apt-get install -y $(VIEWER_PACKAGES)" >&2; exit 2; fi; fi
	@mkdir -p .stamps && touch $@

.stamps/viewer: pyproject.toml .stamps/viewer-system .stamps/test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[napari,viewer-test]'
	@mkdir -p .stamps && touch $@

# --- what a person asks for -----------------------------------------------------------------------------------------

demo: .stamps/run
	rm -rf $(DEMO_OUT)
	$(BIN)/lesiontrack run sample_scans --out $(DEMO_OUT) --workers $(WORKERS)

test: test-core test-viewer

test-core: .stamps/test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

# Real windows on a screen of their own, in a process of their own; always xcb, because Qt's "offscreen" draws no canvas.
test-viewer: .stamps/viewer
	NAPARI_CONFIG= xvfb-run -a -s "-screen 0 1920x1200x24" $(BIN)/python -m pytest tests/viewer

check: .stamps/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .stamps/test
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .stamps $(DEMO_OUT) build dist *.egg-info

# --- long ones ------------------------------------------------------------------------------------------------------

# benchmarks/README.md has the figures that each of these printed.
bench: .stamps/test
	$(BIN)/python -m benchmarks.measure
	$(BIN)/python -m benchmarks.scan_counts
	$(BIN)/python -m benchmarks.tracking
	$(BIN)/python -m benchmarks.real_anatomy
	$(BIN)/python -m benchmarks.survival
	$(BIN)/python -m benchmarks.assess
	$(BIN)/python -m benchmarks.imaging_hard_cases
	$(BIN)/python -m benchmarks.imaging_catalogue
	$(BIN)/python -m benchmarks.imaging_load
	$(BIN)/python -m benchmarks.imaging_dicomweb

# Everything that is too long for every change: thousands of examples, damage, kill -9, a bug planted at every place of
# the settled rule modules (it names the others, which it does not judge). `make test` runs a sample of the rest.
soak: .stamps/test .stamps/viewer
	HYPOTHESIS_PROFILE=soak LESIONTRACK_SOAK=1 LESIONTRACK_DAMAGE_ROUNDS=700 $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup
	$(BIN)/python -m benchmarks.mutate_rules --jobs $(WORKERS)
	LESIONTRACK_SOAK=1 NAPARI_CONFIG= xvfb-run -a -s "-screen 0 1920x1200x24" $(BIN)/python -m pytest tests/viewer
	NAPARI_CONFIG= xvfb-run -a -s "-screen 0 1920x1200x24" $(BIN)/python -m benchmarks.reading_room --soak
