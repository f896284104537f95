"""Under which spellings a word is looked up: as it is, without its contraction or its drawl, and repaired.

`assess` hands this to the lexicon. Repairs go to words that the lexicon knows and nowhere else, never to a small word,
and never to one that could deny something: a typing error may find a symptom, it must not explain one away. That is why
the cues are looked up by `exact`.

A repair changes one letter in words of five to seven letters and two in longer ones (a swap of neighbours is one
change, and the only one in words of four), and keeps the first letter, which people rarely get wrong. Candidates come
from an index of pieces of words (`near_words`), so a text of nothing but errors costs what any text costs.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from service_chat.safety.folding import fold
from service_chat.safety.language import Languages
from service_chat.safety.matcher import Matcher
from service_chat.safety.near_words import LEAST, MOST, NearWords
from service_chat.safety.packaged import Packaged, table, text_items
from service_chat.safety.patterns import SPACELESS

_SWAP = 4  #: letters from which two neighbours may be swapped: "pian"
_DRAWL = re.compile(r"(.)\1{2,}")
_FIGURES = str.maketrans("013457", "oieast")
_FIGURES_L = str.maketrans("013457", "oleast")
#: Figures that begin a word and are figures: an ordinal, an hour, a dose. "3nd" is none, and means "end".
_MEASURE = re.compile(
    r"\d*1st|\d*2nd|\d*3rd|\d+th|\d+(?:[a-z]|am|pm|mg|ml|mcg|kg|lbs?|cm|mm|km|ft|oz|iu|hrs?|mins?|secs?|yo|yrs?|mo|mths?|wks?"
    r"|days?|weeks?|months?|years?|hours?|units?|pts?|mmol|mmhg|bpm|up|kids?)"
)
_WORDS_OF_FIGURES = frozenset({"1t", "1n", "1f"})
#: No umlaut: "neue", "blaue", "quer".
_UMLAUT = re.compile(r"([ao])e|(?<![aeq])(u)e")

#: How English is typed without its apostrophes.
_BARE = (
    "can't won't don't didn't doesn't isn't wasn't aren't weren't haven't hasn't hadn't couldn't wouldn't shouldn't"
    " ain't mustn't i'm i've that's there's what's they're you're they've you've we've"
)
#: Without those that are words as they are: its, were, hes.
CONTRACTIONS = {word.replace("'", ""): word for word in _BARE.split()}
CONTRACTIONS |= {"cannot": "can't", "cnt": "can't", "dnt": "don't", "aint": "ain't", "havnt": "haven't"}


def _swaps(word: str) -> Iterator[str]:
    """The word with two neighbours swapped. The first letters of long words only: the index sees the others."""
    places = range(len(word) - 1) if len(word) < LEAST else range(1)
    return (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in places)


class Speller:
    """What words may be short for or meant as. Built once at start, then only read; texts use a `Spelling` each."""

    def __init__(
        self,
        lexicon: Matcher,
        negators: Mapping[str, frozenset[str]],
        languages: Languages,
        common: frozenset[str],
        spelled: frozenset[str] = frozenset(),
        meant: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        self.lexicon = lexicon
        tongues = sorted(lexicon.languages - SPACELESS)
        words: dict[str, int] = {}
        stems: dict[str, int] = {}
        for bit, language in enumerate(tongues):
            denying = negators.get(language, frozenset())
            known, beginnings = lexicon.vocabulary(language)
            for some, into in ((known - denying - common, words), (beginnings - denying, stems)):
                into.update([(word, into.get(word, 0) | 1 << bit) for word in some if word.isalpha()])
        self.near_words = NearWords(words, stems, tongues)
        self._negators = negators
        self._languages = languages
        self._common = common
        self._spelled = spelled
        self._meant = meant or {}

    def is_target(self, word: str, language: str) -> bool:
        """Whether a repair may lead to a word of a language."""
        return (
            word in self.lexicon.vocabulary(language)[0]
            and word not in self._common
            and word not in self._negators.get(language, ())
        )

    def is_common(self, word: str) -> bool:
        """Whether it is one of the words that many English texts have."""
        return word in self._common or word in self._spelled

    def is_right(self, word: str) -> bool:
        """Whether an English word is near a danger by chance, and no typing error."""
        return word in self._spelled

    def is_meant(self, word: str) -> bool:
        """Whether a word is left as it is: small or common words are spelled as meant."""
        return word in self._common or self._languages.is_small(word)

    def is_ordinary(self, word: str, language: str) -> bool:
        """Whether a language has this word, and not as an error for one of the lexicon's."""
        return word in self._meant.get(language, ())


def exact(word: str, language: str) -> Sequence[str]:
    """A word, what it is short for, and with its umlauts in one letter; nothing guessed: cues are looked up so."""
    if language == "en" and word in CONTRACTIONS:
        return (word, CONTRACTIONS[word])
    if language == "de" and "e" in word and _UMLAUT.search(word):
        return (word, _UMLAUT.sub(r"\1\2", word))
    return (word,)


class Spelling:
    """The spellings of one text's words. It remembers them, so it is thrown away with the text.

    Args:
        languages: those in which words are repaired. Elsewhere they are foreign words, not typing errors.
    """

    def __init__(self, speller: Speller, languages: frozenset[str]) -> None:
        self._speller = speller
        self._languages = languages
        self._near: dict[str, dict[str, list[str]]] = {}

    def forms(self, word: str, language: str) -> Sequence[str]:
        """Every form under which the lexicon of a language should look a word up, the word itself first."""
        lexicon = self._speller.lexicon
        if len(word) == 1 or (not word.isalnum() and "'" not in word):
            return exact(word, language)
        forms = list(exact(word, language))
        if word.endswith("'s"):
            forms.append(word[:-2])
        if len(word) > MOST or any(lexicon.knows(form, language) for form in forms):
            return forms
        forms.extend(self._other_ways(word, language))
        if (
            language in SPACELESS
            or language not in self._languages
            or any(lexicon.knows(form, language) for form in forms)
        ):
            return forms
        if self._speller.is_meant(word) or self._speller.is_ordinary(word, language):
            return forms
        if "en" in self._languages and self._speller.is_right(word):
            return forms
        for form in tuple(forms):
            if len(form) >= LEAST + (language != "en") and form.isalpha():  # fewer ordinary words of others are listed
                forms.extend(self._meant(form).get(language, ()))
            if len(form) >= _SWAP and form.isalpha() and language == "en":
                forms.extend(swapped for swapped in _swaps(form) if self._speller.is_target(swapped, language))
        return list(dict.fromkeys(forms))

    def _meant(self, word: str) -> dict[str, list[str]]:
        if word not in self._near:
            self._near[word] = self._speller.near_words.near(word)
        return self._near[word]

    @staticmethod
    def _other_ways(word: str, language: str) -> Iterator[str]:
        """Drawled ("paaaain"), with figures for letters ("p4in")."""
        if _DRAWL.search(word):
            yield _DRAWL.sub(r"\1", word)
            yield _DRAWL.sub(r"\1\1", word)
        if word.isalpha() or word.isdigit() or not word.isascii():
            return
        if not word[0].isdigit() or word in _WORDS_OF_FIGURES or not _MEASURE.fullmatch(word):
            yield word.translate(_FIGURES)
            yield word.translate(_FIGURES_L)


def read_speller(
    data: Packaged,
    lexicon: Matcher,
    negators: Mapping[str, frozenset[str]],
    languages: Languages,
    problems: list[str],
) -> Speller:
    """`languages.toml` lists the common words that are left alone, and those that only look like an error."""
    file = data.read("languages.toml", problems)
    common, spelled = (
        frozenset(word for _, words in text_items(table(file.get(section))) for word in fold(words).split())
        for section in ("common", "spelled")
    )
    meant = {language: frozenset(fold(words).split()) for language, words in text_items(table(file.get("meant")))}
    return Speller(lexicon, negators, languages, common, spelled, meant)
