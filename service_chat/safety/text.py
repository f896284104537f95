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
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

#: Written one sign a word, without spaces: Han, kana. Each sign is a word here, so one matcher serves every script.
CJK = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ffff"
#: Scripts whose vowel signs are no letters to `\w`: Devanagari to Sinhala, Thai to Tibetan, Burmese, Khmer.
_MARKED = "\u0900-\u0963\u0966-\u0fff\u1000-\u109f\u1780-\u17ff"
_LETTER = rf"[^\W_{CJK}{_MARKED}]"
#: Elided articles and pronouns stand alone, so that "l'estomac" is found by "estomac".
_ELIDED = r"(?:l|d|j|n|s|c|m|t|qu|un|all|dell|nell|sull|dall|quest|dov|cos)'(?=\w)"
_SCAN = re.compile(
    rf"([{CJK}]|[{_MARKED}]+|{_ELIDED}|{_LETTER}+(?:'{_LETTER}+)*)|(\n|\.+|[!?;:,()\[\]\u2014\u3001|]|\s--?\s)"
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

_APOSTROPHES = dict.fromkeys("\u2018\u2019\u201b\u02bc\u02b9\u0060\u00b4\u2032\uff07", "'")
_FIXED = {
    **_APOSTROPHES,
    **dict.fromkeys("\u2013\u2014\u2015\u2012", "\u2014"),
    **dict.fromkeys("\u060c\uff0c", ","),
    **dict.fromkeys("\u061b", ";"),
    **dict.fromkeys("\u061f\u037e", "?"),
    **dict.fromkeys("\u0964\u0965\u06d4\u3002\uff61\u0589", "."),
    **dict.fromkeys("\u2028\u2029\u000b\u000c\u0085\r", "\n"),
    "\u2026": "..",
    "\u0142": "l", "\u0141": "l", "\u00f8": "o", "\u0111": "d", "\u0131": "i", "\u00e6": "ae", "\u0153": "oe",
    # Arabic as people type it: hamza seats, final forms, Persian letters
    "\u0623": "\u0627", "\u0625": "\u0627", "\u0622": "\u0627", "\u0671": "\u0627", "\u0629": "\u0647",
    "\u0649": "\u064a", "\u06cc": "\u064a", "\u06a9": "\u0643", "\u0640": "",
    # Devanagari: candrabindu is often typed as anusvara, the nukta left out
    "\u0901": "\u0902", "\u093c": "",
    # letters made small or phonetic, which no language writes words in
    **dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢɡɑ", "abcdefghijklmnoprstuvwyzga", strict=True)),
    **{chr(base + i): chr(97 + i) for base in (0x1F150, 0x1F170) for i in range(26)},
}  # fmt: skip
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
_DAKUTEN = {"\u3099": "\u3099", "\u309a": "\u309a", "\uff9e": "\u3099", "\uff9f": "\u309a"}


def _plain(char: str) -> str:
    """One character as it is compared: folded, without accents; nothing at all for what can not be seen."""
    if char in _FIXED:
        return _FIXED[char]
    kept: list[str] = []
    for part in unicodedata.normalize("NFKC", char).casefold():
        category = unicodedata.category(part)
        if category == "Nd":
            kept.append(str(unicodedata.digit(part)))
        elif category in {"Lu", "Ll"}:  # Latin, Greek, Cyrillic: the letter without its marks
            kept.append("".join(c for c in unicodedata.normalize("NFKD", part) if unicodedata.category(c) != "Mn"))
        elif category == "Cf" or part in "\u034f\u115f\u1160\u3164\u2800":
            continue
        elif category == "Cc" and part != "\n":
            kept.append(" " if part == "\t" else "")
        elif category == "Mn" and not _is_vowel_sign(part):
            continue
        else:
            kept.append(_FIXED.get(part, part))
    return "".join(kept)


def _is_vowel_sign(char: str) -> bool:
    return "\u0900" <= char <= "\u0fff" or "\u1000" <= char <= "\u109f" or "\u1780" <= char <= "\u17ff"


class _Table(dict[int, str]):
    """Characters as they are compared, for `str.translate`; filled as they are met."""

    def __missing__(self, code: int) -> str:
        return self.setdefault(code, _plain(chr(code)))


_TABLE = _Table()
_RUNS = re.compile(r"[ -~]+|.", re.DOTALL)


def _normalise(original: str) -> tuple[str, list[int] | None]:
    """The text as it is compared, and for each of its characters the place in the original; None: the same place."""
    met = set(original)
    if not met & _DAKUTEN.keys() and all(len(_TABLE[ord(char)]) == 1 for char in met):
        return original.translate(_TABLE), None
    out: list[str] = []
    origin: list[int] = []
    for run in _RUNS.finditer(original):
        piece, at = run.group(), run.start()
        if len(piece) > 1:
            out.append(piece.translate(_TABLE))
            origin.extend(range(at, run.end()))
        elif piece in _DAKUTEN and out:  # half-width and decomposed kana carry their marks behind them
            out[-1] = out[-1][:-1] + unicodedata.normalize("NFC", out[-1][-1:] + _DAKUTEN[piece])[:1]
        elif plain := _TABLE[ord(piece)]:
            out.append(plain)
            origin.extend([at] * len(plain))
    return "".join(out), origin


def fold(text: str) -> str:
    """A word of our own data as `read` would compare it."""
    if text.isascii():
        return text.lower()
    return _normalise(text)[0]


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
    letters = [_TWINS.get(char) or _plain(char) for char in text]
    twin = "".join(letters)
    return twin if twin.isascii() else None


def _alphabet(word: str) -> int:
    """Which of the alphabets of `_FOREIGN` a word begins to be foreign in: Greek, Cyrillic, Armenian."""
    found = _FOREIGN.search(word)
    code = ord(found.group()) if found else 0
    return (code >= _CYRILLIC) + (code >= _ARMENIAN)


def read(original: str) -> Text:
    """Cuts a text into words, clauses, sentences and blocks. Any text; never raises."""
    normal, origin = _normalise(original)
    tokens = False
    if "<" in normal or "[" in normal:
        replaced = _CONTROL.sub(lambda found: " " * len(found.group()), normal)
        tokens, normal = replaced != normal, replaced
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
            words.append(found.group(1))
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
