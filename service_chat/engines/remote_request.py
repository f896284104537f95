"""What a remote server is asked, in OpenAI's words. Pure.

Called by `remote`, which sends it. Of what an engine can be asked for, a grammar and `ignore_eos` have no word there:
`services.chat_completions` refuses both before they come this far.
"""

import json
from collections.abc import Sequence

from service_chat.engines.protocol import ChatMessage, SamplingParams
from service_chat.engines.remote_answer import clean
from serving.errors import InvalidInput

_ANY_OBJECT = {"type": "object"}


def request_body(
    model: str, messages: Sequence[ChatMessage], params: SamplingParams, send_top_k: bool
) -> dict[str, object]:
    """Raises InvalidInput for a schema that is none."""
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": message.role, "content": clean(message.content)} for message in messages],
        "max_tokens": params.max_tokens,
        "temperature": params.temperature,
        "top_p": params.top_p,
        "presence_penalty": params.presence_penalty,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if params.seed is not None:
        body["seed"] = params.seed
    if params.stop:
        body["stop"] = list(params.stop)
    if params.json_schema is not None:
        body["response_format"] = _response_format(params.json_schema)
    if send_top_k:
        body["top_k"] = params.top_k
    return body


def _response_format(schema_text: str) -> dict[str, object]:
    try:
        schema = json.loads(schema_text)
    except (ValueError, RecursionError):
        schema = None
    if not isinstance(schema, dict):
        raise InvalidInput("The JSON schema is no JSON object.")
    if schema == _ANY_OBJECT:
        # As a schema, OpenAI's own API refuses it: in its strict mode every field must be named.
        return {"type": "json_object"}
    # Without `strict` that API takes the schema for advice.
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
