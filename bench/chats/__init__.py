"""What `bench.triage` measures the chat service with: a model of the right size, peers, callers, and the promises."""
