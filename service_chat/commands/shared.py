"""What the commands have in common: the settings they read, and how an error is told."""

from service_chat.settings import ChatSettings
from serving.plain_errors import plain_errors

__all__ = ["plain_errors", "settings_from_environment"]


def settings_from_environment() -> ChatSettings:
    """As the service would read them.

    Raises:
        SettingsError: The service would not start with them.
    """
    return ChatSettings.from_environment()
