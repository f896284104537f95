from tests.unit.inference_container.commands.street import street

__all__ = ["street"]
