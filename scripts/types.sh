#!/usr/bin/env bash
# mypy --strict over the packages and, beside them, over the load tests: Locust's folder is none of Python's packages, and
# its modules are named as Locust loads them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
.venv/bin/python -m mypy
.venv/bin/python -m mypy locust
