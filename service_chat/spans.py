"""The spans of the chat service beside those of the ground floor: rules, record, a chat with an engine, other servers.

None of them says what was asked, about whom, or what the rules made of it: an acuity beside a trace id is already
something about a patient.
"""

from serving.spans import Kind, declare

FLOOR = declare("safety floor", "The rules judge a question: by itself, and again with the record.")
RECORD = declare("fetch record", "The patient's record is asked for and read, from whichever store there is.")
CHAT = declare(
    "chat",
    "A chat with an engine, from the door of its lane to its last token: the wait, the reading, the writing.",
    named_by=("mode",),
    fixed={"gen_ai.operation.name": "chat"},
    mode="gen_ai.provider.name",
    input_tokens="gen_ai.usage.input_tokens",
    output_tokens="gen_ai.usage.output_tokens",
    cached_tokens="gen_ai.usage.cache_read.input_tokens",
    finish_reason="gen_ai.response.finish_reason",
)
PREFILL = declare("prefill", "The engine reads the prompt, until the first words are there.")
DECODE = declare("decode", "The engine writes, until the answer is whole.")
REQUEST = declare(
    "",
    "A request to another server over HTTP, until its head is back: a record server, a remote engine. It bears "
    "`traceparent`.",
    kind=Kind.CLIENT,
    named_by=("method",),
    method="http.request.method",
    host="server.address",
    port="server.port",
    status="http.response.status_code",
)
