"""`chats show ID` and `chats purge`: what was said in a conversation, for who has the key, and the end of old ones.

Both work on the embedded chat log, also while a service writes to it, and both leave a row in the audit: reading what a
patient wrote is something to account for.
"""

from datetime import timedelta
from getpass import getuser
from pathlib import Path
from typing import Annotated

import typer

from service_chat.audit.file import AuditFile
from service_chat.audit.ports import Entry
from service_chat.chatlog.file import ChatFile
from service_chat.commands.shared import plain_errors, settings_from_environment
from service_chat.keeping import audit_file, audit_keys, sealer_of
from service_chat.settings import ChatSettings
from serving.clock import SystemClock
from serving.errors import InvalidInput, NotFound, SluiceError

app = typer.Typer(help="Conversations: look at one, drop old ones.", no_args_is_help=True)


@app.command()
def show(conversation_id: Annotated[str, typer.Argument(help="Its number, from an answer.")]) -> None:
    """Print a conversation; its texts only where they were kept and the key is here."""
    with plain_errors():
        settings = settings_from_environment()
        chats = _opened(settings)
        try:
            shown = chats.show(conversation_id)
        except SluiceError as error:
            # Who looks for numbers that are not there is worth a row as well.
            _account(settings, "chat_read", error.code, None if isinstance(error, NotFound) else conversation_id)
            raise
        finally:
            chats.close()
        _account(settings, "chat_read", "shown", conversation_id, str(shown.about["patient_ref"]))
    for name, value in shown.about.items():
        typer.echo(f"{name}: {value}")
    for name, text in shown.texts.items():
        typer.echo(f"\n{name}:\n{text}")


@app.command()
def purge(
    older_than: Annotated[
        float | None, typer.Option(min=0, help="Days. Default: CHAT_KEEP_DAYS. 0 drops every conversation.")
    ] = None,
) -> None:
    """Drop old conversations; their pages in the file are overwritten."""
    with plain_errors():
        settings = settings_from_environment()
        days = settings.chat_keep_days if older_than is None else older_than
        if older_than is None and not days:
            raise InvalidInput("CHAT_KEEP_DAYS is 0: conversations are kept. Say --older-than DAYS.")
        chats = _opened(settings)
        try:
            dropped = chats.purge(SystemClock().now() - timedelta(days=days))
        finally:
            chats.close()
        _account(settings, "chat_purge", f"dropped {dropped}")
    typer.echo(f"{dropped} conversations dropped")


def _opened(settings: ChatSettings) -> ChatFile:
    """Raises InvalidInput: there is no such file, and a command that looks must not make one."""
    path: Path = settings.chat_file(settings.records_path)
    if not path.is_file():
        raise InvalidInput(f"There is no chat log {path.name}.")
    return ChatFile.open(path, sealer_of(settings))


def _account(
    settings: ChatSettings, action: str, outcome: str, conversation_id: str | None = None, ref: str | None = None
) -> None:
    path = audit_file(settings)
    if path is None:
        return
    audit = AuditFile.open(path, audit_keys(settings))
    try:
        who = f"command:{_user()}"
        now = SystemClock().now()
        audit.append([Entry(now, who, action, outcome, patient_ref=ref, conversation_id=conversation_id)])
    finally:
        audit.close()


def _user() -> str:
    try:
        return getuser()
    except (OSError, KeyError):  # a container's number without a name
        return "unknown"
