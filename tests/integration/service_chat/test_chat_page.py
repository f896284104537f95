"""The page at `/` as people use it: in a real browser, on a real service that answers at once."""

import json

import httpx
import pytest
from playwright.sync_api import expect

from tests.integration.processes import ServiceProcess
from tests.integration.service_chat.page_talk import Talk


def test_a_made_up_patient_is_picked_and_another_number_can_be_entered(talk: Talk, service: ServiceProcess) -> None:
    page = talk.page
    told = httpx.get(service.url, headers={"Accept": "application/json"}).json()["example_patients"]
    options = page.locator("#example option").all_inner_texts()
    assert options == ["None chosen", *(f"{each['mrn']} · {each['about']}" for each in told)]
    assert len(told) >= 4
    assert page.input_value("#mrn") == ""
    page.select_option("#example", "P000003")
    assert page.input_value("#mrn") == "P000003"
    page.fill("#mrn", "P000777")
    assert page.input_value("#example") == ""


def test_characters_are_counted_as_the_service_counts_them(talk: Talk) -> None:
    talk.page.fill("#query", "aé😀")
    expect(talk.page.locator("#count")).to_have_text("3 of 8,000")
    talk.asked("ab " * 2667 + "c")
    expect(talk.page.locator("#query-wrong")).to_have_text("A question has at most 8,000 characters.")
    expect(talk.page.locator("#query")).to_be_focused()


def test_an_answer_has_its_level_its_words_what_would_help_and_a_trace(talk: Talk) -> None:
    page = talk.page
    with page.expect_response("**/triage") as asked:
        talk.asked("Can I take ibuprofen for my knee?")
    request = asked.value.request
    assert json.loads(request.post_data or "") == {
        "patient_mrn": "P000123",
        "query": "Can I take ibuprofen for my knee?",
    }
    assert request.headers["accept"] == "text/event-stream"
    assert len(request.headers["idempotency-key"]) == 32
    expect(talk.badge).to_have_text("Urgent")
    assert talk.badge.locator("use").get_attribute("href") == "#icon-clock"
    expect(talk.status).to_have_text("The answer is here: Urgent.")
    expect(talk.part("prose")).to_contain_text("Rest the knee and drink water")
    # What the page shows in better form is not in the text as well.
    for said_elsewhere in ("Speak to a doctor", "Since when does it hurt?", "Written by software"):
        expect(talk.part("prose")).not_to_contain_text(said_elsewhere)
    expect(page.locator(".disclaimer")).to_contain_text("Written by software")
    expect(page.locator("#timer")).to_have_text("Total time: 0s")
    page.locator(".why summary").click()
    expect(talk.part("rules")).to_contain_text("“ibuprofen”")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy trace id").click()
    trace = talk.part("trace code").inner_text()
    assert page.evaluate("navigator.clipboard.readText()") == trace
    assert len(trace) == 32


def test_a_question_of_the_answer_is_put_into_the_box_to_be_answered(talk: Talk) -> None:
    talk.asked("Can I take ibuprofen for my knee?")
    talk.page.get_by_role("button", name="Since when does it hurt?").click()
    assert talk.page.input_value("#query") == "Can I take ibuprofen for my knee?\nSince when does it hurt? "
    assert talk.focus() == "query"
    talk.page.keyboard.type("Since May.")
    assert talk.page.input_value("#query").endswith("hurt? Since May.")


def test_an_opinion_of_the_urgency_is_taken(talk: Talk) -> None:
    talk.asked("Can I take ibuprofen for my knee?")
    talk.page.get_by_label("Agree").check()
    with talk.page.expect_response("**/feedback") as given:
        talk.page.get_by_role("button", name="Send").click()
    assert given.value.status == 204
    expect(talk.part("told")).to_contain_text("Thank you.")


def test_an_emergency_is_an_alert_with_the_number_as_a_link_above_everything_else(talk: Talk) -> None:
    assert talk.banner.get_attribute("role") == "alert"
    talk.asked("I have crushing chest pain and my left arm is numb.")
    expect(talk.banner.locator(".notice")).to_contain_text("Call 911 now.")
    assert {each.get_attribute("href") for each in talk.banner.locator("a").all()} == {"tel:911"}
    expect(talk.badge).to_have_text("Emergency: call now")
    assert talk.page.evaluate(
        "banner.compareDocumentPosition(document.querySelector('.prose')) & Node.DOCUMENT_POSITION_FOLLOWING"
    )
    assert talk.page.locator("[role=log]").get_attribute("aria-live") == "off"
    assert talk.page.locator("[aria-live=polite]").count() == 1


@pytest.mark.parametrize(
    ("query", "language", "direction", "numbers"),
    [
        ("Quiero suicidarme, tengo las pastillas aquí", "es", "ltr", ["tel:911", "tel:988"]),
        ("عندي ألم شديد في الصدر وضيق في التنفس", "ar", "rtl", ["tel:911"]),
    ],
)
def test_fixed_words_are_in_the_language_of_the_question(
    talk: Talk, query: str, language: str, direction: str, numbers: list[str]
) -> None:
    talk.asked(query)
    for text in (talk.banner.locator(".notice"), talk.part("question")):
        expect(text).to_have_attribute("lang", language)
        expect(text).to_have_attribute("dir", direction)
    links = talk.banner.locator(".calls a").all()
    assert [each.get_attribute("href") for each in links] == numbers


def test_without_a_patient_the_words_are_looked_at_all_the_same(talk: Talk) -> None:
    talk.asked("I have crushing chest pain and my left arm is numb.", mrn="")
    expect(talk.banner).to_contain_text("Call 911 now.")
    expect(talk.page.locator("#mrn-wrong")).to_have_text("Choose a patient, or enter a record number.")
    # The eye stays with the fixed words.
    assert talk.focus() == "send"
    talk.asked("Is my blood pressure fine?", mrn="")
    expect(talk.banner).to_be_empty()
    assert talk.focus() == "mrn"
    expect(talk.page.locator("#mrn")).to_have_attribute("aria-invalid", "true")


def test_an_unknown_number_is_marked_where_it_was_entered(talk: Talk) -> None:
    talk.asked("Is my blood pressure fine?", mrn="P999999")
    expect(talk.part("trouble")).to_contain_text("Patient not found.")
    expect(talk.page.locator("#mrn-wrong")).to_have_text("No record has this number.")
    assert talk.focus() == "mrn"
    talk.page.fill("#query", "  \n")
    talk.page.click("#send")
    expect(talk.page.locator("#query-wrong")).to_have_text("Write a question first.")


def test_who_may_be_watched_is_asked_first_and_can_clear_the_screen(talk: Talk) -> None:
    talk.asked("My husband is abusing me.")
    assert talk.banner.locator(".notice").inner_text().startswith("Is it safe for you to read this?")
    history = talk.page.locator("#history-list")
    assert "husband" not in history.inner_text()
    assert "violence" not in talk.status.inner_text().lower()
    talk.page.get_by_role("button", name="Clear this screen").click()
    expect(talk.card).to_have_count(0)
    expect(talk.banner).to_be_empty()
    expect(history.locator("li")).to_have_count(0)
    assert (talk.page.input_value("#query"), talk.page.input_value("#mrn")) == ("", "")


def test_another_engine_can_be_asked(talk: Talk) -> None:
    assert talk.page.locator("#mode option").all_inner_texts() == ["gguf (usual)", "mock"]
    talk.page.select_option("#mode", "mock")
    with talk.page.expect_request("**/triage") as asked:
        talk.asked("Is my blood pressure fine?")
    assert json.loads(asked.value.post_data or "")["llm_mode"] == "mock"
    talk.page.locator(".about summary").click()
    expect(talk.part("about")).to_contain_text("mock")


def test_earlier_questions_are_listed_for_this_tab_and_can_be_seen_again(talk: Talk) -> None:
    page = talk.page
    talk.asked("Can I take ibuprofen for my knee?")
    talk.asked("I have crushing chest pain and my left arm is numb.", mrn="P000018")
    entries = page.locator("#history-list button")
    expect(entries).to_have_count(2)
    expect(entries.first).to_contain_text("P000018")
    entries.last.click()
    expect(talk.badge).to_have_text("Urgent")
    expect(talk.banner).not_to_contain_text("Call 911 now.")
    assert talk.focus() == "talk"
    page.get_by_role("button", name="New question").click()
    expect(talk.card).to_have_count(0)
    assert talk.focus() == "query"
    assert page.input_value("#mrn") == "P000018"  # the same person, mostly
    page.get_by_role("button", name="Clear the list").click()
    expect(page.locator("#history")).to_be_hidden()
    page.reload()
    expect(page.locator("#history")).to_be_hidden()


def test_all_of_it_is_done_with_the_keyboard_alone(talk: Talk) -> None:
    page = talk.page

    def tab_to(wanted: str, key: str = "Tab") -> None:
        for _ in range(50):
            page.keyboard.press(key)
            if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") in ("solid", "auto")
                return
        pytest.fail(f"{key} never reaches {wanted}")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to("#example")
    page.keyboard.press("P")  # the first that begins so
    assert page.input_value("#mrn") == "P000123"
    tab_to("#query")
    page.keyboard.type("Can I take ibuprofen for my knee?")
    page.keyboard.press("Control+Enter")
    talk.until_over()
    assert talk.focus() == "query"
    tab_to(".banner a.call")
    tab_to(".why summary")
    page.keyboard.press("Enter")
    expect(talk.part("rules")).to_be_visible()
    tab_to(".ask", "Shift+Tab")
    page.keyboard.press("Enter")
    assert talk.focus() == "query"
    tab_to(".opinion input")
    page.keyboard.press("Space")
    tab_to(".opinion textarea")
    tab_to("#new")
    tab_to("#history-list button")
    page.keyboard.press("Enter")
    assert talk.focus() == "talk"
