from types import ModuleType

from hypothesis import given
from hypothesis import strategies as st


@given(ms=st.floats(0, 100_000))
def test_a_latency_is_never_counted_as_less_than_it_was(ledger: ModuleType, ms: float) -> None:
    # Locust counts 104.9 ms as 100, which a limit of 100 lets pass.
    assert ms <= ledger.bucket(ms) <= ms + (1 if ms < 9_999 else 10)


@given(times=st.lists(st.floats(0, 9_000), min_size=1), part=st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_always_covers_its_part(ledger: ModuleType, times: list[float], part: float) -> None:
    series = ledger.Series()
    for ms in times:
        series.add(ms, False)
    found = series.quantile(part)
    assert sum(ledger.bucket(ms) <= found for ms in times) >= part * len(times)
    assert found in {ledger.bucket(ms) for ms in times}


def test_reports_of_workers_add_up_to_what_one_process_would_have_counted(ledger: ModuleType) -> None:
    alone, master = ledger.Ledger(), ledger.Ledger()
    for worker in range(3):
        one = ledger.Ledger()
        for number in range(50):
            for book in (alone, one):
                book.time("triage: first token", number * 3.5 + worker, failed=number == 7)
                book.status("POST /predict", 200 if number % 5 else 429)
            if number == 20:
                master.take(one.hand_over())
        master.take(one.hand_over())
        assert one.figures() == []
    assert master.figures() == alone.figures()
    assert master.statuses == alone.statuses


def test_an_empty_series_has_no_quantiles(ledger: ModuleType) -> None:
    assert ledger.Series().quantile(0.95) == 0.0
