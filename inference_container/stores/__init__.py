"""Where objects are kept: an S3 server, or plain files. Callers see `ports` only; `wiring` picks one."""
