"""The words of each language for the things that rules speak of.

`data/concepts.toml` says which concepts there are, `data/lexicon/<language>.toml` how people write them: a table from a
concept to its patterns (`patterns` has the syntax). `assess` looks a text up here; what a text says *of* a hit
(present, denied, somebody else's) is for `assertion`.

    [concept.hay_fever]
    gloss = "hay fever"
    samples = ["hay fever", "pollen allergy"]
    symptom = true          # about somebody's body, mind or safety
    admin = false           # about papers; true by default for ids that end in `_question`, but for medicine_question
    hides = ["fever"]       # hits of these inside a hit of this one are not meant

A concept without words in a language is a hole that nobody sees: `check` prints them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from service_chat.safety.language import Spoken
from service_chat.safety.matcher import Forms, Match, Matcher, add_all
from service_chat.safety.packaged import Packaged, table, texts
from service_chat.safety.text import Text

#: Questions about a medicine are about the body: they go to `record_checks`, never to the desk.
_NEVER_ADMIN = frozenset({"medicine_question", "lethal_question"})
#: Letters of a word that other languages may well have, too.
_SHORT = 3


@dataclass(frozen=True, slots=True)
class Concept:
    """A thing that a text can name."""

    name: str
    gloss: str
    symptom: bool
    admin: bool
    hides: frozenset[str]


def read_concepts(data: Packaged, problems: list[str]) -> dict[str, Concept]:
    """The concepts, by id."""
    path = "concepts.toml"
    found: dict[str, Concept] = {}
    for name, entry in table(data.read(path, problems).get("concept")).items():
        values = table(entry)
        gloss, symptom = values.get("gloss"), values.get("symptom")
        admin = values.get("admin", name.endswith("_question") and name not in _NEVER_ADMIN)
        if not isinstance(gloss, str) or not isinstance(symptom, bool) or not isinstance(admin, bool):
            problems.append(f"{path}: {name}: has a gloss, and says with true or false whether it is a symptom")
            continue
        hides = frozenset(str(hidden) for hidden in texts(values.get("hides")))
        found[name] = Concept(name, gloss, symptom, admin, hides)
    for concept in found.values():
        problems.extend(
            f"{path}: {concept.name}: hides {hidden}, which is none"
            for hidden in sorted(concept.hides)
            if hidden not in found
        )
    return found


class Lexicon:
    """Every language's words. Read once, then shared."""

    def __init__(
        self, concepts: Mapping[str, Concept], matcher: Matcher, sizes: Mapping[str, Mapping[str, int]]
    ) -> None:
        self.concepts = concepts
        self.matcher = matcher
        self.sizes = sizes  #: patterns of each concept in each language
        self._hiders = frozenset(name for name, concept in concepts.items() if concept.hides)
        self._hideable = frozenset().union(*(concept.hides for concept in concepts.values()))

    @property
    def languages(self) -> frozenset[str]:
        return frozenset(self.sizes)

    def find(self, text: Text, spoken: Spoken, forms: Forms) -> list[Match]:
        """Matches whose payload is a concept, without those that a longer one hides."""
        matches = self._without_chance(text, spoken, forms, self.matcher.find(text, spoken.tongues, forms))
        sentences = text.sentences
        hiders = [
            match
            for match in matches
            if match.payload in self._hiders and sentences[match.first] == sentences[match.last]
        ]
        if not hiders:
            return matches
        return [
            match
            for match in matches
            if match.payload not in self._hideable or not any(self._hidden(match, by) for by in hiders)
        ]

    def _without_chance(self, text: Text, spoken: Spoken, forms: Forms, matches: list[Match]) -> list[Match]:
        """Without what words of other languages mean by chance, and with what those hid of its own."""
        sentences = text.sentences
        chance = [
            match
            for match in matches
            if match.language in spoken.guests[sentences[match.first]]
            and (_is_chance(text, match.words) or self._is_known(text, spoken, match))
        ]
        if not chance:
            return matches
        doubted = {sentences[match.first] for match in chance}
        own = [
            tuple(language for language in tongues if language not in guests) if sentence in doubted else ()
            for sentence, (tongues, guests) in enumerate(zip(spoken.tongues, spoken.guests, strict=True))
        ]
        kept = {(match.payload, match.first, match.last): match for match in self.matcher.find(text, own, forms)}
        dropped = set(chance)
        for match in matches:
            if match not in dropped:
                kept.setdefault((match.payload, match.first, match.last), match)
        return sorted(kept.values(), key=lambda match: (match.first, match.last))

    def _is_known(self, text: Text, spoken: Spoken, match: Match) -> bool:
        """Whether it is one word that the sentence's own language has a use for: "molesta" is "bothers" in Spanish."""
        word, voices = text.words[match.first], spoken.voices[text.sentences[match.first]]
        return match.first == match.last and any(self.matcher.knows(word, voice) for voice in voices)

    def _hidden(self, match: Match, by: Match) -> bool:
        inside = by.first <= match.first and match.last <= by.last
        return inside and match.payload in self.concepts[by.payload].hides


def _is_chance(text: Text, words: tuple[int, ...]) -> bool:
    """Whether a match in a guest's language has nothing but short words, none of them in capitals as "UTI" is."""
    if any(len(text.words[at]) > _SHORT for at in words):
        return False
    return text.original.isupper() or not any(text.quote_words(at, at).isupper() for at in words)


def read_lexicon(data: Packaged, concepts: Mapping[str, Concept], problems: list[str]) -> Lexicon:
    """The words of every language that has a file."""
    matcher = Matcher()
    sizes: dict[str, dict[str, int]] = {}
    for language in data.names("lexicon"):
        path = f"lexicon/{language}.toml"
        sizes[language] = {}
        for name, patterns in data.read(path, problems).items():
            if name not in concepts:
                problems.append(f"{path}: {name}: is no concept of concepts.toml")
                continue
            if not isinstance(patterns, list):
                problems.append(f"{path}: {name}: is no list of patterns")
                continue
            add_all(matcher, language, patterns, name, f"{path}: {name}", problems)
            sizes[language][name] = len(patterns)
    matcher.seal()
    return Lexicon(concepts, matcher, sizes)
