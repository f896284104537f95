"""DRY_RUN=1 starts nothing, and prints what the same command without it would start."""

from collections.abc import Mapping, Sequence

import pytest

from scripts.cloud.__main__ import VERBS
from tests.integration.cloud.place import Done, Place
from tests.integration.cloud.world import DIGESTS, STAND_INS, listed, node_group

#: What a target needs on its command line.
_SAID: Mapping[str, Mapping[str, str]] = {
    "k8s-scale": {"APP": "inference", "REPLICAS": "2"},
    "k8s-rollback": {"APP": "chat-api", "REVISION": "1"},
    "k8s-logs": {"APP": "chat-api", "FOLLOW": "1"},
    "tf-destroy": {"CONFIRM": "sluice-demo"},
    "shutdown-all": {"CONFIRM": "sluice-demo"},
    "tf-apply": {"AUTO_APPROVE": "1"},
    "region-set": {"REGION": "us-east-2"},
}
#: A question is no program's work; test_triage.py looks at these.
_ASKED = {"test-triage-local", "test-triage-cloud"}


def shown(done: Done, replaced: Mapping[str, str]) -> list[list[str]]:
    return [[_filled_in(word, replaced) for word in call] for call in done.shown]


def _filled_in(word: str, replaced: Mapping[str, str]) -> str:
    for stand_in, value in replaced.items():
        word = word.replace(stand_in, value)
    return word


def without_empty(calls: Sequence[Sequence[str]]) -> list[list[str]]:
    """A variable that an output leaves empty is not handed on; a dry run can not know."""
    found: list[list[str]] = []
    for call in calls:
        pairs = list(zip(call, [*call[1:], ""], strict=True))
        skipped = {n + step for n, (a, b) in enumerate(pairs) if a == "-var" and b.endswith("=") for step in (0, 1)}
        found.append([word for n, word in enumerate(call) if n not in skipped])
    return found


@pytest.mark.parametrize("verb", sorted(set(VERBS) - _ASKED))
def test_a_dry_run_prints_the_calls_of_a_real_run_and_needs_no_program_for_it(place: Place, verb: str) -> None:
    said = _SAID.get(verb, {})
    if verb == "shutdown-nodes":
        for group in ("general-1", "llm-1"):
            place.answer("describe-nodegroup", group, out=node_group(group, (1, 1, 1)))
    if verb == "spinup-all":
        place.answer("describe-nodegroup", "general-1", out=node_group("general-1", (0, 4, 0), "1:1:1"))
        place.answer("describe-nodegroup", "llm-1", out=node_group("llm-1", (0, 2, 0), "1:1:1"))
        ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        place.answer("get nodes", "--output json", out=listed(ready, ready))
    if verb == "deploy":
        (place.folder / "uncommitted").touch()  # with a tag of its own, the same in both
        said = {"ALLOW_DIRTY": "1"}
    planned = place.make_with({"PATH": str(place.tools)}, verb, DRY_RUN="1", **said)
    assert planned.status == 0, planned.err
    assert planned.shown
    done = place.make(verb, said)
    assert done.status == 0, done.err
    replaced = {**STAND_INS, "<arn of general-1>": "arn:of:general-1", "<arn of llm-1>": "arn:of:llm-1"}
    replaced |= {"<tag of chat-api>": "0123abc", "<tag of inference>": "0123abc", "<tag that runs>": "0123abc"}
    assert without_empty(shown(planned, replaced)) == _known(place.calls, verb)


def _known(calls: Sequence[Sequence[str]], verb: str) -> list[list[str]]:
    """Images that run bring their digests along, which a dry run of Terraform alone does not know."""
    if verb not in ("tf-plan", "tf-apply"):
        return [list(call) for call in calls]
    digests = [word for call in calls for word in call if word.startswith("image_digest=")]
    assert all(all(digest in word for digest in DIGESTS.values()) for word in digests)
    return [[w for n, w in enumerate(c) if w not in digests and c[(n + 1) % len(c)] not in digests] for c in calls]


def test_what_is_printed_names_every_program_by_its_plain_name(place: Place) -> None:
    done = place.make("ecr-login", DRY_RUN="1", AWS="aws-of-ours", DOCKER="docker --host there")
    assert [call[0] for call in done.shown] == ["aws", "aws", "docker"]
