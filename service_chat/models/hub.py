"""A model hub: is it there, and where is the file? Called by `store`, which downloads what this names.

huggingface_hub gives the address and the credentials, `web` moves the bytes: the library begins every process's
download with a new file, so a pod that is restarted at 90 % of a gigabyte would begin again; ours goes on. The library
also retries an unreachable hub for 23 s, so we knock ourselves first and give up after three.
"""

import os
import threading
from dataclasses import dataclass

import httpx

from service_chat.models.manifest import HubFile
from serving.errors import DependencyFailed

PROBE_S = 3.0


@dataclass(frozen=True, slots=True)
class HubAnswer:
    url: str
    headers: dict[str, str]
    sha256: str | None  #: as the hub states it
    size: int | None


def locate(source: HubFile, endpoint: str | None = None, token: str | None = None) -> HubAnswer:
    """Asks the hub about one file. `endpoint` and `token` default to the library's own (`HF_ENDPOINT`, `HF_TOKEN`).

    Raises:
        DependencyFailed: No answer within three seconds, or the hub does not give us this file.
    """
    # The library reads these at import, which is why it is not imported above.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    from huggingface_hub import get_token, hf_hub_url

    url = hf_hub_url(source.repository, source.file, revision=source.revision, endpoint=endpoint)
    key = token or get_token()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = _knock(url, headers)
    if answer.is_error:
        raise DependencyFailed(
            f"The hub answered {answer.status_code} for {source.repository}/{source.file}",
            reason=f"http_{answer.status_code}",
        )
    size = answer.headers.get("x-linked-size", "")
    tag = answer.headers.get("x-linked-etag", "").strip('"')
    return HubAnswer(url, headers, tag if len(tag) == 64 else None, int(size) if size.isdigit() else None)


def _knock(url: str, headers: dict[str, str]) -> httpx.Response:
    """One HEAD that never takes longer than `PROBE_S`, whatever it hangs in."""
    found: list[httpx.Response] = []
    failed: list[httpx.HTTPError] = []

    def ask() -> None:
        try:
            # No redirect is followed: the hub's own answer has the file's hash and size in its headers.
            found.append(httpx.head(url, headers=headers, timeout=PROBE_S))
        except httpx.HTTPError as error:
            failed.append(error)

    # A thread, because the timeout of the client does not cover the look-up of the host's name.
    asking = threading.Thread(target=ask, name="hub-probe", daemon=True)
    asking.start()
    asking.join(PROBE_S)
    if found:
        return found[0]
    host = httpx.URL(url).host
    reason = type(failed[0]).__name__ if failed else "no answer"
    raise DependencyFailed(f"The model hub {host} did not answer within {PROBE_S:.0f} s ({reason})", reason="no_hub")
