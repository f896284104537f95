"""ECR: signing in, building, pushing, and the digests by which pods are held to what was pushed.

Tags are immutable there, so an image that is present is the image of that commit: neither built nor pushed again.
That is what lets a second run go on after a failure.
"""

from dataclasses import dataclass

from scripts.cloud.checkout import tag_of_checkout
from scripts.cloud.running import Stop, say
from scripts.cloud.session import Session

_ABSENT = ("ImageNotFoundException", "RepositoryNotFoundException")


@dataclass(frozen=True, slots=True)
class Image:
    """One of our images: its repository behind the cluster's name, and how it is built."""

    name: str
    dockerfile: str
    target: str = ""


IMAGES = {
    "chat": Image("chat-api", "docker/chat.Dockerfile"),
    "inference": Image("inference", "docker/inference.Dockerfile", "serving"),
}


def host(session: Session, account: str) -> str:
    return f"{account}.dkr.ecr.{session.wishes.region}.amazonaws.com"


def login(session: Session, account: str) -> None:
    session.runner.pipe(
        ("aws", "ecr", "get-login-password", "--region", session.wishes.region),
        ("docker", "login", "--username", "AWS", "--password-stdin", host(session, account)),
    )


def digest(session: Session, image: Image, tag: str, expected: bool) -> str:
    """Of the image in the registry; empty where there is none. In a dry run as `expected`. Raises Stop.

    A repository that is not there yet holds no image: the platform has still to be made.
    """
    repository = f"{session.wishes.cluster}/{image.name}"
    told = session.runner.ask(
        *("aws", "ecr", "describe-images", "--region", session.wishes.region, "--repository-name", repository),
        *("--image-ids", f"imageTag={tag}", "--query", "imageDetails[0].imageDigest", "--output", "text"),
        instead=f"<digest of {image.name}>" if expected else "",
    )
    if told.status == 0:
        return told.out.strip()
    if any(word in told.err for word in _ABSENT):
        return ""
    raise Stop(f"ECR does not say whether it has {repository}:{tag}: {told.reason}")


def build(session: Session, image: Image, tag: str) -> None:
    """Under its local name. For the nodes' processors, whatever this machine's are. Raises Stop."""
    wishes = session.wishes
    session.runner.run(
        *("docker", "build", "--platform", "linux/amd64", "--file", image.dockerfile),
        *(("--target", image.target) if image.target else ()),
        *("--build-arg", f"REVISION={tag}", *wishes.build_args),
        *("--tag", f"{wishes.cluster}/{image.name}:{tag}", "."),
    )


def push(session: Session, image: Image, tag: str, account: str) -> None:
    """Raises Stop, also where it was never built."""
    local = f"{session.wishes.cluster}/{image.name}:{tag}"
    remote = f"{host(session, account)}/{local}"
    session.runner.run("docker", "tag", local, remote)
    session.runner.run("docker", "push", remote)


def wanted_tag(session: Session) -> str:
    """IMAGE_TAG, or the checkout's. Raises Stop."""
    return session.wishes.image_tag or tag_of_checkout(session)


def may_build(session: Session, image: Image, tag: str) -> None:
    """A tag that was said, and that the registry lacks, is built only from the checkout that it names. Raises Stop."""
    if session.wishes.image_tag and session.wishes.image_tag != tag_of_checkout(session):
        raise Stop(
            f"The registry has no {image.name}:{tag}, and this checkout is another commit.",
            f"Check {tag} out and deploy it from there, or leave IMAGE_TAG out to deploy what is here.",
        )


def build_verb(session: Session, key: str) -> None:
    image, tag = IMAGES[key], wanted_tag(session)
    build(session, image, tag)
    say(f"Built {session.wishes.cluster}/{image.name}:{tag}")


def push_verb(session: Session, key: str, account: str) -> None:
    image, tag = IMAGES[key], wanted_tag(session)
    if digest(session, image, tag, expected=False):
        say(f"{image.name}:{tag} is in the registry already, and tags are immutable: nothing to push.")
        return
    login(session, account)
    push(session, image, tag, account)
