"""Make a tiny model with random weights that llama.cpp's servers load: half a megabyte, made on the spot.

    python bench/tiny_gguf.py PATH        # a Python that has the packages gguf and numpy

Its tokens are single bytes. It says what can be printed, and nothing that makes sense.
"""
# mypy: ignore-errors

import sys

import gguf
import numpy as np

WIDTH, INNER, LAYERS, HEADS, CONTEXT = 64, 128, 2, 4, 8192
SPECIAL = ["<unk>", "<s>", "</s>"]
END = 2

# A backslash would begin escapes in JSON, half of which stand for no character.
SAID = [len(SPECIAL) + byte for byte in b"\n" + bytes(range(32, 127)) if byte != ord("\\")]


def write(path: str) -> None:
    chance = np.random.default_rng(0)
    tokens = SPECIAL + [f"<0x{byte:02X}>" for byte in range(256)]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds + [gguf.TokenType.BYTE] * 256)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(END)
    writer.add_unk_token_id(0)
    writer.add_add_space_prefix(False)

    def weights(name: str, *shape: int, deviation: float = 0.2, channel: np.ndarray | float | None = None) -> None:
        values = (chance.standard_normal(shape) * deviation).astype(np.float32)
        if channel is not None:
            values[:, 0] = channel
        writer.add_tensor(f"{name}.weight", values)

    def into_residual(name: str, inner: int) -> None:
        values = (chance.standard_normal((WIDTH, inner)) * 0.2).astype(np.float32)
        values[0] = 0
        writer.add_tensor(f"{name}.weight", values)

    def scale(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))

    # The first channel is the same for every token, and no layer reads or writes it: it serves the output as a bias.
    bias = np.full(len(tokens), -4.0)
    bias[SAID] = 0.0
    bias[END] = 0.2
    weights("token_embd", len(tokens), WIDTH, deviation=1.0, channel=8.0)
    scale("output_norm")
    weights("output", len(tokens), WIDTH, channel=bias)
    for layer in range(LAYERS):
        scale(f"blk.{layer}.attn_norm")
        scale(f"blk.{layer}.ffn_norm")
        for part in ("attn_q", "attn_k", "attn_v"):
            weights(f"blk.{layer}.{part}", WIDTH, WIDTH, channel=0.0)
        into_residual(f"blk.{layer}.attn_output", WIDTH)
        weights(f"blk.{layer}.ffn_gate", INNER, WIDTH, channel=0.0)
        weights(f"blk.{layer}.ffn_up", INNER, WIDTH, channel=0.0)
        into_residual(f"blk.{layer}.ffn_down", INNER)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(sys.argv[1])
