#!/usr/bin/env bash
# Train under Slurm, as a job that goes on by itself after its time limit, a preemption or a signal.
# usage: tools/slurm_train.sh PARTITION JOB CONFIG WORK_DIR [ARGS of tools/train.py ...]
#
# From the environment:
#   GPUS=1           processes, one a GPU; GPUS=0 TASKS=N for N processes on CPUs
#   GPUS_PER_NODE    default: all GPUS, at most 8
#   CPUS_PER_TASK=4  cores a process
#   SBATCH_ARGS      more words for sbatch, e.g. "--time=8:00:00 --account=art"
#   SRUN_ARGS        more words for srun
#   MAX_REQUEUES=100 after so many the job ends with status 75
#   PYTHON=python    the interpreter
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=USR1@90
set -uo pipefail
[ $# -ge 4 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
PARTITION=$1 JOB=$2 CONFIG=$3 WORK_DIR=$4
shift 4
ARGS=("$@")
export CPUS_PER_TASK=${CPUS_PER_TASK:-4}

submit() {
    GPUS=${GPUS:-1}
    if [ "$GPUS" -gt 0 ]; then
        GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}
        local tasks=(--ntasks="$GPUS" --ntasks-per-node="$GPUS_PER_NODE" --gres="gpu:$GPUS_PER_NODE")
    else
        local tasks=(--ntasks="${TASKS:-1}")
    fi
    mkdir -p "$WORK_DIR" || exit 1
    SSMR_ROOT=$(cd "$(dirname "$0")/.." && pwd)
    export SSMR_ROOT
    # shellcheck disable=SC2086  # words
    exec sbatch --partition="$PARTITION" --job-name="$JOB" --cpus-per-task="$CPUS_PER_TASK" "${tasks[@]}" \
        --output="$WORK_DIR/slurm-%j.out" ${SBATCH_ARGS:-} \
        "$0" "$PARTITION" "$JOB" "$CONFIG" "$WORK_DIR" ${ARGS[@]+"${ARGS[@]}"}
}

# One of the runs of tools/slurm_array.sh: config and seed by the number of the task.
choose() {
    local configs seeds args=() arg
    mapfile -t configs <<<"$SSMR_ARRAY_CONFIGS"
    read -ra seeds <<<"${SSMR_ARRAY_SEEDS:-}"
    local each=$((${#seeds[@]} > 0 ? ${#seeds[@]} : 1))
    CONFIG=${configs[SLURM_ARRAY_TASK_ID / each]}
    WORK_DIR=$WORK_DIR/$(basename "$CONFIG" .py)
    [ ${#seeds[@]} -gt 0 ] || return 0
    local seed=${seeds[SLURM_ARRAY_TASK_ID % each]} given=
    for arg in ${ARGS[@]+"${ARGS[@]}"}; do  # a second --cfg-options would make the first forgotten
        args+=("$arg")
        [ "$arg" != --cfg-options ] || args+=("randomness.seed=$seed")
        [ "$arg" != --cfg-options ] || given=1
    done
    [ -n "$given" ] || args+=(--cfg-options "randomness.seed=$seed")
    ARGS=("${args[@]}") WORK_DIR=$WORK_DIR/seed_$seed
}

[ "$(basename "$0")" = slurm_script ] || submit  # sbatch runs a copy of that name

[ -z "${SSMR_ARRAY_CONFIGS:-}" ] || choose
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}
trap : USR1  # meant for the tasks
# shellcheck disable=SC2086
srun --kill-on-bad-exit=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" ${SRUN_ARGS:-} "${PYTHON:-python}" \
    "${SSMR_ROOT:-$SLURM_SUBMIT_DIR}/tools/train.py" "$CONFIG" --work-dir "$WORK_DIR" --launcher slurm --resume \
    ${ARGS[@]+"${ARGS[@]}"}
STATUS=$?
case $STATUS in
75) ;;
138) STATUS=75 ;;  # SIGUSR1 before Python was there to handle it
*) exit "$STATUS" ;;
esac
if [ "${SLURM_RESTART_COUNT:-0}" -ge "${MAX_REQUEUES:-100}" ]; then
    echo "stopped, and not requeued again after ${SLURM_RESTART_COUNT} times (MAX_REQUEUES)" >&2
elif ! command -v scontrol >/dev/null; then
    echo "stopped, and not requeued: no scontrol on $(hostname); submit the same command again, it goes on" >&2
else
    echo "stopped by a signal; requeueing job $SLURM_JOB_ID, which will go on" >&2
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$STATUS"
