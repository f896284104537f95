"""The chat service's part of the error table: what only this service knows."""

from collections.abc import Mapping

from service_chat import errors
from serving.errors import SluiceError

#: Who may ask, and how often: the same at every door.
ACCESS: Mapping[type[SluiceError], int] = {
    errors.Forbidden: 403,
    errors.IdentityProviderUnavailable: 503,
    errors.RateLimited: 429,
}

STATUS: Mapping[type[SluiceError], int] = {
    **ACCESS,
    errors.AmbiguousPatient: 409,
    errors.ModeNotAllowed: 422,
    errors.PromptTooLong: 422,
    errors.IdempotencyKeyReused: 422,
    errors.JobCancelled: 409,
    errors.JobRunning: 409,
    errors.SwapRunning: 409,
}
