VENV_PYTHON := .venv/bin/python

.PHONY: run setup test fuzz test-newest test-all test-image lint format docs bench lock clean

run: setup  ## train, evaluate and push, on real data where it can be had
	$(VENV_PYTHON) -m pipeline.local_runner $(ARGS)

setup:  ## make .venv, once; PYTHON=… chooses the interpreter
	@bash requirements/setup.sh

test: setup lint  ## lint, and run all tests
	$(VENV_PYTHON) -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

fuzz: setup  ## read 10,000 new spoiled inputs of each kind, in half an hour; FUZZ_EXAMPLES=… reads more
	FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(VENV_PYTHON) -m pytest --numprocesses $(WORKERS) tests/fuzz $(ARGS)

FUZZ_EXAMPLES := 10000

# Each takes up to 2 GB.
WORKERS := 2

lint: setup  ## check style, format and types
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy

format: setup  ## mend style and format
	$(VENV_PYTHON) -m ruff check --fix .
	$(VENV_PYTHON) -m ruff format .

docs: setup  ## write the table of settings anew, from the fields of pipeline/config
	$(VENV_PYTHON) -m pipeline.settings docs/settings.md

bench: setup  ## measure whole runs and an epoch beside what people write instead; ARGS="--json FILE --chart FILE"
	$(VENV_PYTHON) -m benchmarks.compare $(ARGS)

lock:  ## resolve setup.py for both stacks, and uv; what is locked stays, but for ARGS=--upgrade
	$(LOCK) setup.py $(EXTRAS) --python-version 3.10 --python-platform x86_64-manylinux_2_17 -o requirements/tfx-1.16.txt
	$(LOCK) setup.py $(EXTRAS) --python-version 3.11 --universal -o requirements/tfx-1.21.txt
	echo uv | $(LOCK) - --python-version 3.8 --universal -o requirements/uv.txt

EXTRAS := --extra dev --extra formats
LOCK := bash requirements/uv.sh pip compile $(ARGS) --quiet --no-config --generate-hashes --no-emit-index-url \
	--no-annotate --custom-compile-command "make lock"

test-newest:  ## set up and test on the other stack, in a Debian made for it; needs root and mmdebstrap
	ARGS="$(ARGS)" bash tests/debian/other_stack.sh

test-all: test  ## run all tests on both stacks, whole runs too
	ARGS="-m 'e2e or not e2e'" bash tests/debian/other_stack.sh

test-image:  ## follow deploy/Dockerfile in Debians made for it, and run it; needs root and mmdebstrap
	bash tests/debian/image.sh

clean:  ## remove what setup made
	rm -rf .venv .python build *.egg-info
