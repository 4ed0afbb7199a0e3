PYTHON := .venv/bin/python

.PHONY: run setup test lint format docs lock clean

run: setup  ## train, evaluate and push, on real data where it can be had
	$(PYTHON) -m pipeline.local_runner $(ARGS)

setup:  ## make .venv, once
	@bash requirements/setup.sh

test: setup lint  ## lint, and run all tests
	$(PYTHON) -m pytest $(ARGS)

lint: setup  ## check style, format and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

format: setup  ## mend style and format
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

docs: setup  ## write the table of settings anew, from the fields of pipeline/config.py
	$(PYTHON) -m pipeline.settings docs/settings.md

lock:  ## resolve setup.py anew, for both stacks; needs uv
	$(LOCK) --python-version 3.10 --python-platform x86_64-manylinux_2_17 -o requirements/tfx-1.16.txt
	$(LOCK) --python-version 3.11 --universal -o requirements/tfx-1.21.txt

LOCK := uv pip compile setup.py --extra dev --extra formats --upgrade --quiet --no-config --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command "make lock"

clean:  ## remove what setup made
	rm -rf .venv .python build *.egg-info
