"""Serve a GGUF model with llama.cpp's own server; print its address, and end when standard input closes.

python bench/llama_server.py PATH     # a Python that has the package xllamacpp
"""
# mypy: ignore-errors

import sys

import xllamacpp


def main(path: str) -> None:
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.model_alias = {"tiny"}
    params.port = 0
    params.n_parallel = 4
    params.n_ctx = 4 * 8192
    params.cpuparams.n_threads = 1
    params.warmup = False
    server = xllamacpp.Server(params)
    print(f"{server.listening_address}/v1", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
