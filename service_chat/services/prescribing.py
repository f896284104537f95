"""Finds words that tell somebody to stop, start or change a medicine: that is for whoever prescribed it. Pure.

Called by `spoken` and `live_text` for the sentences of a model, which is told not to and does it all the same: "You
should not take any medicines" is a small model's idea of caution. A verb of changing in the form of advice and a
medicine in one sentence are enough; that one must *not* stop is let through. What rules say of drugs never comes here.
"""

import re

from service_chat.services.grounding import Vocabulary

#: What would be done to it, as advice, not as a fact: "you started" and "was stopped" stay.
_CHANGES = {
    "en": (
        r"(?<!not )(?<!n't )(?<!never )(?<!without )\b(?:stop|quit|discontinue|skip|pause|avoid|start|begin|double|"
        r"halve|increase|reduce|lower|change|switch|adjust|stopping|skipping|doubling)\b", r"\bcome off\b",
        r"(?:\bnot|n't|\bnever|\bno longer)(?: \w+)? (?:take|use)\b", r"(?:\bnot|n't) be (?:taking|using)\b",
    ),
    "es": (
        r"\bdej\w+ de tomar", r"\bsuspend\w+", r"\binterrump\w+", r"\bno (?:tome|tomes|tomar|debe tomar|use)\b",
        r"\baument[ea]\w*", r"\breduzc\w+", r"\bcambi[ea]\w*", r"\bempiece\w*",
    ),
    "fr": (
        r"\b(?:arrêt|cess)(?:ez|er)\b", r"\bsuspend\w+", r"\bne (?:prenez|prendre)\b", r"\bn'utilis\w+",
        r"\b(?:augment|chang|commenc)(?:ez|er)\b", r"\brédui\w+",
    ),
    "de": (
        r"\babsetz\w+", r"\bsetzen sie\b.{0,40}\bab\b", r"\bnehmen sie\b.{0,40}\b(?:kein\w*|nicht)\b", r"\baufhör\w+",
        r"\b(?:erhöh|verringer|halbier|verdoppel|wechsel)(?:e|n)\w*", r"\bhören sie auf\b",
    ),
    "pt": (
        r"\bpar[ea]\w* de tomar", r"\bsuspend\w+", r"\binterromp\w+", r"\bnão (?:tome|tomar|deve tomar|use)\b",
        r"\baument[ea]\w*", r"\breduz\w+", r"\bmud[ea]\w*", r"\btroque\w*", r"\bcomece\w*",
    ),
    "it": (
        r"\bsmett\w+", r"\bsospend\w+", r"\binterromp\w+", r"\bnon (?:prenda|prendere|assuma|usi|deve prendere)\b",
        r"\baument[ia]\w*", r"\briduc\w+", r"\bcambi\w*", r"\binizi\b",
    ),
    "pl": (
        r"\bodstaw\w+", r"\bprzesta\w+", r"\bprzerw\w+", r"\bnie (?:bierz|brać|przyjm\w+|stosować|należy)\b",
        r"\bzwiększ\w+", r"\bzmniejsz\w+", r"\bzmie[nń]\w*",
    ),
    "ru": (
        r"прекрат\w+", r"перестан\w+", r"отмен\w+", r"не (?:принимайте|принимать|пейте|используйте|следует)",
        r"увелич\w+", r"уменьш\w+", r"начните",
    ),
    "zh": ("停(?:止|用|药|藥|掉)", "不(?:要|应|應|能|可)再?(?:服|吃|用)", "增加|减少|減少|加倍|减半|換|换|开始|開始"),
    "ja": ("やめ|中止|止め|飲まないで|服用しない|増や|減ら|変え|始め",),
    "ar": (r"توقف\w*", r"أوقف\w*", r"لا (?:تتناول|تأخذ|تستخدم)\w*", r"ضاعف\w*", r"قلل\w*", r"ابدأ\w*"),
    "hi": ("बंद कर", "न लें|मत ल|नहीं ले", "बढ़ा|घटा|कम कर|शुरू कर"),
}  # fmt: skip
_MEDICINES = {
    "en": r"\b(?:medic(?:ine|ation|ament)s?|meds|drugs?|pills?|tablets?|dos(?:e|es|age)|insulin|inhalers?|antibiotics?|"
    r"painkillers?|prescriptions?)\b",
    "es": r"\b(?:medic(?:ament|in|ación)\w*|fármaco\w*|pastilla\w*|comprimido\w*|dosis|insulina|inhalador\w*|"
    r"antibiótico\w*)",
    "fr": r"\b(?:médic(?:ament|ation)\w*|comprimé\w*|doses?|insuline|inhalateur\w*|antibiotique\w*|traitement\w*)",
    "de": r"\b(?:medikament\w*|arznei\w*|tablette\w*|dosis|insulin|spray|antibiotik\w*|\w+mittel\w*)",
    "pt": r"\b(?:medic(?:ament|ação)\w*|remédio\w*|comprimido\w*|doses?|insulina|inalador\w*|antibiótico\w*)",
    "it": r"\b(?:farmac\w+|medicin\w+|compress\w+|dose|insulina|inalatore|antibiotic\w+)",
    "pl": r"\b(?:lek(?:i|u|ów|ar\w+)?\b|tablet\w+|dawk\w+|insulin\w+|antybiotyk\w*)",
    "ru": r"(?:лекарств\w+|препарат\w*|таблет\w+|доз[ауыо]\w*|инсулин\w*|антибиотик\w*)",
    "zh": "药|藥|剂量|劑量|胰岛素|胰島素",
    "ja": "薬|錠剤|インスリン|用量",
    "ar": r"دواء|أدوية|الدواء|حبوب|جرعة|الجرعة|[إأا]نسولين",
    "hi": "दवा|गोली|खुराक|इंसुलिन",
}

#: That somebody is to be asked first is not to meddle.
_ASK_FIRST = re.compile(
    r"\b(?:without|unless|before|until)\b.{0,40}"
    r"\b(?:ask|consult|talk|speak|check|doctor|clinic|nurse|pharmacist|care team)",
    re.IGNORECASE,
)
_FOUND = {
    language: (re.compile("|".join(changes), re.IGNORECASE), re.compile(_MEDICINES[language], re.IGNORECASE))
    for language, changes in _CHANGES.items()
}


def changes_medicine(sentence: str, language: str, vocabulary: Vocabulary) -> bool:
    """In English or the language of the question; a medicine is known by such a word or by its name."""
    straight = sentence.replace("\u2019", "'")
    if _ASK_FIRST.search(straight):
        return False
    for each in dict.fromkeys(("en", language)):
        if each in _FOUND:
            change, medicine = _FOUND[each]
            if change.search(straight) and (medicine.search(straight) or vocabulary.names_drug(straight)):
                return True
    return False
