"""Which traces are recorded: the samplers that OpenTelemetry's environment names, each as one decision.

Called by `exporting`, which gives the one that was chosen to `tracing`. Pure. The SDK's own samplers are not used: they
compare the lower half of a trace id, and ours is a UUID4, whose half begins with two bits that never change. A ratio
below a half would then record nothing at all. The last 56 bits are chance in every kind of id, which is also what W3C
Trace Context promises of them.
"""

from typing import Literal, TypeAlias, assert_never

from serving.tracing import Sampler

SamplerName: TypeAlias = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]

_CHANCE_DIGITS = 14
_CHANCES = float(1 << (4 * _CHANCE_DIGITS))


def sampler(name: SamplerName, ratio: float) -> Sampler:
    """
    Args:
        ratio: of the traces that a ratio decides, 0 to 1. Equal trace ids are decided equally everywhere.
    """
    match name:
        case "always_on":
            return lambda _, said: True
        case "always_off":
            return lambda _, said: False
        case "traceidratio":
            return lambda trace_id, said: _chosen(trace_id, ratio)
        case "parentbased_always_on":
            return lambda _, said: True if said is None else said
        case "parentbased_always_off":
            return lambda _, said: False if said is None else said
        case "parentbased_traceidratio":
            return lambda trace_id, said: _chosen(trace_id, ratio) if said is None else said
        case _:
            assert_never(name)


def _chosen(trace_id: str, ratio: float) -> bool:
    # The upper end, as OpenTelemetry's consistent sampling has it: who samples less takes a part of what others take.
    return int(trace_id[-_CHANCE_DIGITS:], 16) >= (1 - ratio) * _CHANCES
