#!/usr/bin/env bash
# Train in several processes of this machine, one a GPU, or on CPUs where there is no GPU.
# usage: tools/dist_train.sh CONFIG GPUS [ARGS of tools/train.py ...]
#
# On several machines run it on each, with NNODES, NODE_RANK (from 0), MASTER_ADDR and, if 29500 is taken, MASTER_PORT.
# PYTHON names the interpreter. SIGTERM, SIGUSR1, SIGHUP and Ctrl-C write a checkpoint and end with status 75.
set -uo pipefail
[ $# -ge 2 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
CONFIG=$1 GPUS=$2
shift 2
if [ "${NNODES:-1}" -gt 1 ]; then
    MEETING=(--nnodes="$NNODES" --node-rank="${NODE_RANK:?}" --master-addr="${MASTER_ADDR:?}"
        --master-port="${MASTER_PORT:-29500}")
else
    MEETING=(--standalone --local-addr=127.0.0.1)  # a free port of torchrun's choice
fi
CORES=$(nproc)
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((CORES > GPUS ? CORES / GPUS : 1))}
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=${TORCH_ELASTIC_SHUTDOWN_TIMEOUT:-300}  # seconds for the step and the checkpoint

# torchrun passes SIGTERM on to all ranks, but reports every end of theirs as 1
STOPPED=
set -m  # torchrun in a group of its own: Ctrl-C reaches this script alone
"${PYTHON:-python}" -m torch.distributed.run "${MEETING[@]}" --nproc-per-node="$GPUS" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "$@" &
TORCHRUN=$!
trap 'STOPPED=1; kill -TERM "$TORCHRUN" 2>/dev/null' TERM INT HUP USR1
wait "$TORCHRUN"
STATUS=$?
while kill -0 "$TORCHRUN" 2>/dev/null; do  # a trapped signal ends `wait` early
    wait "$TORCHRUN"
    STATUS=$?
done
if [ -n "$STOPPED" ] && [ "$STATUS" -ne 0 ]; then
    echo "stopped by a signal; go on with --resume (exit status 75)" >&2
    exit 75
fi
exit "$STATUS"
