# Two commands: `make book` builds the book, `make test` runs every check. Each sets up what it needs in .venv,
# on first use and after a change of the requirements. Needs Python 3.11 or newer (PYTHON=python3.12 to choose).
PYTHON ?= python3
PROMPT ?= a red circle moves left
PORT ?= 8000
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
WORKERS := -n auto --maxprocesses 4 --dist loadfile
export PROMPT

.PHONY: help book serve test sample links exercises sheets notebooks bench clean \
        lint fresh unit numpy-only pages run-notebooks linkcheck colab
help:
	@echo 'make book         build the book and say where to open it'
	@echo 'make serve        build it and serve it on http://127.0.0.1:$(PORT)'
	@echo 'make test         run every check'
	@echo 'make sample PROMPT="a red circle moves left"   write clip.webp'
	@echo 'make links        after a change of address or version in pyproject.toml'
	@echo 'make exercises    exercises/ out of solutions/; sheets: the sheets (page, data, PDF); notebooks: run, store outputs'
	@echo 'make bench        our DiT against public peers, about 10 minutes on an idle machine (benchmarks/README.md)'
	@echo 'make clean        remove what was built, and .venv'

# --- set-up: what the book needs, then the course (torch), then the tests ---------------------------------------
.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "ditcourse needs Python 3.11 or newer, and $(PYTHON) is: $$($(PYTHON) --version 2>&1)."; \
	  echo "With another one installed, name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Could not make .venv. On Debian and Ubuntu: apt install python3-venv"; exit 1; }

.venv/.book: requirements.txt constraints.txt | .venv/bin/pip
	@echo "Installing what builds the book into .venv ..."
	@$(PIP) -r requirements.txt
	@touch $@

.venv/.course: .venv/.book pyproject.toml
	@echo "Installing the course into .venv (torch is large: on Linux several GB with CUDA) ..."
	@$(PIP) -c constraints.txt -e .
	@touch $@

.venv/.test: .venv/.course requirements-test.txt
	@echo "Installing what the tests need into .venv ..."
	@$(PIP) -r requirements-test.txt
	@touch $@

# --- the book ---------------------------------------------------------------------------------------------------
# -W: a warning fails the build (without it a failing one exits 0); -n: so does a dead reference; --all: a page that was
# built before, with a warning, is read again.
book: .venv/.book
	@$(BIN)/jupyter-book build . -W -n --keep-going --all
	@$(BIN)/python tools/built.py

serve: book
	@echo "Serving the book on http://127.0.0.1:$(PORT) (Ctrl+C ends it)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

sample: .venv/.course
	@$(BIN)/ditcourse sample "$$PROMPT" --out clip.webp

# --- the race: peers that nothing else needs go into a folder of their own ----------------------------------------
.venv-bench/.peers: benchmarks/requirements.txt | .venv/.test
	@$(PIP) --no-deps --upgrade --target .venv-bench -r benchmarks/requirements.txt
	@touch $@
bench: .venv-bench/.peers
	@for race in image video; do for precision in float32 bfloat16; do \
	  $(BIN)/python benchmarks/race.py $$race --precision $$precision \
	    --out benchmarks/results/cpu-$$race-$$precision.json || exit 1; done; done
	@$(BIN)/python benchmarks/loop.py --out benchmarks/results/loop-float32.json
	@$(BIN)/python benchmarks/table.py

# --- what is generated --------------------------------------------------------------------------------------------
links: .venv/.book
	@$(BIN)/python tools/links.py
exercises: .venv/.course
	@$(BIN)/python tools/generate_exercises.py
sheets: .venv/.course
	@$(BIN)/python tools/generate_sheet.py
	@$(BIN)/python tools/sheet_data.py
	@$(BIN)/python tools/make_sheets.py
notebooks: .venv/.test
	@$(BIN)/python tools/execute_notebooks.py

# --- checks, quick ones first -------------------------------------------------------------------------------------
test: .venv/.test
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory fresh
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory numpy-only
	@$(MAKE) --no-print-directory book
	@$(MAKE) --no-print-directory pages
	@$(MAKE) --no-print-directory run-notebooks
	@echo "All checks passed."

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/codespell

fresh: .venv/.test
	$(BIN)/python tools/links.py --check
	$(BIN)/python tools/generate_sheet.py --check
	$(BIN)/python tools/sheet_data.py --check
	$(BIN)/python tools/make_sheets.py --check
	$(BIN)/python tools/generate_exercises.py --check

# One thread for each: two workers' threads would wait on each other.
unit: .venv/.test
	OMP_NUM_THREADS=1 $(BIN)/pytest -q $(WORKERS) --ignore tests/book/site

# The NumPy-only part, without torch: newest NumPy on Python 3.12, and the older versions that Colab ships on 3.13.
numpy-only:
	$(PYTHON) tools/numpy_only.py 3.12 numpy
	$(PYTHON) tools/numpy_only.py 3.13 numpy==2.1.3 matplotlib==3.10.0 pillow==11.3.0

pages: .venv/.test
	$(BIN)/pytest -q -n auto --maxprocesses 3 --dist worksteal tests/book/site

# Strict where outputs are committed, each compared with the stored one; the blanks only have to run. Notebooks that
# train want both cores and go one at a time, the others side by side.
TRAINING := book/03_two_minute_sora.ipynb book/10_training.ipynb
NBVAL := --nbval-current-env --nbval-sanitize-with tests/sanitize.cfg
run-notebooks: .venv/.test
	OMP_NUM_THREADS=1 $(BIN)/pytest -q $(WORKERS) --nbval $(NBVAL) book solutions $(TRAINING:%=--ignore %)
	$(BIN)/pytest -q --nbval $(NBVAL) $(TRAINING)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q $(WORKERS) --nbval-lax $(NBVAL) exercises

# --- for the weekly run ---------------------------------------------------------------------------------------------
linkcheck: .venv/.book
	$(BIN)/jupyter-book build . --builder linkcheck

# In Colab's own image, with the packages that it ships: nothing but ditcourse and the test runner is installed.
colab:
	$(PYTHON) -m pip install --quiet --no-deps -e . nbval coverage
	$(PYTHON) -m pytest -q tests/byhand tests/check tests/model tests/diffusion
	$(PYTHON) -m pytest -q --nbval-lax --nbval-current-env book solutions exercises

clean:
	rm -rf .venv .venv-* _build clip.webp
