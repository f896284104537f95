"""Tests of a port that every implementation of it has to pass: classes, run once beside each implementation."""

import pytest

# Their names do not begin with test_, so pytest would leave their asserts bare.
pytest.register_assert_rewrite(
    "tests.suites.broker", "tests.suites.broker_commits", "tests.suites.broker_groups", "tests.suites.members"
)
