"""All commands as one typer application. `__main__` runs it for every command but `serve`."""

import typer

from service_chat.commands.audit import app as audit_app
from service_chat.commands.chats import app as chats_app
from service_chat.commands.keys import app as keys_app
from service_chat.commands.models import app as models_app
from service_chat.commands.records import app as records_app

app = typer.Typer(
    name="service_chat",
    help="Triage over HTTP, the patient records it reads, and what it keeps of what it was asked.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


# Here for the list of commands alone: `__main__` serves without reading what reads the other commands' arguments.
@app.command()
def serve() -> None:
    """Serve triage until SIGTERM; what no command at all does too."""
    from service_chat.main import run

    run()


app.add_typer(records_app, name="records")
app.add_typer(keys_app, name="keys")
app.add_typer(models_app, name="models")
app.add_typer(audit_app, name="audit")
app.add_typer(chats_app, name="chats")
