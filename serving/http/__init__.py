"""The HTTP part of the ground floor: problems, probes, exposition, trace context and the server runner."""
