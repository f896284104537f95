"""The local engine: llama.cpp in a process of its own. `process` is the way in; only `context` imports llama_cpp."""
