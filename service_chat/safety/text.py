"""What a patient wrote, made readable for rules, with every word's way back to the original.

`assess` begins here; the lexicon, the assertions and the number readers work on what this room returns. Nothing is cut
and nothing is deleted: what can not be seen (zero-width characters, control tokens of chat templates) becomes nothing
or a space, what only looks different (accents, width, case, letters of another alphabet inside a Latin word) becomes
alike, and the rest stays. Which words matter, and in which language, is for the other rooms to say.

Three sizes of neighbourhood, counted from 0 and never decreasing along a text:

- a **clause** ends at a comma, a colon, a bracket, a dash. Conjunctions end it too; `assertion` knows those.
- a **sentence** ends at its full stop, and at the end of a line.
- a **block** is a run of lines that were only wrapped: a line's end without a full stop does not end it. Rules look for
  neighbours in blocks, assertions in clauses; so what stands on another line can bring a neighbour but never a denial.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from service_chat.safety.folding import fold, normalise, plain, undisguise

#: Written one sign a word, without spaces: Han, kana. Each sign is a word here, so one matcher serves every script.
CJK = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ffff"
#: Scripts whose vowel signs are no letters to `\w`: Devanagari to Sinhala, Thai to Tibetan, Burmese, Khmer.
_MARKED = "\u0900-\u0963\u0966-\u0fff\u1000-\u109f\u1780-\u17ff"
_LETTER = rf"[^\W_{CJK}{_MARKED}]"
#: Elided articles and pronouns stand alone, so that "l'estomac" is found by "estomac".
_ELIDED = r"(?:l|d|j|n|s|c|m|t|qu|un|all|dell|nell|sull|dall|quest|dov|cos)'(?=\w)"
#: One word with its letters apart, "s u i c i d e" or "k-i-l-l": with spaces five or more, since fewer may be initials.
_APART = r"(?<![^\s(\"'])[a-z](?:(?:[.*_-][a-z]){3,}|(?: [a-z]){4,})(?![a-z0-9'])"
_BETWEEN = re.compile(r"[ .*_-]")
_SCAN = re.compile(
    rf"({_APART}|[{CJK}]|[{_MARKED}]+|{_ELIDED}|{_LETTER}+(?:'{_LETTER}+)*)|(\n|\.+|[!?;:,()\[\]\u2014\u3001|]|\s--?\s)"
)

#: Words of chat templates. Other text in angle brackets stays, since a symptom may stand there.
_CONTROL = re.compile(
    r"<\|(?:im_start|im_end|im_sep|endoftext|eot_id|begin_of_text|end_of_text|start_header_id|end_header_id|system|user"
    r"|assistant|end)\|>|</?s>|<(?:bos|eos|pad|unk|start_of_turn|end_of_turn)>|\[/?inst\]|<</?sys>>"
)
#: A full stop behind these ends nothing.
_ABBREVIATIONS = frozenset(
    ("dr", "dra", "mr", "mrs", "ms", "sr", "sra", "st", "vs", "prof", "approx", "ca", "bzw", *"abdeghimnopstuz")
)

#: Letters of other alphabets that look Latin, small and capital: a capital has other twins than its small letter.
_TWINS = dict(
    zip(
        "аеорсухіјѕһԁԛԝкмтвнгиАЕОРСУХІЈЅКМТВНҺԀԚԜαβεικνορτυχωηςϲγΑΒΕΖΗΙΚΜΝΟΡΤΥΧօսոհց",
        "aeopcyxijshdqwkmtbhruaeopcyxijskmtbhhdqwabeiknoptuxwnccyabezhikmnoptyxounhg",
        strict=True,
    )
)
_FOREIGN = re.compile(r"[\u0370-\u03ff\u0400-\u052f\u0531-\u0587]")
_CYRILLIC, _ARMENIAN = 0x400, 0x531
_LATIN = re.compile(r"[a-z]")


@dataclass(frozen=True, slots=True)
class Text:
    """A text in words. Parallel tuples, one entry a word: thousands of small objects would cost what rules may cost."""

    original: str
    normal: str  #: folded, same order; number readers scan it
    origin: list[int] | None  #: place in `original` of each character of `normal`; None: the same
    words: tuple[str, ...]
    starts: tuple[int, ...]  #: in `normal`
    ends: tuple[int, ...]
    clauses: tuple[int, ...]
    sentences: tuple[int, ...]
    blocks: tuple[int, ...]
    #: Clause number to the sign that began it, `,` or the Chinese `、` among them: lists are told by these.
    opened_by: Mapping[int, str]
    #: Word number to its Latin spelling, for words that are whole in another alphabet and look Latin all through; none
    #: in a sentence whose other words are of that alphabet beyond doubt.
    twins: Mapping[int, str]
    control_tokens: bool  #: something in it would steer a chat template

    def quote(self, start: int, end: int) -> str:
        """The original between two places of `normal`."""
        if self.origin is None:
            return self.original[start:end]
        if start >= end:
            return ""
        return self.original[self.origin[start] : self.origin[end - 1] + 1]

    def quote_words(self, first: int, last: int) -> str:
        """The original from one word to another, both included."""
        return self.quote(self.starts[first], self.ends[last])


def _latin_twin(text: str) -> str | None:
    """The Latin word that these letters imitate; None when one of them imitates none."""
    letters = [_TWINS.get(char) or plain(char) for char in text]
    twin = "".join(letters)
    return twin if twin.isascii() else None


def _alphabet(word: str) -> int:
    """Which of the alphabets of `_FOREIGN` a word begins to be foreign in: Greek, Cyrillic, Armenian."""
    found = _FOREIGN.search(word)
    code = ord(found.group()) if found else 0
    return (code >= _CYRILLIC) + (code >= _ARMENIAN)


def read(original: str) -> Text:
    """Cuts a text into words, clauses, sentences and blocks. Any text; never raises."""
    normal, origin = normalise(original)
    tokens = False
    if "<" in normal or "[" in normal:
        replaced = _CONTROL.sub(lambda found: " " * len(found.group()), normal)
        tokens, normal = replaced != normal, replaced
    normal = undisguise(normal)
    words: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    clauses: list[int] = []
    sentences: list[int] = []
    blocks: list[int] = []
    opened: dict[int, str] = {}
    clause = sentence = block = 0
    line_empty, stopped = True, False
    for found in _SCAN.finditer(normal):
        mark = found.group(2)
        if mark is None:
            word = found.group(1)
            words.append(word if word[1:2].isalpha() or len(word) == 1 else _BETWEEN.sub("", word))
            starts.append(found.start())
            ends.append(found.end())
            clauses.append(clause)
            sentences.append(sentence)
            blocks.append(block)
            line_empty = stopped = False
            continue
        if mark == "." and not _full_stop(words, normal, found.end()):
            continue
        clause += 1
        opened[clause] = mark.strip(" ")
        if mark == "\n":
            sentence += 1
            block += line_empty and not stopped  # an empty line; a full stop has ended the block already
            line_empty = True
        elif mark in ".!?":
            sentence += 1
            block += 1
            stopped = True
    twins: dict[int, str] = {}
    if _FOREIGN.search(normal):
        honest: Counter[tuple[int, int]] = Counter()  #: by sentence and alphabet, words that can not be Latin
        for at, word in enumerate(words):
            if not _FOREIGN.search(word):
                continue
            start, end = starts[at], ends[at]
            twin = _latin_twin(original[start:end] if origin is None else original[origin[start] : origin[end - 1] + 1])
            if twin is None:
                honest[sentences[at], _alphabet(word)] += not _LATIN.search(word)
                continue
            if _LATIN.search(word):
                words[at] = twin  # no language mixes alphabets inside one word
                if len(twin) == end - start:  # number readers see the folded text only
                    normal = normal[:start] + twin + normal[end:]
            else:
                twins[at] = twin
        if twins and honest:
            # "мои" looks like "mou", but beside a word that looks like nothing Latin it is Russian; Latin words may
            # outweigh that one
            latin = Counter(sentence for at, sentence in enumerate(sentences) if _LATIN.search(words[at]))
            for at in tuple(twins):
                if honest[sentences[at], _alphabet(words[at])] > latin[sentences[at]]:
                    del twins[at]
    return Text(
        original, normal, origin, tuple(words), tuple(starts), tuple(ends), tuple(clauses), tuple(sentences),
        tuple(blocks), opened, twins, tokens,
    )  # fmt: skip


def _full_stop(words: list[str], normal: str, after: int) -> bool:
    """Whether a point ends a sentence: not behind an abbreviation, not inside a number."""
    if not words or words[-1] in _ABBREVIATIONS:
        return False
    return not normal[after : after + 1].isdigit()


def split_words(text: str) -> list[str]:
    """The words of a piece of our own data, exactly as `read` folds and cuts them."""
    return cut(fold(text))


def cut(folded: str) -> list[str]:
    """The words of what is folded already."""
    if folded.isascii() and folded.isalnum():  # most of a hundred thousand
        return [folded]
    return [word for word, _ in _SCAN.findall(folded) if word]


def is_sign(word: str) -> bool:
    """Whether a word is one Chinese or Japanese sign."""
    return len(word) == 1 and ("\u3005" <= word <= "\u9fff" or word >= "\uf900")  # asked of every word: no pattern
