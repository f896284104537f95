"""Before anything is begun: are the programs there, and is somebody signed in?"""

import json
import shlex
import shutil

from scripts.cloud.running import Stop
from scripts.cloud.session import Session

#: Where each comes from.
_TO_GET = {
    "aws": "AWS CLI 2: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
    "docker": "Docker with buildx: https://docs.docker.com/engine/install/",
    "terraform": "Terraform 1.11 or later: https://developer.hashicorp.com/terraform/install",
    "kubectl": "kubectl: https://kubernetes.io/docs/tasks/tools/",
    "git": "git: https://git-scm.com/downloads",
}

#: Stands for the account in a dry run, where nobody is asked who they are.
ACCOUNT = "<account>"


def need(session: Session, *programs: str) -> None:
    """Raises Stop with all that are missing, and where they come from. A dry run needs none."""
    if session.wishes.dry_run:
        return
    named = {program: session.wishes.programs.get(program, program) for program in programs}
    missing = [program for program, command in named.items() if shutil.which(shlex.split(command)[0]) is None]
    if missing:
        told = "\n".join(f"  {_TO_GET[program]}" for program in missing)
        words = ", ".join(
            f"{program} ({named[program]})" if named[program] != program else program for program in missing
        )
        variables = ", ".join(program.upper() for program in missing)
        raise Stop(f"Not found on PATH: {words}.", f"Install, or name in {variables}:\n{told}")


def account(session: Session) -> str:
    """The AWS account that the credentials belong to. Raises Stop where there are none."""
    told = session.runner.ask(
        *("aws", "sts", "get-caller-identity", "--output", "json"), instead=json.dumps({"Account": ACCOUNT})
    )
    if told.status != 0:
        raise Stop(
            f"AWS knows no credentials for this: {told.reason}",
            "Sign in (`aws sso login`, or `aws configure`), or name a profile in AWS_PROFILE; then the same command.",
        )
    return str(json.loads(told.out)["Account"])
