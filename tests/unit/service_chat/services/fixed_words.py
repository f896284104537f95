"""Words for tests of what puts answers together: each says which words it stands for."""

from collections.abc import Sequence

from typing_extensions import override

from service_chat.safety.templates import PhoneNumber
from service_chat.safety.values import Acuity
from service_chat.services.composed import Words


class FixedWords(Words):
    @override
    def acuity(self, acuity: Acuity, language: str, region: str, /) -> str:
        return f"<{acuity.code} {language} {region}>"

    @override
    def crisis(self, code: str, language: str, region: str, /) -> str:
        return f"<crisis {code}>"

    @override
    def notice(self, code: str, language: str, region: str, /) -> str:
        return f"<notice {code}>"

    @override
    def question(self, code: str, language: str, /) -> str:
        return f"<question {code}>"

    @override
    def emergency_number(self, region: str, /) -> PhoneNumber:
        return PhoneNumber(region, "0")

    @override
    def numbers(self, text: str, region: str, /) -> Sequence[PhoneNumber]:
        return [PhoneNumber(text, region)]
