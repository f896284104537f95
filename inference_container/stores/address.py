"""Where an S3 server is: what `wiring` makes of the settings. `opening` opens the store there."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class S3Address:
    """Where the server is and how long it may take, in seconds."""

    endpoint: str  #: host:port
    access_key: str
    secret_key: str = field(repr=False)
    secure: bool = True
    region: str = "us-east-1"  #: told, never asked for: that would be one request and one right more
    ca_file: str | None = None  #: who signs the server's certificate; None: whom the system trusts
    connections: int = 16
    connect_timeout_s: float = 3.0
    read_timeout_s: float = 10.0  #: without a byte
    whole_timeout_s: float = 60.0  #: of `get`, however steadily it drips
    attempts: int = 3
    identity: bool = False  #: instead of the keys: credentials that the platform gives this process, for a time
