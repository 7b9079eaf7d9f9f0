# `make demo` and `make test` need python3 (3.11 or newer), make and git; everything else is installed into .venv.
# Where there is a Chromium, `make test` also looks at the web UI in it and keeps screenshots in build/screenshots.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
FUZZ_SECONDS ?= 600
TEST_PROCESSES ?= 3
# Nothing that is tested outlives a power cut, so no test waits for a disk. It is a package of Debian.
EATMYDATA := $(shell command -v eatmydata)
BENCH_VENV := .venv-bench
BENCH_INSTALLED := $(BENCH_VENV)/.installed
QUESTION := where do we decide what is stale

# Where it is set, each of the many processes would compile the program anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test fleet-test mutants soak fuzz bench lint types wheel check format lock clean
.DEFAULT_GOAL := demo

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/patina init
	$(BIN)/patina scry "$(QUESTION)" -k 5
	@printf '\nTry next:\n  %s\n  %s\n  %s\n' \
	  '$(BIN)/patina scry "how are events read" --projection temporal' \
	  '$(BIN)/patina oxidize --dry-run' \
	  '$(BIN)/patina ui'

# More processes than two cores, because tests of the web UI mostly wait. A file's tests share what they build.
# Tests that failed beside others are run once more, alone, and named: real browsers and daemons share one machine here.
test: $(INSTALLED)
	@$(EATMYDATA) $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder || \
	  { [ $$? -eq 1 ] && printf '\nThese tests failed beside others. They are run once more, alone:\n' && \
	  $(EATMYDATA) $(BIN)/python -m pytest --last-failed --last-failed-no-failures none --numprocesses 0 --verbose; }

# A fleet on real servers on loopback: needs `apt-get install postgresql redis-server` and the extra `fleet-search-test`; without them these tests skip.
fleet-test: $(INSTALLED)
	$(BIN)/python -m pytest tests/patina_assets/fleet tests/patina_resources/fleet \
	  tests/patina_assets/search/published tests/security/test_fleet_visibility.py tests/security/test_fleet_page.py

# Coverage-guided fuzzing of what parses files that people write; a finding ends it and is left in build/fuzz.
fuzz: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[fuzz]'
	$(BIN)/python tests/fuzz/fuzz.py recipe -max_total_time=$(FUZZ_SECONDS)
	$(BIN)/python tests/fuzz/fuzz.py session -max_total_time=$(FUZZ_SECONDS)

# Small changes of the modules that decide and write, by a seed: does a test notice each? One process, 25 minutes at most.
# `make mutants ARGUMENTS="--only staleness --sample 30"` tries some.
mutants: $(INSTALLED)
	$(BIN)/python tests/mutants/mutants.py $(ARGUMENTS)

# The long form of tests/faults (kills, full disks, damage and contention by the hundred) and a megabyte of each worst case for each
# reader and pattern; takes more than an hour.
soak: $(INSTALLED)
	PATINA_SOAK=$${PATINA_SOAK:-1} $(BIN)/python -m pytest tests/faults tests/security/test_linear_readers.py \
	  tests/security/test_linear_time.py \
	  tests/patina_assets/orchestration/automation/test_sensors.py \
	  tests/patina_assets/serving/test_mcp.py tests/patina_assets/commands/hooks tests/patina_resources/hooks \
	  tests/ui/test_soak.py

$(BENCH_INSTALLED): pyproject.toml constraints.txt benchmarks/install_peers.py
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	$(BENCH_VENV)/bin/python benchmarks/install_peers.py
	@touch $@

# `make bench` measures everything (an hour or two on two cores); `make bench ONLY=train`, `make bench QUICK=1`.
bench: $(BENCH_INSTALLED)
	$(BENCH_VENV)/bin/python benchmarks/bench.py $(foreach row,$(ONLY),--only $(row)) $(if $(QUICK),--quick)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

# The wheel as a user gets it: installed in an environment of its own, not editable, and tried on a clone of this repository.
wheel: $(INSTALLED)
	rm -rf build/wheel
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/wheel .
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt build/wheel/*.whl
	git clone --quiet . build/wheel/repository
	cd build/wheel/repository && export PATINA_HOME="$(CURDIR)/build/wheel/home" && \
	  ../venv/bin/patina init --no-build && ../venv/bin/patina materialize && \
	  ../venv/bin/patina oxidize --only base && \
	  ../venv/bin/patina scry "$(QUESTION)" -k 3 && ../venv/bin/patina map base --out ../map.html
	PATINA_HOME="$(CURDIR)/build/wheel/home" $(BIN)/python tests/support/installed_ui.py build/wheel/venv/bin/patina build/wheel/repository
	build/wheel/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps docs/plugins/*/
	cd build/wheel/repository && PATINA_HOME="$(CURDIR)/build/wheel/home" ../venv/bin/patina doctor --json | \
	  grep -c '"plugin ' | grep -x $(words $(wildcard docs/plugins/*/))

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Writes down the versions that a fresh install resolves to today.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check '.[dev]'
	build/lock/bin/python -m pip freeze --exclude patina-assets > constraints.txt

clean:
	rm -rf $(VENV) $(BENCH_VENV) .bench build
