"""The shape most people begin with, and the predecessor's: a thread pool of one, a whole answer at a time.

    python -m bench.chats.peers.naive_server PORT MODEL N_CTX N_THREADS

The loop stays free, so its health is good; but callers wait for each other's whole answers, and none is streamed.
"""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn
from fastapi import FastAPI
from llama_cpp import Llama


def app(llama: Llama) -> FastAPI:
    door, pool = FastAPI(), ThreadPoolExecutor(max_workers=1)

    def answer(body: dict[str, Any]) -> Any:  # both are llama-cpp-python's own shapes, passed through unread
        return llama.create_chat_completion(
            body["messages"], max_tokens=body["max_tokens"], temperature=body["temperature"]
        )

    @door.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @door.post("/v1/chat/completions")
    async def completions(body: dict[str, Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, answer, body)

    return door


def main() -> None:
    port, model, n_ctx, n_threads = sys.argv[1:]
    llama = Llama(model, n_ctx=int(n_ctx), n_threads=int(n_threads), n_threads_batch=int(n_threads), verbose=False)
    uvicorn.run(app(llama), host="127.0.0.1", port=int(port), access_log=False)


if __name__ == "__main__":
    main()
