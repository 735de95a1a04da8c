#!/usr/bin/env bash
# Train many runs under Slurm, as one array job: every CONFIG with every seed.
# usage: [SEEDS="0 1 2"] tools/slurm_array.sh PARTITION JOB WORK_DIR CONFIG... [-- ARGS of tools/train.py ...]
#
# A run writes to WORK_DIR/<name of the config>/seed_<seed>; without SEEDS each config keeps its own seed and writes to
# WORK_DIR/<name of the config>. MAX_PARALLEL limits how many run at once; the other variables are those of
# tools/slurm_train.sh, for each run. A run that is stopped is requeued and goes on, independently of the others.
set -euo pipefail
[ $# -ge 4 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
PARTITION=$1 JOB=$2 WORK_DIR=$3
shift 3
CONFIGS=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    CONFIGS+=("$1")
    shift
done
[ "${1:-}" != -- ] || shift
NAMES=$(for config in "${CONFIGS[@]}"; do basename "$config" .py; done | sort | uniq -d)
[ -z "$NAMES" ] || { echo "error: several configs are named $NAMES and would share a work folder" >&2; exit 2; }
read -ra SEED_LIST <<<"${SEEDS:-}"
COUNT=$((${#CONFIGS[@]} * (${#SEED_LIST[@]} > 0 ? ${#SEED_LIST[@]} : 1)))
SSMR_ARRAY_CONFIGS=$(printf '%s\n' "${CONFIGS[@]}")
export SSMR_ARRAY_CONFIGS SSMR_ARRAY_SEEDS="${SEEDS:-}"
export SBATCH_ARGS="--array=0-$((COUNT - 1))${MAX_PARALLEL:+%$MAX_PARALLEL} --output=$WORK_DIR/slurm-%A_%a.out ${SBATCH_ARGS:-}"
exec "$(dirname "$0")/slurm_train.sh" "$PARTITION" "$JOB" "${CONFIGS[0]}" "$WORK_DIR" "$@"
