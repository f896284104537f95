"""The predecessor's chat log: POST {base}/chat-logs, in its own shape, answered 201. CHAT_LOG=carepath, STORE_CHAT=1.

The number that the server gives holds the record number, so it is read by nobody here: the trace id, which goes along,
is what both sides know a conversation by.
"""

import asyncio
from datetime import UTC, datetime

import httpx
from typing_extensions import override

from service_chat.chatlog.ports import ChatLog, Conversation
from service_chat.records.http_client import bounded, checked_base
from serving.errors import DependencyFailed

_MAX_BYTES = 64 * 1024
#: Requests under way; others wait for their turn. The client looks at all of its requests whenever one ends: when 256
#: came to their timeout together, the loop stood for a second, and emergencies with it.
MOST_AT_ONCE = 8


class CarePathChatLog(ChatLog):
    def __init__(self, base_url: str, timeout_s: float, client: httpx.AsyncClient) -> None:
        """Takes the client over: `aclose` closes it. Raises ValueError: the base address is none."""
        self._address, self._timeout_s = f"{checked_base(base_url)}/chat-logs", timeout_s
        self._client = client
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)

    @override
    async def store(self, conversation: Conversation) -> None:
        try:
            async with (
                self._turns,
                asyncio.timeout(self._timeout_s),
                self._client.stream("POST", self._address, json=payload(conversation)) as response,
            ):
                await bounded(response, _MAX_BYTES)
        except TimeoutError:
            raise DependencyFailed("The chat log took too long.", reason="timeout") from None
        except httpx.HTTPError as error:
            raise DependencyFailed("The chat log did not answer.", reason=type(error).__name__) from None
        if response.status_code != 201:
            raise DependencyFailed("The chat log was not taken.", upstream_status=response.status_code)

    @override
    async def comment(self, conversation_id: str, text: str) -> bool:
        return False  # it has no place for one

    @override
    async def purge(self, before: datetime) -> int:
        return 0  # its retention is its own

    @override
    async def aclose(self) -> None:
        await self._client.aclose()


def payload(told: Conversation) -> dict[str, object]:
    """What the predecessor sent. Both messages have one time, that of the answer; the address is told as a pattern."""
    at = told.at.astimezone(UTC).isoformat()
    read = {
        "step_id": 1,
        "query_type": "db_query",
        "query": "Fetch patient summary by MRN",
        "endpoint": "/patients/{mrn}/summary",
        "latency_ms": told.record_ms,
        "record_count": 1,
    }
    return {
        "patient_mrn": told.patient_mrn,
        "channel": "api",
        "messages": [
            {"role": "user", "content": told.query, "timestamp": at},
            {
                "role": "assistant",
                "content": told.response,
                "timestamp": at,
                "model_name": told.llm_mode,
                "latency_ms": told.latency_ms,
            },
        ],
        "retrieval_events": [read] if told.record_ms is not None else [],
        "trace_id": told.trace_id,
    }
