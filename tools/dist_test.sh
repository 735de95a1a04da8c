#!/usr/bin/env bash
# Evaluate a checkpoint in several processes of this machine, one a GPU, or on CPUs where there is no GPU.
# usage: tools/dist_test.sh CONFIG CHECKPOINT GPUS [ARGS of tools/test.py ...]
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
CONFIG=$1 CHECKPOINT=$2 GPUS=$3
shift 3
CORES=$(nproc)
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((CORES > GPUS ? CORES / GPUS : 1))}
exec "${PYTHON:-python}" -m torch.distributed.run --standalone --local-addr=127.0.0.1 --nproc-per-node="$GPUS" \
    "$(dirname "$0")/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "$@"
