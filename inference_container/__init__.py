"""The forecast service: POST /predict, with a small network behind spawned workers."""
