# make demo   — the README's first command: a real engine, traced, and its story told
# make test   — the second: the tests that CI runs
#
# ENGINE=cpu        (default) the pinned CPU engine, installed once into .venv
# ENGINE=installed  the vLLM of the active environment, which is not altered

ENGINE ?= cpu
VENV   := .venv
TRACE  ?= build/demo
MODEL  ?= build/models/llama
ASK    ?= twin-b
NEXT   ?= 0.33.0

# The first interpreter that is new enough; an active environment's own python where it is used.
ifeq ($(ENGINE),installed)
CANDIDATES := python3 python
else
CANDIDATES := python3.11 python3.12 python3.13 python3
endif
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do $$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)

ifeq ($(ENGINE),cpu)
PY    := $(VENV)/bin/python
DTYPE := float32
PAGEWALK := $(VENV)/bin/pagewalk
TELL     := $(PAGEWALK)
READY := $(VENV)/.ready
TOOLS := $(VENV)/.tools
else ifeq ($(ENGINE),installed)
PY    := $(PYTHON)
# The package and its entry point, shown to the environment without installing anything there.
export PYTHONPATH := $(CURDIR)/tracing:$(CURDIR)/build/plugin$(if $(PYTHONPATH),:$(PYTHONPATH))
DTYPE := auto
PAGEWALK := $(PY) -m pagewalk.cli
TELL     := PYTHONPATH=tracing:build/plugin $(PAGEWALK)
READY := build/plugin/.ready
TOOLS := build/plugin/.ready
else
$(error ENGINE=$(ENGINE) is not known: say ENGINE=cpu or ENGINE=installed)
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test soak docs changed compatibility lint clean distclean lock traces site serve zensical

help: ## print this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@sed -n 's/^# \(ENGINE=\)/\1/p' $(MAKEFILE_LIST)

demo: $(READY) ## trace a crowded little engine, check the trace and tell what happened
	@rm -rf $(TRACE)
	@$(PY) -m pagewalk.bed llama $(MODEL)
	$(PAGEWALK) run --digest hash --out $(TRACE) -- $(PY) walkthroughs/scenarios/demo.py --model $(MODEL) --dtype $(DTYPE)
	$(PAGEWALK) check $(TRACE)
	$(PAGEWALK) request $(TRACE) $(ASK)
	$(PAGEWALK) show $(TRACE)
	$(PAGEWALK) open $(TRACE) --no-browser
	@echo
	@echo "The trace is the directory $(TRACE), its report $(TRACE)/report.html. More of it:"
	@echo "  $(TELL) why $(TRACE) last"
	@echo "  $(TELL) blocks $(TRACE) --step 12"

test: $(TOOLS) ## run the tests that CI runs (ARGS=... goes to pytest)
	$(PY) -m pytest -m "not slow" $(ARGS)

soak: $(TOOLS) ## run the long tests: at least 100,000 compared snapshots
	$(PY) -m pytest -m slow -s $(ARGS)

lint: $(TOOLS) ## check the code with ruff
	$(PY) -m ruff check .

docs: $(READY) ## write the generated reference pages
	$(PY) -m pagewalk.trace.page > walkthroughs/reference/trace-format.md
	$(PY) -m pagewalk.probes.page > walkthroughs/reference/probes.md
	$(PY) -m pagewalk.replay.page > walkthroughs/reference/laws.md
	$(PY) -m typer pagewalk.cli utils docs --name pagewalk --title "The commands" --output walkthroughs/reference/cli.md

changed: $(TOOLS) ## write the page of what the next release changed (fetches its wheel)
	@mkdir -p build/next
	@ls build/next/vllm-$(NEXT)-*.whl >/dev/null 2>&1 || $(PY) -m pip download -q --no-deps --dest build/next vllm==$(NEXT)
	$(PAGEWALK) excerpts page --against build/next/vllm-$(NEXT)-*.whl --out walkthroughs/changed_$(subst .,_,$(basename $(NEXT))).md

compatibility: $(TOOLS) ## write the page of which releases fit (RELEASES="wheels or directories")
	$(PY) -m pagewalk.compatibility $(RELEASES) > walkthroughs/reference/compatibility.md

traces: $(READY) ## record the traces of the pages anew (ARGS=... names some)
	$(PAGEWALK) traces record $(ARGS)

# What pages need beside themselves is made first; then each claim is judged while they are built.
# One process makes what pages need beside themselves, and judges each claim while it builds them.
site: $(TOOLS) ## build the website into build/site
	@NO_MKDOCS_2_WARNING=1 $(PY) -m pagewalk.pages.site walkthroughs build/site
	@echo "The website is in build/site: make serve shows it."

serve: $(TOOLS) ## show the website on this machine alone, and follow changes
	@$(PY) -m pagewalk.pages.prepare walkthroughs
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs serve --no-strict --dev-addr 127.0.0.1:8000

# What each directive leaves in the pages, which Zensical must make too.
SENTINELS := pagewalk-tick pagewalk-source <pagewalk-player pagewalk-exits

zensical: $(TOOLS) $(VENV)/.zensical ## build the website with Zensical too, into build/zensical
	@$(PY) -m pagewalk.pages.prepare walkthroughs
	@$(PY) -m zensical build --clean --config-file zensical.yml
	@for one in $(foreach one,$(SENTINELS),'$(one)'); do grep -rqF --include=index.html -e "$$one" \
	  build/zensical || { echo "Zensical's pages lack $$one: see the warnings above."; exit 1; }; done
	@echo "The website by Zensical is in build/zensical."

lock: $(TOOLS) ## resolve requirements/*.txt anew
	$(PY) requirements/lock.py

clean: ## remove what was built; the engine in .venv stays
	rm -rf build .pytest_cache .ruff_cache .hypothesis tracing/*.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## remove .venv too
	rm -rf $(VENV)

# Stamps: each install happens once, and again only when its list changes.

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found: say make PYTHON=<path>."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make a virtual environment: install its venv package."; exit 1; }

$(VENV)/.torch: | $(VENV)/bin/python
	@$(PY) requirements/install.py torch
	@touch $@

$(VENV)/.engine: requirements/cpu.txt $(VENV)/.torch
	@echo "Installing the engine, once; this takes some minutes."
	@$(PY) requirements/install.py requirements/cpu.txt
	@touch $@

# Metadata only: the sources are used where they are. setuptools came with the engine.
$(VENV)/.package: pyproject.toml $(VENV)/.engine
	@$(PY) -m pip --disable-pip-version-check install -qq --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.ready: $(VENV)/.package
	@$(PY) -m pagewalk.bed llama $(MODEL) --check
	@touch $@

$(VENV)/.tools: requirements/test.txt requirements/site.txt $(VENV)/.ready
	@$(PY) requirements/install.py requirements/test.txt
	@$(PY) requirements/install.py requirements/site.txt
	@touch $@

$(VENV)/.ray: requirements/ray.txt $(VENV)/.tools
	@$(PY) requirements/install.py requirements/ray.txt
	@touch $@

$(VENV)/.zensical: requirements/zensical.txt $(VENV)/.tools
	@$(PY) requirements/install.py requirements/zensical.txt
	@touch $@

build/plugin/.ready: pyproject.toml requirements/overlay.py
	@test -n "$(PYTHON)" || { echo "The active environment has no Python 3.11 or newer."; exit 1; }
	@$(PYTHON) requirements/overlay.py build/plugin
	@touch $@
