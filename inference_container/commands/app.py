"""All commands as one typer application. `__main__` runs it for every command but `serve`."""

import typer

from inference_container.commands.bundle import app as bundle_app
from inference_container.commands.claim import app as claim_app
from inference_container.commands.dlq import app as dlq_app
from inference_container.commands.prepare import app as prepare_app
from inference_container.commands.results import app as results_app
from inference_container.commands.serve import serve as run_serve
from inference_container.commands.training import demo_data, train

app = typer.Typer(
    name="inference_container",
    help="Forecasts over HTTP and Kafka, and the bundles they come from.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


# Here for the list of commands alone: its arguments are read in one place, which typer has never heard of.
@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def serve(context: typer.Context) -> None:
    """Serve forecasts until SIGTERM."""
    run_serve(context.args)


app.command("demo-data")(demo_data)
app.command()(train)
app.add_typer(bundle_app, name="bundle")
app.add_typer(claim_app, name="claim")
app.add_typer(dlq_app, name="dlq")
app.add_typer(prepare_app, name="prepare")
app.add_typer(results_app, name="results")
