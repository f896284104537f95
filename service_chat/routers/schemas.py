"""The HTTP door's bodies. The seven older keys of an answer stand first; newer ones are only ever added."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service_chat.services.job import JobState
from service_chat.services.steps import Stage

Mrn = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
#: A query must hold something to read. Unicode's other blanks are left to the language layer.
MAX_QUERY_CHARS = 8000
Query = Annotated[str, StringConstraints(min_length=1, max_length=MAX_QUERY_CHARS, pattern=r"\S")]


class TriageRequest(BaseModel):
    patient_mrn: Mrn = Field(description="Record number of the patient.", examples=["P000123"])
    query: Query = Field(description="The question, in the patient's words.", examples=["Can I take ibuprofen?"])
    llm_mode: str | None = Field(None, max_length=64, description="An engine that ALLOWED_LLM_MODES lists.")


class Usage(BaseModel):
    prompt_tokens: int
    cached_tokens: int = Field(description="Of the prompt, read for an earlier question and not read again.")
    completion_tokens: int
    finish_reason: Literal["stop", "length", "repetition", "cancelled"]


class TimingsMs(BaseModel):
    queue_ms: float
    prefill_ms: float
    decode_ms: float
    total_ms: float


class Versions(BaseModel):
    service: str
    prompt: str
    rules: str = Field(description="Changes with every rule, word and table of the safety floor.")
    model: str | None
    model_sha256: str | None
    seed: int | None = Field(description="Equal seeds give equal text on one machine; null: drawn afresh.")


class RedFlagBody(BaseModel):
    """A rule that fired."""

    code: str = Field(description="What kind of danger.", examples=["cardiac"])
    label: str = Field(description="What it is about, in plain English.")
    acuity: str = Field(description="At least this, by this rule alone.")
    rule: str = Field(description="The rule and its version.", examples=["cardiac.chest_pressure@1"])
    evidence: list[str] = Field(description="The caller's own words that it rests on.")
    record: list[str] = Field(description="What of the record it rests on.")
    source: str = Field(description="The public page that says so.")


class CitationBody(BaseModel):
    """An item of the record that the answer rests on, as the record has it."""

    id: str
    kind: str
    text: str
    date: str | None
    source: str


class ContextBody(BaseModel):
    """What of the record stood in the prompt."""

    items: int
    truncated: list[str] = Field(description="Kinds of things that were left out for want of room.")


class PhoneNumberBody(BaseModel):
    """Whom an emergency notice says to call."""

    label: str = Field(description="As the notice says it.", examples=["988 (Suicide & Crisis Lifeline)"])
    number: str = Field(description="What a phone dials.", examples=["988"])


class AcuityBody(BaseModel):
    """What the rules hold, before any model is asked: the `acuity` event."""

    acuity: str
    red_flags: list[RedFlagBody]
    notices: list[str]
    emergency_notice: str | None
    emergency_numbers: list[PhoneNumberBody]
    language: str


class TriageAnswer(BaseModel):
    trace_id: str
    patient_mrn: str
    query: str
    llm_mode: str
    response: str = Field(description="The text to show.")
    inference_time_ms: float = Field(description="Wall time of the engine's part, the wait included.")
    conversation_id: str | None = Field(
        description="Random number under which the conversation is kept; null: it is not, or storing took too long."
    )
    job_id: str = Field(description="The job's number: GET /triage/{job_id} gives this answer again, for a while.")
    acuity: Literal["informational", "self_care", "routine", "urgent", "emergency", "emergency_now"] = Field(
        description="How soon somebody should see to it; never below what the rules hold."
    )
    acuity_source: Literal["rules", "record", "model", "gate"] = Field(description="Whose opinion that is.")
    red_flags: list[RedFlagBody] = Field(description="Rules that fired, the gravest first.")
    notices: list[str]
    gate: list[str] = Field(description="What kept the answer from being self_care.")
    next_steps: list[str]
    questions: list[str] = Field(description="What would have to be known to judge it better.")
    citations: list[CitationBody]
    emergency_notice: str | None = Field(description="Fixed words to show at once; null where no rule fired.")
    emergency_numbers: list[PhoneNumberBody] = Field(description="The numbers that the notice names, to be linked.")
    ungrounded_terms: list[str] = Field(
        description="What a model wrote that neither record nor question names; it is cut."
    )
    language: str = Field(description="Of the question, ISO 639-1; und where it can not be told.")
    disclaimer: str
    degraded: list[str] = Field(
        description="Why the answer is less than it could be: model_unavailable, model_silent, model_invalid, "
        "model_incoherent, deadline."
    )
    context: ContextBody
    usage: Usage | None = Field(description="Null when no model was asked.")
    timings: TimingsMs
    versions: Versions


class JobStatus(BaseModel):
    """Where a question is that has no answer yet; the same members as a `status` event."""

    state: Stage
    position: int | None = Field(description="Others before it, while queued.")
    eta_s: float | None = Field(description="Seconds until its turn, while queued and where it can be predicted.")
    done: int | None = Field(description="Tokens of the prompt that are read, `cached` included.")
    total: int | None = Field(description="Tokens of the prompt.")
    cached: int | None = Field(description="Tokens of the prompt that were read for an earlier question.")
    tokens: int = Field(description="Tokens of the answer so far.")


class ProblemBody(BaseModel):
    """An RFC 9457 problem as a part of another body. Members beyond these depend on `code`."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str
    trace_id: str | None


class TriageJob(BaseModel):
    job_id: str
    trace_id: str
    state: JobState
    last_event_id: int = Field(description="Number of the newest event; events after it are still to come.")
    elapsed_ms: float = Field(description="Since the question came, or from there to its end.")
    status: JobStatus | None = Field(description="Null when the job is over.")
    text: str = Field(description="What the model has written so far.")
    result: TriageAnswer | None = Field(description="The answer, when the state is done.")
    problem: ProblemBody | None = Field(description="What went wrong, when the state is failed or cancelled.")


class ExamplePatient(BaseModel):
    mrn: str
    about: str = Field(examples=["Man, 64: atrial fibrillation"])


class ServiceInfo(BaseModel):
    service: Literal["CarePath Chat API"] = "CarePath Chat API"
    version: str
    description: str
    default_llm_mode: str
    vector_mode: Literal["mock"] = "mock"
    llm_modes: list[str] = Field(description="What `llm_mode` may name, the configured one first.")
    max_query_chars: int
    emergency_number: PhoneNumberBody = Field(description="Of the region that the service is set up for.")
    example_patients: list[ExamplePatient] = Field(
        description="Some made-up patients of the embedded records; empty where records are others. Never a real one."
    )


class Health(BaseModel):
    status: Literal["ok"] = "ok"
    service: Literal["chat-api"] = "chat-api"
    version: str


class Readiness(BaseModel):
    status: str
    service: Literal["chat-api"] = "chat-api"
    version: str
    degraded: list[str] = []


class ModelHealth(BaseModel):
    """What the engine says of itself."""

    llm_mode: str
    state: str
    phase: str | None
    percent: float | None
    eta_s: float | None
    reason: str | None
    model: str | None
    sha256: str | None
    n_ctx: int | None
    n_threads: int | None
    threads_from: str | None
    system_info: str | None
    starts: int
    failures: int
    queue_depth: int
    running: int
