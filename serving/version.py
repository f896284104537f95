"""The release that this is, as pyproject.toml has it: for `/`, OpenAPI and the metric `service_info`."""

VERSION = "0.1.0"
