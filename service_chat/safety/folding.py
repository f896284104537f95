"""Characters as they are compared: case, accents, width and what only looks different made alike. Pure.

`text.read` folds what a patient wrote, with the way back to the original; every loader folds the words of our own data
with `fold`, so that both meet.
"""

import re
import unicodedata

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
_DAKUTEN = {"\u3099": "\u3099", "\u309a": "\u309a", "\uff9e": "\u3099", "\uff9f": "\u309a"}


def plain(char: str) -> str:
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
        return self.setdefault(code, plain(chr(code)))


_TABLE = _Table()
_RUNS = re.compile(r"[ -~]+|.", re.DOTALL)


def normalise(original: str) -> tuple[str, list[int] | None]:
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


#: Signs written for letters: `k!ll`, `h@rm`, `$uicide`. "Oh!my" is none, nor is an address with its domain.
_SIGN = re.compile(
    r"(?<![a-z0-9])(?!(?:oh|ok|hi|no|yo|ah|ow|so|it|me|us|up|eh|go)!)(?:[a-z0-9]{1,2}(?P<i>!)(?=[a-z][a-z!])"
    r"|[b-df-hj-np-tv-z](?P<i1>!)(?=[a-z]))"
    r"|(?<=[a-z0-9])(?P<a>@)(?=[a-z]+(?![a-z0-9-]*\.[a-z]))"
    r"|(?<![a-z0-9])(?P<s>\$)(?=[a-z]{3})"
)
_SIGNS = "!@$"


def undisguise(folded: str) -> str:
    """Folded text with letters where signs were written for them inside a word; as long as before."""
    if not any(sign in folded for sign in _SIGNS):
        return folded
    letters = list(folded)
    for found in _SIGN.finditer(folded):
        letter = found.lastgroup or ""
        letters[found.start(letter)] = letter[0]
    return "".join(letters)


def fold(text: str) -> str:
    """A word of our own data as `read` would compare it."""
    if text.isascii():
        return text.lower()
    return normalise(text)[0]
