"""Which of our languages each sentence is written in, and whether one of them is written in none.

`assess` asks before it looks words up. Told by the script, and within the Latin script by a vote of small words and of
letters with marks ("ł" is Polish; `data/languages.toml` has both). Every sentence votes for itself: were the whole text
to vote, a page of English padding would hide one Spanish sentence. A sentence with no small word in it ("chest pain")
is looked up in every language of its script, since a wrong lexicon finds too much and a missing one finds nothing.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from service_chat.safety.folding import fold
from service_chat.safety.packaged import Packaged, table, text_items
from service_chat.safety.text import Text, is_sign

UNKNOWN: Final = "und"
#: A runner-up with this share of the winner's votes is looked up as well: short sentences of neighbours look alike.
_CLOSE = 0.6
_FOREIGN_LEAD = 1.0
_STRANGERS = 1
#: So many votes, a word that four languages share: short words of languages that have few of them are chance.
_SURE = 0.5
#: What a letter says that one language of ours has, as much as a word; that several share; that none of ours has. Names
#: keep their letters wherever they go, so no letter says more.
_OWN_LETTER, _SHARED_LETTER, _STRANGE_LETTER = 1.0, 0.4, 0.7
#: Has a script of its own, so a Latin sentence without a telling word is looked up in it, but not denied or repaired.
_ROMANISED: Final = frozenset({"hi"})
_NO_GUESTS: Final[frozenset[str]] = frozenset()
#: Other languages in a script of ours: read with our words all the same, and told honestly that we do not know them.
_SIBLINGS: Final = frozenset({"ru?", "ar?", "hi?"})

#: What a word speaks for by its script alone. Arabic writers borrow Persian letters; Russian ones borrow none.
_SCRIPT_VOTES: Final[Mapping[str, float]] = {"ru?": 6.0, "ar?": 2.0, "hi?": 2.0}
_UMLAUTS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_KANA = re.compile(r"[\u3041-\u30ff]")
_SCRIPTS: Final = (
    ("zh", re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")),
    ("ar", re.compile(r"[\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("latin", re.compile(r"[a-z]")),
)
_LETTER = re.compile(r"[^\W\d_]")
#: Letters of Cyrillic and Arabic script that Russian and Arabic do not have.
_NEIGHBOURS: Final = re.compile(r"[\u0456\u0454\u0491\u0458\u0459\u045a\u045f\u0452\u045b\u049b\u04e9\u04af\u067e\u0686\u0698\u06af\u0679\u0688\u0691\u06ba\u06be\u06c1]")  # fmt: skip # noqa: E501


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was told of a text."""

    language: str  #: of most of it, ISO 639-1; `und` where it can not be told
    #: For each sentence the languages whose lexicon it is looked up in.
    tongues: tuple[tuple[str, ...], ...]
    #: For each sentence the languages it is most likely written in: their cues may deny something.
    voices: tuple[tuple[str, ...], ...]
    #: Sentences, counted from 0, that are in no language of ours.
    foreign: frozenset[int]
    #: Sentences in which nothing spoke for any language.
    silent: frozenset[int]
    #: For each sentence that is in one of `voices` beyond doubt, the others it is looked up in: their short words in it
    #: are chance, as "od" ("since" in Polish) is.
    guests: tuple[frozenset[str], ...]
    #: The words of each sentence.
    members: tuple[tuple[int, ...], ...]
    #: Sentences in Latin letters with few small words of ours: they may be in a language that nobody here knows.
    sparse: frozenset[int] = frozenset()


class Languages:
    """The small words of every language."""

    def __init__(
        self, stop: Mapping[str, frozenset[str]], supported: frozenset[str], letters: Mapping[str, str] | None = None
    ) -> None:
        """
        Args:
            stop: small words, folded.
            letters: marked letters, not folded.
        """
        self.supported = supported
        self.latin = tuple(language for language in sorted(supported & stop.keys()) if language != "ru")
        self._latin = frozenset(self.latin)
        self._ours = frozenset(word for language in supported & stop.keys() for word in stop[language])
        self._votes: dict[str, dict[str, float]] = {}
        for language, words in stop.items():
            for word in words:
                self._votes.setdefault(word, {})[language] = 1.0
        for ballot in self._votes.values():
            ours = len(ballot.keys() & supported)
            for language in ballot:
                # however many languages that we do not read share it, ours keep their weight among each other
                among = min(len(ballot), ours + _STRANGERS) if language in supported else len(ballot)
                ballot[language] = 1 / among**0.5
        self._letters = _ballots(letters or {}, supported)

    def is_small(self, word: str) -> bool:
        """Whether it is a small word of any language; those are never typing errors of something else."""
        return word in self._votes

    def has(self, word: str, language: str) -> bool:
        """Whether it is a small word of a language."""
        return language in self._votes.get(word, ())

    def tell(self, text: Text, only: str | None = None) -> Spoken:
        """Never raises; an empty text is `und` and has no sentence.

        Args:
            only: take every sentence for this language.
        """
        count = text.sentences[-1] + 1 if text.sentences else 0
        members: list[list[int]] = [[] for _ in range(count)]
        for at, sentence in enumerate(text.sentences):
            members[sentence].append(at)
        tongues: list[tuple[str, ...]] = []
        voices: list[tuple[str, ...]] = []
        foreign: set[int] = set()
        silent: set[int] = set()
        guests: list[frozenset[str]] = []
        sparse: set[int] = set()
        marked = not text.original.isascii()
        read = 0  # in `text.normal`: the end of the sentence before
        total: Counter[str] = Counter()
        for sentence, words in enumerate(members):
            scores = self._scores(text, words)
            if words and marked:
                self._add_letters(scores, text.quote(read, text.ends[words[-1]]))
                read = text.ends[words[-1]]
            ours = {language: score for language, score in scores.items() if language in self.supported}
            best = max(ours.values(), default=0.0)
            likely = tuple(sorted(language for language, score in ours.items() if score >= _CLOSE * best and score > 0))
            latin = any(
                (text.words[at].isascii() and not text.words[at].isdigit())
                or (at in text.twins and text.words[at] not in self._votes)
                for at in words
            )
            others = max((score for name, score in scores.items() if name not in self.supported), default=0.0)
            if others > _FOREIGN_LEAD * best and others >= (1 if best == 0 else 2):
                foreign.add(sentence)
            if not scores:
                silent.add(sentence)
            if only is None and latin and 2 * sum(text.words[at] in self._ours for at in words) < len(words):
                sparse.add(sentence)
            searched = set(likely)
            searched |= {name.removesuffix("?") for name in scores if name in _SIBLINGS}
            if any(is_sign(text.words[at]) for at in words):
                searched |= {"zh", "ja"}  # a Japanese headline has no kana in it
            if latin:
                searched |= {"en"} if searched & set(self.latin) else set(self.latin)
            if latin and not likely and any(text.words[at].isascii() for at in words):
                likely = tuple(language for language in self.latin if language not in _ROMANISED)
            if only is not None:
                searched, likely = {only}, (only,)
            sure = best >= _SURE and len(searched) > len(likely) and sentence not in foreign
            guests.append(self._latin & (searched - set(likely)) if sure else _NO_GUESTS)
            tongues.append(tuple(sorted(searched & self.supported)))
            voices.append(likely)
            total.update({language: round(score * 1000) for language, score in scores.items()})
        language = min(total, key=lambda name: (-total[name], name not in self.supported, name), default=UNKNOWN)
        if language not in self.supported and not language.isalpha():
            language = UNKNOWN
        return Spoken(
            language, tuple(tongues), tuple(voices), frozenset(foreign), frozenset(silent), tuple(guests),
            tuple(map(tuple, members)), frozenset(sparse),
        )  # fmt: skip

    def _add_letters(self, scores: dict[str, float], original: str) -> None:
        """What the marked letters of a sentence speak for, each once. In the original, since marks are folded away."""
        for letter in self._letters.keys() & set(unicodedata.normalize("NFC", original).lower()):
            for language, vote in self._letters[letter].items():
                scores[language] = scores.get(language, 0.0) + vote

    def _scores(self, text: Text, words: Sequence[int]) -> dict[str, float]:
        """How much of a sentence speaks for each language, supported or not; `??`: a script that nobody here reads."""
        scores: dict[str, float] = {}
        signs = "".join(text.words[at] for at in words if is_sign(text.words[at]))
        if signs:
            scores["ja" if _KANA.search(signs) else "zh"] = len(signs) / 2
        for at in words:
            word = text.words[at]
            ballot = self._votes.get(word)
            if ballot is not None:
                for language, vote in ballot.items():
                    scores[language] = scores.get(language, 0.0) + vote
            elif word.isascii() or is_sign(word):
                continue
            else:
                script = next((name for name, letters in _SCRIPTS if letters.search(word)), None)
                if script is None and _LETTER.search(word):
                    script = "??"
                if script in {"ar", "hi", "ru"}:
                    script = f"{script}?" if _NEIGHBOURS.search(word) else script
                    scores[script] = scores.get(script, 0.0) + _SCRIPT_VOTES.get(script, 0.5)
                elif script == "??":
                    scores[script] = scores.get(script, 0.0) + 1.0
        return scores


def _ballots(letters: Mapping[str, str], supported: frozenset[str]) -> dict[str, dict[str, float]]:
    users: dict[str, set[str]] = {}
    for language, written in letters.items():
        for letter in written:
            users.setdefault(letter, set()).add(language)
    worth = (_STRANGE_LETTER, _OWN_LETTER)
    return {
        letter: dict.fromkeys(
            sorted(languages),
            (worth[ours] if (ours := len(languages & supported)) < len(worth) else _SHARED_LETTER)
            / len(languages) ** 0.5,
        )
        for letter, languages in users.items()
    }


def _spellings(language: str, words: str) -> Iterator[str]:
    """Words as they may be typed: German ones also with two letters for an umlaut."""
    yield from fold(words).split()
    if language == "de":
        yield from fold(words.translate(_UMLAUTS)).split()


def read_languages(data: Packaged, supported: frozenset[str], problems: list[str]) -> Languages:
    """
    Args:
        supported: languages that have a lexicon.
    """
    path = "languages.toml"
    file = data.read(path, problems)
    stop: dict[str, frozenset[str]] = {}
    for section in ("supported", "foreign"):
        for language, words in text_items(table(file.get(section))):
            stop[language] = frozenset(_spellings(language, words))
    return Languages(stop, supported, dict(text_items(table(file.get("letters")))))
