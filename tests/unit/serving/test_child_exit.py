import pytest

from serving.child_exit import RestartPolicy, never_lived


def test_waits_double_up_to_the_limit() -> None:
    policy = RestartPolicy(first_wait_s=0.1, max_wait_s=1.0)
    assert [policy.wait(n) for n in range(1, 7)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    assert policy.wait(10_000) == 1.0


def test_a_child_that_was_never_there_names_the_kind_of_error_and_none_of_its_words() -> None:
    assert never_lived(OSError("/a/path of ours")).reason == "could not be started: OSError"
