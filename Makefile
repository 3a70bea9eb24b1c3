# Everything lands in this folder: .venv/ for Python, datasets/, experiments/runs/, build/ and analysis/ for results.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The extra frechet-audio-distance holds NumPy below 2, so it has an environment of its own.
FAD_VENV ?= .venv-fad
AUDIT_VENV ?= .venv-audit
# The release everything is tested with; used where no torch is installed yet.
TORCH ?= torch==2.13.0

# Bytecode is written on first import, since nothing is compiled at installation: without it every process takes two seconds more.
unexport PYTHONDONTWRITEBYTECODE

# The oldest Python with the lowest versions that pyproject.toml allows, and the newest with the newest of everything.
PYTHON_LOWEST ?= python3.11
PYTHON_NEWEST ?= python3.13
LOWEST_VENV ?= .venv-lowest
NEWEST_VENV ?= .venv-newest

# Empty where Node.js is not installed.
NPM := $(shell command -v npm 2>/dev/null)

DATASET := datasets/demo.json
# Not in experiments/runs, where commands look for the newest run: after a demo they still use voice-16.
RUN := build/demo/demo
REPORT := analysis/demo

LIBRARY := datasets/library
LIBRARY_RUN := build/demo/library
LIBRARY_REPORT := analysis/library

.PHONY: demo drumkits demo-library spaces lock audit sbom fuzz test test-slow test-chaos test-scale test-browser test-fad test-lowest test-newest lint kernels style mypy types clean help
.DELETE_ON_ERROR:

help:
	@echo "make demo   a dataset, two models, a report that compares them with voice-16, and eight new sounds"
	@echo "make demo-library  a library of sounds, a model of them, a report with sounds, and sixteen new sounds"
	@echo "make drumkits  import and train on the drum kits of Debian's package hydrogen-drumkits"
	@echo "make spaces voice-16 again from its seed, with a check of its figures"
	@echo "make test   every test but those of the lines below, the linters and the types; COVERAGE=1 counts lines, a quarter slower"
	@echo "make test-slow  tests of whole jobs: the built wheel, an experiment, benchmarks"
	@echo "make types  tsc --checkJs over the page's JavaScript; make test runs it where Node.js is installed"
	@echo "make test-scale  launchers: processes, a Ray cluster that loses a node, submitit"
	@echo "make test-fad  VGGish and PANNs beside frechet-audio-distance, CLAP, EnCodec, in $(FAD_VENV), on drawn weights"
	@echo "make test-browser  the report and the map in headless Chromium"
	@echo "make test-lowest  the main job on Python 3.11 with the lowest versions allowed, in $(LOWEST_VENV)"
	@echo "make test-newest  the main job on Python 3.13 with the newest versions there are, in $(NEWEST_VENV)"
	@echo "make fuzz   damaged files for 36 readers, ten minutes each: three hours on two cores; FUZZ_SECONDS=60 for less"
	@echo "make test-chaos  every command that writes: killed at 200 random moments and before operations on files, and on a full disk, one core, ...; two hours"
	@echo "make lock   constraints.txt: the versions that make LOCKED=1 test installs"
	@echo "make audit  known vulnerabilities of these versions; needs internet access"
	@echo "make sbom   a software bill of materials, build/sbom.json"
	@echo "make clean  remove what the demos made (not $(VENV))"

# LOCKED=1 installs the versions of constraints.txt, so that a fault can be repeated. No bytecode, since most of what pip installs here is never imported: it would take longer than the rest.
$(VENV)/installed: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "error: '$(PYTHON) -m venv' failed; Python 3.11 or later with venv is needed (Debian: apt install python3-venv)"; exit 2; }
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { rm -rf $(VENV); \
	  echo "error: Python 3.11 or later is needed; say which with make PYTHON=python3.11"; exit 2; }
	@$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/python -m pip install --quiet --no-compile $(TORCH)
	$(BIN)/python -m pip install --quiet --no-compile $(if $(LOCKED),--constraint constraints.txt) --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --no-compile $(if $(LOCKED),--constraint constraints.txt) --editable '.[dev]'
	@touch $@

# Another seed than that of voice-16, which is measured on the same test presets. What the analysis needs is compiled
# beside the training, once for this installation, at low priority.
demo: $(VENV)/installed
	@test -f $(REPORT)/report.html || nice -n 10 $(BIN)/synthvae doctor --compile >/dev/null 2>&1 &
	@test -f $(DATASET) || $(BIN)/synthvae generate-dataset --size 4000 --seed 2 --out $(DATASET)
	$(BIN)/synthvae train --data $(DATASET) --loss sclp --synth-layer --config experiments/demo.toml --out $(RUN) --resume
	$(BIN)/synthvae train --data $(DATASET) --config experiments/demo-parameters.toml --out $(RUN)-parameters --resume
	@test -f $(REPORT)/report.html -a $(REPORT)/report.html -nt $(RUN)/weights.safetensors \
	  || $(BIN)/synthvae analyze $(RUN)-parameters $(RUN) voice-16 --data $(DATASET) --limit 60 --map-presets 600 --map-nulls 2 --out $(REPORT)
	@test $(REPORT)/sounds -nt $(RUN)/weights.safetensors \
	  || $(BIN)/synthvae decode $(RUN) --random 8 --seed 1 --out $(REPORT)/sounds
	@echo
	@echo "report: $(abspath $(REPORT)/report.html)"
	@echo "sounds: $(abspath $(REPORT)/sounds)"

# The same for recorded sounds, on a library that is rendered.
demo-library: $(VENV)/installed
	@test -f $(LIBRARY)/library.json || $(BIN)/synthvae make-library --size 4000 --seed 0 --out $(LIBRARY)
	$(BIN)/synthvae train --data $(LIBRARY) --epochs 12 --lr-schedule cosine --out $(LIBRARY_RUN) --resume
	@test -f $(LIBRARY_REPORT)/report.html -a $(LIBRARY_REPORT)/report.html -nt $(LIBRARY_RUN)/weights.safetensors \
	  || $(BIN)/synthvae analyze $(LIBRARY_RUN) --out $(LIBRARY_REPORT)
	@test $(LIBRARY_REPORT)/sounds -nt $(LIBRARY_RUN)/weights.safetensors \
	  || $(BIN)/synthvae decode $(LIBRARY_RUN) --random 16 --seed 1 --out $(LIBRARY_REPORT)/sounds
	@echo
	@echo "report: $(abspath $(LIBRARY_REPORT)/report.html)"
	@echo "sounds: $(abspath $(LIBRARY_REPORT)/sounds)"

# A library that nobody here made: the drum kits of Debian's package hydrogen-drumkits, for a nightly run. They are under the
# GPL and Creative Commons licences, and nothing of them is part of synthvae.
KITS ?= /usr/share/hydrogen/data/drumkits
drumkits: $(VENV)/installed
	@test -d "$(KITS)" || { echo "error: no folder $(KITS) (Debian: apt install hydrogen-drumkits); say where with make drumkits KITS=..."; exit 2; }
	@test -f datasets/drumkits/library.json || $(BIN)/synthvae import-library "$(KITS)" --out datasets/drumkits
	$(BIN)/synthvae train --data datasets/drumkits --epochs 60 --lr-schedule cosine --patience 0 --out experiments/runs/drumkits --resume
	$(BIN)/synthvae train --data datasets/drumkits --network dense --epochs 60 --lr-schedule cosine --patience 0 --out experiments/runs/drumkits-dense --resume
	$(BIN)/synthvae analyze experiments/runs/drumkits experiments/runs/drumkits-dense --out analysis/drumkits

# The space that comes with synthvae, from its seed: a quarter of an hour, and the encoder's training. Its figures have to
# agree with those of the space that is there.
SPACE := build/spaces/voice-16
# Of the packages for development it needs those of the studio, which makes the map.
spaces: $(VENV)/installed-dev
	@test -f $(SPACE).json || $(BIN)/synthvae generate-dataset --seed 0 --out $(SPACE).json
	$(BIN)/synthvae train --config experiments/best-16.toml --data $(SPACE).json --out $(SPACE) --resume
	$(BIN)/synthvae train-encoder $(SPACE) --presets 400000 --resume
	$(BIN)/synthvae pack $(SPACE) --out synthvae/spaces/voice-16 --how "make spaces"

lint: style mypy types

style: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

mypy: $(VENV)/installed-dev
	$(BIN)/mypy

node_modules/installed: package.json
	@npm install --silent --no-package-lock --no-audit --no-fund \
	  || { echo "error: 'npm install' could not fetch the package typescript that package.json names"; exit 2; }
	@touch $@

# The page runs as it is written and needs no build, so that a machine without Node.js has this check left out, not failed.
types: $(if $(NPM),node_modules/installed)
	$(if $(NPM),node_modules/.bin/tsc,@echo "skipped: the types of the page's JavaScript need Node.js (Debian: apt install nodejs npm)")

# Each process takes one half of the tests, whose files then share what they make, and helps the other at the end.
test: $(VENV)/installed-dev
	@$(MAKE) --no-print-directory --jobs 2 lint kernels
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not browser and not slow" $(if $(COVERAGE),--cov --cov-report=term:skip-covered)

# Beside mypy, which takes one core; otherwise both workers would compile them at the same time.
kernels: $(VENV)/installed-dev
	@$(BIN)/synthvae doctor --compile

# Apart from make test, which has to end within ten minutes on two cores.
test-slow: $(VENV)/installed-dev
	$(BIN)/python -m pytest -q -n 2 -m slow

# Ray and submitit beside the packages for development; three minutes on two cores.
$(VENV)/installed-scale: $(VENV)/installed-dev
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[dev,scale]'
	@touch $@

# A test that would be skipped for want of the extra fails here.
test-scale: $(VENV)/installed-scale
	SYNTHVAE_SCALE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/scale/test_launch.py tests/scale/test_processes.py

# torchvggish has the layers and the front end that VGGish is compared with; frechet-audio-distance has torch.hub fetch
# them from a repository that is on no package index.
$(FAD_VENV)/installed: pyproject.toml
	@test -x $(FAD_VENV)/bin/python || $(PYTHON) -m venv $(FAD_VENV)
	@$(FAD_VENV)/bin/python -c 'import torch' 2>/dev/null || $(FAD_VENV)/bin/python -m pip install --quiet --no-compile $(TORCH)
	$(FAD_VENV)/bin/python -m pip install --quiet --no-compile --editable '.[frechet-audio-distance]' 'pytest>=8' torchvggish==0.2
	@touch $@

# A test that would be skipped for want of the extra fails here.
test-fad: $(FAD_VENV)/installed
	SYNTHVAE_REQUIRE_FAD=1 $(FAD_VENV)/bin/python -m pytest -q tests/metrics/embeddings/test_embeddings.py

# A test that would be skipped for want of a browser fails here.
test-browser: $(VENV)/installed-dev
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { test "$$(id -u)" = 0 \
	  && { apt-get install -y -q chromium || { apt-get update -q && apt-get install -y -q chromium; }; } >/dev/null; } \
	  || { echo "error: no Chromium; install it (Debian: apt install chromium)"; exit 2; }
	SYNTHVAE_BROWSER=1 $(BIN)/python -m pytest -q -m browser

# An environment in folder $(1) with the first of these Pythons that runs: $(2), or one of version $(3) that uv or pyenv
# has, whose shim python$(3) may be on PATH without running. Its uv installs the lowest versions, which pip cannot.
define make-venv
@test -x $(1)/bin/uv || { for python in "$(2)" "$$(uv python find $(3) 2>/dev/null)" "$$(pyenv root 2>/dev/null)"/versions/$(3).*/bin/python; do \
  rm -rf $(1); "$$python" -m venv $(1) 2>/dev/null && break; done; \
  test -x $(1)/bin/python && $(1)/bin/python -m pip install --quiet uv; } \
  || { echo "error: '$(2)' does not run or has no venv; name a Python $(3) with make $@ $(4)=/path/to/python$(3)"; exit 2; }
endef

# Every command's help; generate, train, analyse, decode and explore; stored results; the Voice beside torchsynth's.
MAIN_JOB := tests/cli/test_commands.py::test_every_command_has_an_example_in_its_help tests/cli/main_job.py \
  tests/core/test_store.py tests/synths/voice/test_reference.py tests/synths/voice/test_fast.py::test_corners

# Both have a PyTorch with CUDA, on Linux 6 GB on disk and about 3 GB to download (45 s where the index is fast): the index
# has no other build for x86-64, so a higher lower bound would cost as much. No cache, which would keep them twice.
test-lowest:
	$(call make-venv,$(LOWEST_VENV),$(PYTHON_LOWEST),3.11,PYTHON_LOWEST)
	$(LOWEST_VENV)/bin/uv pip install --quiet --no-cache --python $(LOWEST_VENV)/bin/python --upgrade --resolution lowest-direct --editable '.[studio,match]' 'pytest>=8'
	$(LOWEST_VENV)/bin/python -m pytest -q $(MAIN_JOB)

test-newest:
	$(call make-venv,$(NEWEST_VENV),$(PYTHON_NEWEST),3.13,PYTHON_NEWEST)
	$(NEWEST_VENV)/bin/uv pip install --quiet --no-cache --python $(NEWEST_VENV)/bin/python --upgrade --editable '.[studio,match]' pytest
	$(NEWEST_VENV)/bin/python -m pytest -q $(MAIN_JOB)

# Ten minutes for each of 36 formats, another seed each day; files that are handled wrongly are kept in fuzzed/.
FUZZ_SECONDS ?= 600
fuzz: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks fuzz --seconds $(FUZZ_SECONDS) --jobs $$(nproc) --seed $$(date +%j)

# Mounting read-only folders and full disks needs root; CONDITIONS=--require-all fails without it.
test-chaos: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks kills --kills 200
	$(BIN)/python -m benchmarks kills --every-operation --most 12
	$(BIN)/python -m benchmarks conditions $(CONDITIONS)

# In an environment of their own: what is examined is not to be changed by what examines it.
$(AUDIT_VENV)/installed: pyproject.toml
	@test -x $(AUDIT_VENV)/bin/python || $(PYTHON) -m venv $(AUDIT_VENV)
	$(AUDIT_VENV)/bin/python -m pip install --quiet --no-compile uv pip-audit cyclonedx-bom
	@touch $@

# The newest versions that go together, but for PyTorch, which is the one that everything is tested with. Without hashes: the
# CPU builds of PyTorch, which most people install, have others than the index.
lock: $(AUDIT_VENV)/installed
	@mkdir -p build && echo "$(TORCH)" > build/torch.txt
	$(AUDIT_VENV)/bin/uv pip compile --quiet pyproject.toml --extra dev --extra scale --constraint build/torch.txt --universal \
	  --python-version 3.11 --no-emit-index-url --no-annotate --custom-compile-command "make lock" --output-file constraints.txt

# Known vulnerabilities of the locked versions; asks the database of PyPI, so it needs internet access.
audit: $(AUDIT_VENV)/installed
	$(AUDIT_VENV)/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip

# A software bill of materials of what is installed, in the form of CycloneDX.
sbom: $(VENV)/installed $(AUDIT_VENV)/installed
	@mkdir -p build
	$(AUDIT_VENV)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-file build/sbom.json $(BIN)/python

clean:
	rm -rf $(DATASET) $(RUN) $(RUN)-parameters $(REPORT) $(LIBRARY) $(LIBRARY_RUN) $(LIBRARY_REPORT)
