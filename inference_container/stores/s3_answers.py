"""What an S3 server's refusal means to a caller here: one table for its codes, and one for servers that send none.

Some answer errors without the XML that S3 promises (a proxy in between, `rclone serve s3`): then the status has to do.
Used by `s3` and `s3_conditions` only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError, MaxRetryError, SSLError

from inference_container.errors import ObjectChanged, ObjectMissing, ObjectRefused, StoreUnavailable
from serving.errors import DependencyFailed, SluiceError

_NO_BUCKET = "NoSuchBucket"
_MISSING = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchObject", "ResourceNotFound", _NO_BUCKET})
_CHANGED = frozenset({"PreconditionFailed"})
#: Keys that this server can not have; the second and the third come from servers that keep objects as plain files.
_REFUSED = frozenset(
    {"KeyTooLongError", "ObjectParentIsFile", "ExistingObjectIsDirectory", "XMinioObjectExistsAsDirectory"}
)
_PASSING = frozenset(
    {"SlowDown", "InternalError", "ServiceUnavailable", "Throttling", "RequestTimeout", "OperationAborted", "BadDigest"}
) | {"ConditionalRequestConflict", "IncompleteBody", "TooManyRequests", "ThrottlingException", "RequestLimitExceeded"}
_PASSING_STATUS = frozenset({408, 409, 423, 425, 429, 500, 502, 503, 504})


@contextmanager
def telling(bucket: str, key: str, writing: bool = False) -> Iterator[None]:
    """Around a call of the client; never around what a caller does with the answer."""
    try:
        yield
    except (MinioException, HTTPError, ElementTree.ParseError, ValueError) as error:
        raise told(error, bucket, key, writing) from error


def told(error: Exception, bucket: str, key: str, writing: bool = False) -> SluiceError:
    match error:
        case S3Error():
            return told_answer(error.response.status, error.code or "", bucket, key, writing)
        case InvalidResponseError() | ServerError():
            return told_answer(status_of(error), "", bucket, key, writing)
        case MaxRetryError() if isinstance(error.reason, SSLError):
            return DependencyFailed("The object store's certificate is not trusted here; see S3_CA_FILE.")
        case HTTPError() | ElementTree.ParseError() | UnicodeDecodeError():
            cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
            return StoreUnavailable(reason=type(cause).__name__)
        case _:
            return DependencyFailed("The object store's answer can not be understood.", reason=type(error).__name__)


def told_answer(status: int, code: str, bucket: str, key: str, writing: bool) -> SluiceError:
    """`code` is what the XML says; empty where there was none."""
    if code == _NO_BUCKET and writing:
        return DependencyFailed("The store has no such bucket.", bucket=bucket)
    if code in _MISSING or (not code and status == 404):
        return ObjectMissing(bucket=bucket, key=key)
    if code in _CHANGED or status == 412:
        return ObjectChanged(bucket=bucket, key=key)
    if code in _REFUSED:
        return ObjectRefused("The store can not have an object of this name.", bucket=bucket, key=key)
    if code in _PASSING or status in _PASSING_STATUS:
        return StoreUnavailable(reason=code or str(status))
    return DependencyFailed("The object store refused the request.", reason=code or str(status))


def status_of(error: BaseException) -> int:
    """Of an answer that the client took for an error; 0 where there was no answer."""
    match error:
        case S3Error():
            return error.response.status
        case ServerError():
            return error.status_code
        case InvalidResponseError():
            return error._code  # it has no other name for it; the sentence it makes of it is no place to look
        case _:
            return 0


def code_in(body: bytes) -> str:
    """The code of an error's XML, without its namespace; empty where the body is no such thing."""
    try:
        found = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return ""
    return next((each.text or "" for each in found if each.tag.rpartition("}")[2] == "Code"), "")
