"""Of part `decode`: what do guesses from the prompt bring, when three quarters of an answer stand in the record?

Called by `parts.decode`. Two engines with one model, which guesses and which does not, in turns. The text must be the
same: a guess is only kept where the model would have written it.
"""

from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass

from bench.chats.engine import configured, joint_rate, running_engine, write
from bench.chats.figures import over
from bench.chats.model import model_file
from bench.chats.parts import Effort, Part
from bench.chats.recital import WORDS_SAID, Recital, record
from bench.chats.stage import Stage
from bench.contest import ContestFailed
from bench.stage import say
from bench.verdict import Line, markdown
from service_chat.engines.protocol import ChatMessage

TOKENS = len(WORDS_SAID) - 1
AIM = 1.2


@dataclass(frozen=True, slots=True)
class Guessed:
    """One round, tokens a second of a lone stream."""

    plain: float
    drafted: float
    guesses: int
    accepted: int


async def measure(stage: Stage, effort: Effort) -> Part:
    """
    Raises:
        ContestFailed: An engine did not start, or the two wrote different texts.
        SourceMissing, ModelFailed: The reciting model could not be made.
    """
    model = model_file(Recital, Recital.name)
    say(f"Drafting, {effort.rounds} round(s)")
    messages = (
        ChatMessage("system", "Answer from the record."),
        ChatMessage("user", f"Record:\n{record()}\n\nQuestion:\nWhat does it say?"),
    )
    rounds: list[Guessed] = []
    async with AsyncExitStack() as stack:
        plain, drafting = [
            await stack.enter_async_context(running_engine(configured(stage, model, 4, draft)))
            for draft in ("off", "auto")
        ]
        for _ in range(effort.rounds):
            without, with_guesses = await write(plain, messages, TOKENS), await write(drafting, messages, TOKENS)
            if without.done.text != with_guesses.done.text:
                raise ContestFailed("Drafting changed the text.")
            done = with_guesses.done
            rates = joint_rate([without]), joint_rate([with_guesses])
            rounds.append(Guessed(*rates, done.drafted_tokens, done.accepted_tokens))
    without_s, with_s = over(rounds, lambda each: each.plain), over(rounds, lambda each: each.drafted)
    last = rounds[-1]
    rows = [["an answer of which 3/4 stand in the record", "tok/s", "guesses", "of them right"]]
    rows.append(["without drafting", f"{without_s:.1f}", "", ""])
    rows.append(["drafting, as configured by default", f"{with_s:.1f}", f"{last.guesses}", f"{last.accepted}"])
    line = Line("drafting: tokens/s of one stream against none", with_s / without_s, "x", None, AIM, True)
    return Part((markdown(rows),), [line], {"rounds": [asdict(each) for each in rounds]})
