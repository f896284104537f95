"""Writes docs/configuration.md from the settings classes."""

from pathlib import Path

from inference_container.settings import InferenceSettings
from service_chat.settings import ChatSettings
from serving.settings_page import settings_page

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
SERVICES = (("Chat service", ChatSettings), ("Forecast service", InferenceSettings))

if __name__ == "__main__":
    PAGE.write_text(settings_page(SERVICES))
