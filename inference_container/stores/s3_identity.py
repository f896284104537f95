"""Who a pod is to S3 where nobody gave it keys: credentials of its platform, which expire and are renewed.

MinIO's own provider finds them: with an agent on the node that EKS Pod Identity names to the pod, by a ServiceAccount's
role, by an instance's. Here it is bounded in time, asked by one thread at once, and its failures are told as the
store's. Used by `s3`.
"""

import threading

import urllib3
from minio.credentials.credentials import Credentials
from minio.credentials.providers import IamAwsProvider, Provider
from minio.error import MinioException
from typing_extensions import override
from urllib3.exceptions import HTTPError

from inference_container.errors import StoreUnavailable

#: The agent is on the same node. A caller waits for it, and asks again anyhow when it fails.
_TIMEOUT_S = 2.0
_ATTEMPTS = 2


class Identity(Provider):
    """Thread-safe; `retrieve` blocks when they have expired."""

    def __init__(self) -> None:
        """What the platform says of itself is read from the process's environment (AWS_CONTAINER_…, AWS_ROLE_ARN)."""
        patience = urllib3.Retry(total=_ATTEMPTS - 1, status_forcelist=(500, 502, 503, 504), backoff_factor=0.1)
        self._agent = urllib3.PoolManager(timeout=urllib3.Timeout(total=_TIMEOUT_S), retries=patience)
        self._given = IamAwsProvider(http_client=self._agent)
        self._asking = threading.Lock()

    @override
    def retrieve(self) -> Credentials:
        """
        Raises:
            StoreUnavailable: The platform gives none, or nothing that can be understood.
        """
        with self._asking:
            try:
                return self._given.retrieve()
            except (HTTPError, MinioException, OSError, KeyError, ValueError) as error:
                raise StoreUnavailable(reason="no_credentials") from error
