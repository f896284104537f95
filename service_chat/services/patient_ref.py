"""A patient's reference: what stands for a record number where it would be read by people who need not know it. Pure.

Keyed, because numbers are few: whoever has plain hashes of all of them has the numbers.
"""

import hashlib
import hmac

#: Hex digits; 64 bits, so that no two patients of one house share one.
_DIGITS = 16


class PatientRefs:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, mrn: str) -> str:
        """The same for the same number and key, and nothing that the number could be read from."""
        told = b"sluice-patient-ref:" + mrn.encode(errors="surrogatepass")
        return hmac.new(self._key, told, hashlib.sha256).hexdigest()[:_DIGITS]
