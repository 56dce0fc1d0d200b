# Two commands do everything on a fresh machine: `make report` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: report test lint check docs calibrate soak clean

# Test every hypothesis on the shipped traces. Refuted or inconclusive is a result, not a failure.
report: $(VENV)/base
	@$(BIN)/emergence-stats report --all; status=$$?; \
	case $$status in 0|1|3) exit 0;; *) exit $$status;; esac

# Three processes, on two cores too: some tests wait. One thread each: threads of several processes that wait for one another
# on two cores take many times as long.
test: lint
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist worksteal -q

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Put what commands print into README.md and docs/.
docs: $(VENV)/dev
	$(BIN)/python docs/fill.py

# Simulated studies whose truth is known: minutes. REPEATS: a CSV of real repeated runs (docs/trust.md).
calibrate: $(VENV)/dev
	$(BIN)/python -m calibration.core $(if $(REPEATS),--repeats $(REPEATS)) > docs/calibration_core.md.new
	mv docs/calibration_core.md.new docs/calibration_core.md
	$(BIN)/python -m calibration.claims > docs/calibration_claims.md.new
	mv docs/calibration_claims.md.new docs/calibration_claims.md

# Eight writers of one store, killed at random, beside four readers, for a minute; then commands, fifty times each.
soak: $(VENV)/dev
	SOAK_SECONDS=60 SOAK_WRITERS=8 SOAK_READERS=4 SOAK_KILLS=50 $(BIN)/python -m pytest -q -s tests/attacks/soak

check: $(VENV)/dev
	$(BIN)/emergence-stats register --check
	$(BIN)/emergence-stats check

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/base: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

$(VENV)/dev: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/base

clean:
	rm -rf $(VENV)
