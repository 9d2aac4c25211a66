#!/usr/bin/env bash
# The whole chain as a shell script: prompts in, preferences out.
#
#   examples/chain.sh                              # eight prompts, simulated models, no key and no network
#   examples/chain.sh my-prompts.jsonl out/        # your own prompts
#   MODELS="llama@http://localhost:8000/v1 qwen@http://localhost:8001/v1" JUDGE=gpt-4o examples/chain.sh my.jsonl out/
#
# Run it again, with more prompts or another threshold, and only what is new is asked.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
prompts=${1:-$here/prompts.jsonl}
out=${2:-out}
judge=${JUDGE:-sim:biased-judge}
read -ra models <<<"${MODELS:-sim:strong sim:good sim:fair sim:weak}"

# Four candidates for each prompt.
prefpipe generate "$prompts" -o "$out/responses.parquet" "${models[@]/#/--model=}" --seed 1

# Every pair in both orders, three times: position bias cancels, and is measured.
prefpipe judge "$out/responses.parquet" -o "$out/votes.parquet" --judge "$judge" --repeats 3 --seed 1

# One ranking a prompt, with errors and with how consistently it was judged.
prefpipe rank "$out/votes.parquet" -o "$out/rankings.parquet" --responses "$out/responses.parquet"

# Only what was ranked consistently.
prefpipe filter "$out/rankings.parquet" -o "$out/kept.parquet" --dropped "$out/dropped.parquet" --keep-top 0.5

# The best against the worst, as TRL reads it.
prefpipe export "$out/kept.parquet" --responses "$out/responses.parquet" -o "$out/preferences.parquet" --format dpo
