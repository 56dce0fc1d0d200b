#!/usr/bin/env bash
# Train the confirmatory runs of the second study that neither data/ nor this folder has, seed by seed.
# usage: second_study.sh [SEED ...]   two of these with other seeds and JOBS=1 keep two cores busier than one
set -euo pipefail
cd "$(dirname "$0")/.."

collect() { # SUITE FIRST LAST
    [ -d "data/$1" ] && return # whole suites have moved there
    local seeds=()
    for seed in $(seq "$2" "$3"); do seeds+=(--seed "$seed"); done
    emergence-stats collect --suite "$1" "${seeds[@]}" --traces incoming ${JOBS:+--jobs "$JOBS"}
}

collect pocket_start 102 139
collect pocket_long_shuffled 102 105
for seed in ${@:-$(seq 102 111)}; do
    collect pocket_long "$seed" "$seed"
    collect pocket_long_constant "$seed" "$seed"
    if [ "$seed" -le 109 ]; then collect pocket_long_one_rate "$seed" "$seed"; fi
    if [ "$seed" -le 107 ]; then collect pocket_long_equal_steps "$seed" "$seed"; fi
    if [ "$seed" -le 104 ]; then
        collect pocket_long_slow "$seed" "$seed"
        collect pocket_long_fast "$seed" "$seed"
    fi
done
