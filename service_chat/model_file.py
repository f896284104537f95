"""Which model the settings mean. For `wiring`, whose engine loads it, and the command that fetches it beforehand."""

from service_chat.models.manifest import ModelFile, hub_model, parse_reference
from service_chat.settings import ChatSettings


def model_file(settings: ChatSettings) -> ModelFile:
    """GGUF_PATH, MODEL_SOURCE or the hub's file, with MODEL_SHA256 where that is set.

    Raises:
        ValueError: What is set has the form of no reference.
    """
    reference = settings.model_source or str(settings.gguf_path or "")
    sha256 = settings.model_sha256 or None
    if reference:
        return parse_reference(reference, sha256)
    return hub_model(settings.gguf_model_repo, settings.gguf_model_file, sha256=sha256)
