import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.sampling import SamplerName, sampler
from serving.tracing import trace_from
from tests.fakes.spans import listened_to

HEX32, HEX16 = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("name", "decisions"),
    [
        ("always_on", (True, True, True)),
        ("always_off", (False, False, False)),
        ("parentbased_always_on", (True, True, False)),
        ("parentbased_always_off", (False, True, False)),
    ],
)
def test_samplers_decide_about_no_caller_a_sampled_one_and_one_that_is_not(
    name: SamplerName, decisions: tuple[bool, ...]
) -> None:
    decide = sampler(name, 0.5)
    assert tuple(decide(HEX32, said) for said in (None, True, False)) == decisions


@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.3, 0.75, 1.0])
def test_a_ratio_holds_for_the_ids_that_are_made_here(ratio: float) -> None:
    """The fixed bits of a UUID4 stand where OpenTelemetry's own sampler looks: it would take none below a half."""
    decide = sampler("traceidratio", ratio)
    count = 20_000
    taken = sum(decide(uuid.uuid4().hex, None) for _ in range(count))
    assert taken == pytest.approx(ratio * count, abs=5 * (count * 0.25) ** 0.5 + 1)


@given(
    trace_id=st.integers(1, 2**128 - 1),
    small=st.floats(0, 1),
    large=st.floats(0, 1),
    said=st.sampled_from([True, False]),
)
def test_who_samples_more_always_takes_what_others_take_too(
    trace_id: int, small: float, large: float, said: bool
) -> None:
    small, large = sorted((small, large))
    text = f"{trace_id:032x}"
    assert not sampler("traceidratio", small)(text, said) or sampler("traceidratio", large)(text, said)
    assert sampler("parentbased_traceidratio", small)(text, said) is said


def test_the_sampler_in_force_decides_what_the_answer_s_header_says() -> None:
    with listened_to(sampler("parentbased_always_off", 1.0)):
        assert trace_from({}).traceparent.endswith("-00")
        assert trace_from({"traceparent": f"00-{HEX32}-{HEX16}-01"}).sampled
    assert trace_from({}).sampled
