"""Finds words that make light of things, or send somebody elsewhere than to help. Pure.

Called by `composed` for a model's text. Under an emergency one such phrase costs the model all its words; above home
care it costs the sentence. Relatives and models minimise in much the same way, so the phrases are few and general.
They are looked for without regard to "not" and "never": "this is not harmless" is cut as well, and nothing is lost by
it. A language without a list can not be looked through, and a text in it does not stand below an emergency.
"""

import re

#: What makes light of it: regular expressions.
_LIGHT = {
    "en": (
        "nothing (?:to worry|serious|dangerous|major)",
        r"no (?:need|reason|cause) (?:to|for) (?:worr|alarm|panic|concern|see)\w*",
        "(?:do not|don't|needn't|need not|shouldn't|should not) (?:need to |have to )?"
        "(?:worry|panic|be (?:alarmed|concerned))",
        "(?:not|isn't|unlikely to be|rarely|probably not|not usually|usually not) (?:an? )?"
        r"(?:emergenc\w+|serious|dangerous|life.threatening|urgent|concerning|a concern)",
        "harmless", "benign", "perfectly (?:normal|fine|safe)",
        "(?:is|are|it's|that's|be) (?:quite |completely |totally |very )?"
        r"(?:normal|common and|fine|safe|okay|ok|mild|minor)\b",
        "just (?:stress|anxiety|a cold|gas|indigestion|muscle)", "(?:go|goes|going) away (?:on its own|by itself)",
        "no (?:emergency|danger|immediate)", "rest assured", "you(?:'re| are) (?:fine|ok|okay|safe)",
        "will (?:pass|be (?:fine|ok|okay|all right))", "low risk",
    ),
    "es": (
        "nada (?:grave|serio|que temer)",
        "no (?:se preocupe|te preocupes|es (?:grave|serio|urgente|peligroso|una emergencia))", r"inofensiv\w+",
        r"benign\w+", "es normal", "(?:solo|sólo) (?:estrés|ansiedad|gases)", "se pasará", r"tranquil\w+",
    ),
    "fr": (
        "rien de (?:grave|sérieux|inquiétant)", "(?:ne vous inquiétez|ne t'inquiète) pas",
        "pas (?:grave|urgent|dangereux|une urgence)", r"bénin\w*", "sans gravité", "c'est normal",
        "juste (?:le stress|de l'anxiété)", "va passer", r"rassur\w+",
    ),
    "de": (
        "nichts (?:ernstes|schlimmes|gefährliches)", "(?:keine|kein) (?:sorge|sorgen|notfall|grund zur)",
        "(?:nicht|kaum) (?:ernst|schlimm|gefährlich|dringend)", r"harmlos\w*", r"gutartig\w*", "ist normal",
        "nur (?:stress|angst)", "geht (?:von selbst )?vorbei", r"beruhig\w+", r"unbedenklich\w*",
    ),
    "pt": (
        "nada (?:grave|sério|de grave)", "não (?:se preocupe|é (?:grave|sério|urgente|perigoso|uma emergência))",
        r"inofensiv\w+", r"benign\w+", "é normal", "(?:só|apenas) (?:estresse|ansiedade)", "vai passar",
        r"tranquil\w+",
    ),
    "it": (
        "niente di (?:grave|serio)", "(?:non si preoccupi|non preoccuparti)",
        "non è (?:grave|serio|urgente|pericoloso|un'emergenza)", r"innocu\w+", r"benign\w+", "è normale",
        "solo (?:stress|ansia)", "passerà", r"tranquill\w+",
    ),
    "pl": (
        "nic (?:poważnego|groźnego)", r"(?:proszę się )?nie (?:martw\w*|jest (?:poważne|groźne|pilne))",
        r"niegroźn\w+", r"łagodn\w+", "to normalne", "tylko (?:stres|nerwy)", "samo przejdzie", "spokojnie",
    ),
    "ru": (
        "ничего (?:серь[её]зного|страшного|опасного)",
        "не (?:волнуйтесь|беспокойтесь|волнуйся|опасно|срочно|страшно)", r"безобидн\w+", r"доброкачественн\w+",
        "это нормально", "просто стресс", "само пройд[её]т",
    ),
    "zh": (
        "没(?:什么|有)?(?:大碍|大问题|危险)", "沒(?:什麼|有)?(?:大礙|大問題|危險)",
        "不(?:用|必|需要)(?:担心|擔心|紧张|緊張|急)",
        "(?:不严重|不嚴重|无害|無害|良性|很正常|是正常|不紧急|不緊急|放心)",
    ),
    "ja": (
        "心配(?:ない|いりません|ありません|しないで|はいらない)", "大丈夫", "問題(?:ない|ありません)",
        "深刻ではな",
        "緊急ではな", "良性", "無害", "正常です", "安心",
    ),
    "ar": (
        r"لا (?:تقلق\w*|داعي للقلق|خطر)", r"ليس\w* (?:خطير\w*|طارئ\w*|عاجل\w*)", r"غير (?:خطير\w*|ضار\w*)",
        r"حميد\w*", "(?:أمر|شيء) طبيعي", "مجرد (?:توتر|قلق)", r"اطمئن\w*",
    ),
    "hi": (
        "चिंता (?:न|मत|की (?:कोई )?(?:बात|जरूरत|ज़रूरत) नहीं)", "गंभीर नहीं", "खतरनाक नहीं", r"आपातकाल\w* नहीं",
        "सामान्य (?:है|बात)", r"घबरा\w* (?:नहीं|मत|न)", "हानिरहित",
    ),
}  # fmt: skip
#: What sends somebody elsewhere, or tells them to wait.
_LATER = {
    "en": (
        "(?:wait|watch) (?:and|to) (?:see|watch)",
        r"(?:rest|stay|monitor|manage|treat|care|recover)\w* (?:it |this |them |yourself )?at home",
        r"home (?:care|remed\w+|treatment)", "self.care",
        r"(?:book|schedule|make|arrange) an? (?:\w+ )?appointment",
        r"(?:if|until) (?:it|they|symptoms?|the \w+) (?:persist|continue|last|do(?:es)? not (?:improve|go))\w*",
        "over.the.counter", "in (?:a few|the next few|a couple of|several) (?:days|weeks)",
        "next (?:week|visit|available)", "no need (?:to|for)", "(?:drink|get) plenty", "get some (?:rest|sleep)",
        r"routine\b", "when (?:you|it's) (?:can|convenient)",
    ),
    "es": (
        "espere", "esperar a ver", "en casa", "pida (?:una )?cita", "si (?:persiste|continúa|no mejora)",
        "en unos días", r"repos\w+", r"descans\w+",
    ),
    "fr": (
        r"attend\w+", "à la maison", "(?:prenez|prendre) (?:un )?rendez-vous",
        "si (?:ça|cela) (?:persiste|continue)", "dans quelques jours", r"repos\w*",
    ),
    "de": (
        "abwarten", "zu hause", "termin", "wenn es (?:anhält|nicht besser)", "in (?:ein paar|einigen) tagen",
        "ausruhen", "ruhen sie",
    ),
    "pt": (
        "espere", "aguarde", "em casa", "(?:marque|agende) (?:uma )?consulta",
        "se (?:persistir|continuar|não melhorar)", "em alguns dias", r"repous\w+", r"descans\w+",
    ),
    "it": (
        r"aspett\w+", "a casa", "(?:prenoti|prenda|fissi) (?:un )?appuntamento",
        "se (?:persiste|continua|non migliora)", "tra qualche giorno", r"ripos\w+",
    ),
    "pl": (
        r"poczeka\w*", "w domu", r"umów\w*", r"jeśli (?:nie minie|się utrzym\w*)", "za kilka dni", r"odpocz\w+",
    ),
    "ru": (
        r"подожд\w+", "дома", "запишитесь", r"если (?:не пройд[её]т|сохран\w+)", "через несколько дней",
        r"отдохн\w+",
    ),
    "zh": (
        "观察", "觀察", "在家", "预约", "預約", "如果(?:持续|持續|没有好转|沒有好轉)", "过几天", "過幾天",
        "多休息", "多喝水",
    ),
    "ja": (
        "様子を(?:見|み)", "自宅で", "家で", "予約", "続くようなら", "数日", "安静", "休んで", "休養",
    ),
    "ar": (
        r"انتظر\w*", "في (?:المنزل|البيت)", r"احجز\w*", r"موعد\w*", r"إذا استمر\w*", "بعد (?:عدة )?أيام",
        r"استرح\w*", "خذ قسط",
    ),
    "hi": (
        "इंतज़ार", "इंतजार", "घर पर", "अपॉइंटमेंट", r"यदि .{0,20}(?:बना|जारी) रह\w*", r"कुछ दिन\w*", r"आराम कर\w*",
    ),
}  # fmt: skip
LANGUAGES = frozenset(_LIGHT)


def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_FOUND = {language: (_any_of(_LIGHT[language]), _any_of(_LATER[language])) for language in _LIGHT}


#: Of languages that write no blanks; a word may begin anywhere in them.
_UNSPACED = frozenset(("zh", "ja"))
#: What makes light of it in any language. In another than its own a phrase may stand within a word and mean nothing.
_ANYWHERE = (
    re.compile(
        rf"(?<!\w)(?:{'|'.join(each for name in sorted(_LIGHT.keys() - _UNSPACED) for each in _LIGHT[name])})",
        re.IGNORECASE,
    ),
    _any_of(tuple(each for name in sorted(_UNSPACED) for each in _LIGHT[name])),
)


def makes_light(text: str, language: str) -> bool:
    """In whatever language: a model may leave that of the question, and soothe all the same."""
    straight = _straight(text)
    if any(light.search(straight) for light, _ in _lists(language)):
        return True
    spaced, unspaced = _ANYWHERE
    return spaced.search(straight) is not None or (not straight.isascii() and unspaced.search(straight) is not None)


def sends_elsewhere(text: str, language: str) -> bool:
    return any(later.search(_straight(text)) for _, later in _lists(language))


def _lists(language: str) -> list[tuple[re.Pattern[str], re.Pattern[str]]]:
    return [_FOUND[each] for each in dict.fromkeys(("en", language)) if each in _FOUND]


def _straight(text: str) -> str:
    return text.replace("\u2019", "'")
