"""The chat service: POST /triage, the patient's own record, and a local model that explains."""
