"""The tag of this checkout's images: the commit they are built from.

A tag must not lie, and the registry lets no tag move. So changes that are in no commit are refused; with ALLOW_DIRTY=1
they get a tag that names them too.
"""

import subprocess
from pathlib import Path

from scripts.cloud.running import Stop
from scripts.cloud.session import Session

_DIGITS = 12


def tag_of_checkout(session: Session) -> str:
    """git is read in a dry run, too: it changes nothing, and the commands shall be the exact ones. Raises Stop."""
    commit = _git(session, "rev-parse", f"--short={_DIGITS}", "HEAD").strip()
    changed = _git(session, "status", "--porcelain").splitlines()
    if not changed:
        return commit
    if not session.wishes.allow_dirty:
        shown = "\n".join(f"  {line}" for line in changed[:10])
        raise Stop(
            f"The checkout has changes that are in no commit, so the tag {commit} would lie:\n{shown}",
            "Commit them; or ALLOW_DIRTY=1, which tags the images by commit and content.",
        )
    return f"{commit}-dirty-{_content(session)}"


def _content(session: Session) -> str:
    """A few digits that are the same for the same changes."""
    import hashlib  # here, because it takes as long as all else here, and few checkouts are dirty

    digest = hashlib.sha256(_git(session, "diff", "--binary", "HEAD").encode(errors="surrogateescape"))
    for name in _git(session, "ls-files", "--others", "--exclude-standard", "-z").split("\0"):
        if name and Path(name).is_file():
            digest.update(name.encode() + b"\0" + Path(name).read_bytes())
    return digest.hexdigest()[:8]


def _git(session: Session, *arguments: str) -> str:
    program = session.wishes.programs.get("git", "git")
    try:
        done = subprocess.run([program, *arguments], capture_output=True, check=False)
    except OSError as error:
        raise Stop(f"git could not be started: {error}", "Install git, or say IMAGE_TAG yourself.") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise Stop(f"git does not say which commit this is: {said}", "Say IMAGE_TAG yourself.")
    return done.stdout.decode(errors="surrogateescape")
