"""Texts under a key: AES-256-GCM, a nonce of its own for each, bound to the place it belongs to.

Opened with STORE_CHAT=1 only, and by the command that shows a conversation; nothing else imports the library. The place
(a conversation's number and the name of the field) goes in as associated data: a text that was moved to another row
does not open. Nonces are random, and so one key is good for 2^32 texts.
"""

import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from typing_extensions import override

from service_chat.audit.chain import key_id
from service_chat.chatlog.ports import Sealed, Sealer
from serving.errors import WorkFailed

_NONCE_BYTES = 12


class AesSealer(Sealer):
    """The first key seals, all of them open. At least one."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self.current = key_id(keys[0])

    @override
    def seal(self, text: str, conversation_id: str, field: str) -> Sealed:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        plain = text.encode("utf-8", "surrogatepass")
        return Sealed(
            self.current, nonce, self._ciphers[self.current].encrypt(nonce, plain, _place(conversation_id, field))
        )

    @override
    def open(self, sealed: Sealed, conversation_id: str, field: str) -> str:
        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise WorkFailed(f"A text was sealed with the key {sealed.key_id}, which CHAT_KEY does not name.")
        try:
            plain = cipher.decrypt(sealed.nonce, sealed.data, _place(conversation_id, field))
        except InvalidTag:
            raise WorkFailed("A text of the chat log was changed, or belongs to another row.") from None
        return plain.decode("utf-8", "surrogatepass")


def _place(conversation_id: str, field: str) -> bytes:
    return f"sluice-chat-1:{conversation_id}:{field}".encode()
