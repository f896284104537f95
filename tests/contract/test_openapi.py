"""Every answer a door can give is written down in its OpenAPI document: schemathesis tries to find one that is not.

Its own pytest plugin does not know this pytest yet, so its strategies run under plain hypothesis.
"""

from collections.abc import Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.schemas import BaseSchema

from inference_container.main import create_app as forecast_app
from inference_container.settings import InferenceSettings
from service_chat.main import create_app as chat_app
from service_chat.settings import ChatSettings
from tests.integration.processes import ServiceProcess

THOROUGH = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
#: Of operations that take a number or nothing, and start processes for each answer: up to sixty-four.
SOME = settings(THOROUGH, max_examples=15)
COSTLY = ("POST /scale_workers", "POST /reload_latest")
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)

#: Default checks that one operation may fail, each with the sentence that allows it.
EXCLUDED: Mapping[str, Mapping[str, str]] = {
    "POST /predict": {
        "positive_data_acceptance": "A series may fit the schema and still be one that can not be forecast: a 400.",
    },
    "POST /v1/timeseries/forecast": {
        "positive_data_acceptance": "As for /predict; names of series must differ, which a schema can not say.",
    },
    "POST /v1/chat/completions": {
        "positive_data_acceptance": "A form is asked for once, and json_schema needs its schema: relations, so a 400.",
    },
    "POST /triage": {
        "positive_data_acceptance": "Which llm_mode is offered depends on the deployment; the schema names none: 422.",
    },
}


def operations(document: Mapping[str, Any]) -> list[str]:
    return [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]


@pytest.fixture(scope="session")
def forecast_schema(forecast_service: ServiceProcess) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{forecast_service.url}/openapi.json")


@pytest.fixture(scope="session")
def chat_schema(chat_service: ServiceProcess) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{chat_service.url}/openapi.json")


def exercise(schema: BaseSchema, named: str) -> None:
    method, path = named.split(" ", 1)
    operation = schema[path][method]
    checks: list[Any] = [CHECKS.get_one(name) for name in CHECKS.get_all_names() if name not in EXCLUDED.get(named, {})]
    headers = {"Authorization": "Bearer for-the-tests"}
    possible = [operation.as_strategy(generation_mode=mode) for mode in MODES]

    @(SOME if named in COSTLY else THOROUGH)
    @given(case=st.one_of(possible))
    def answers_as_documented(case: Case[Any]) -> None:
        case.call_and_validate(headers=headers, checks=checks)

    answers_as_documented()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("named", operations(forecast_app(InferenceSettings()).openapi()))
def test_the_forecast_service_answers_as_its_document_says(forecast_schema: BaseSchema, named: str) -> None:
    exercise(forecast_schema, named)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("named", operations(chat_app(ChatSettings(llm_mode="mock")).openapi()))
def test_the_chat_service_answers_as_its_document_says(chat_schema: BaseSchema, named: str) -> None:
    exercise(chat_schema, named)


def test_no_default_check_was_lost_on_the_way() -> None:
    """A release that drops one must not go unnoticed."""
    names = set(CHECKS.get_all_names())
    assert {"not_a_server_error", "status_code_conformance", "response_schema_conformance"} <= names
    assert {"negative_data_rejection", "positive_data_acceptance", "unsupported_method"} <= names
