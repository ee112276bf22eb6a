#!/usr/bin/env bash
#
# Held-out quality on a user's own Criteo rows: first 80 % train (20 % of them for validation), last 20 % test.
#
#   make bench BENCH=quality CRITEO=path [SEEDS="1 2 3"] [REFERENCE="--deepcross FILE.md --fibinet FILE.md"]
#
# Prints a Markdown table, a row for each network and recipe: test AUC and logloss, mean and spread over seeds. With
# torch, pandas and scikit-learn at hand (PYTHON=…), the reference code's rows follow (test/bench/reference.py, which
# takes hours for FiBiNET: MODELS=deepcross leaves it out).

set -euo pipefail
cd "$(dirname "$0")/../.."

criteo=${1:?usage: quality.sh CRITEO-file}
seeds=${SEEDS:-1 2 3}
python=${PYTHON:-python3}

networks=(
    "DCN-matrix, reference|ctr_deepcross() || ctr_fit(recipe => 'reference')"
    "DCN-matrix, robust|ctr_deepcross() || ctr_fit()"
    "FiBiNET field_each, reference|ctr_fibinet(bilinear_type => 'field_each') || ctr_fit(recipe => 'reference')"
    "FiBiNET field_each, robust|ctr_fibinet(bilinear_type => 'field_each') || ctr_fit()"
)

query() {
    psql -XAtq -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' "$@"
}

load() {
    query -c 'CREATE EXTENSION ctr' -f test/demo/load.sql
    case $criteo in
    *.gz) gzip -dc "$criteo" ;;
    *) cat "$criteo" ;;
    esac | query -c "COPY criteo (label, $(printf 'i%d, ' {1..13})$(printf 'c%d, ' {14..38})c39) FROM STDIN (NULL '')"
    query -c 'CREATE TABLE train AS SELECT * FROM criteo WHERE id <= (SELECT max(id) * 8 / 10 FROM criteo) ORDER BY id' \
        -c 'CREATE TABLE test AS SELECT * FROM criteo WHERE id > (SELECT max(id) * 8 / 10 FROM criteo) ORDER BY id' \
        -c 'CREATE TABLE results (network text, seed int, auc float8, loss float8, epochs int, seconds float8)'
}

measure() {
    local name=$1 options=$2 seed
    for seed in $seeds; do
        query -c "WITH m AS MATERIALIZED (SELECT ctr_train(c, $options || ctr_fit(seed => $seed, ignore => '{id}')) AS model FROM train c)
            INSERT INTO results SELECT '$name', $seed, e.auc, e.loss, h.epochs, h.seconds
            FROM m, LATERAL (SELECT (ctr_evaluate(model, t)).* FROM test t) e,
                 LATERAL (SELECT count(*) AS epochs, sum(seconds) AS seconds FROM ctr_history(model)) h"
    done
    query -c "SELECT format('| %s | %s ± %s | %s ± %s | %s | %s |', network, round(avg(auc)::numeric, 4), round(coalesce(stddev(auc), 0)::numeric, 4),
        round(avg(loss)::numeric, 4), round(coalesce(stddev(loss), 0)::numeric, 4), round(avg(epochs), 1), round(avg(seconds)::numeric, 1))
        FROM results WHERE network = '$name' GROUP BY network"
}

if [ -z "${PGHOST:-}" ] || [ -z "${CTR_BENCH_INSIDE:-}" ]; then
    CTR_BENCH_INSIDE=1 exec test/server run bash "$0" "$criteo"
fi
load
echo "| network, recipe | test AUC | test logloss | epochs | seconds |"
echo "|---|---|---|---|---|"
for network in "${networks[@]}"; do
    case $network in
    FiBiNET*) [[ ${MODELS:-fibinet} == *fibinet* ]] || continue ;;
    esac
    measure "${network%%|*}" "${network#*|}"
done
if "$python" -c 'import torch, pandas, sklearn' 2>/dev/null; then
    # shellcheck disable=SC2086
    "$python" test/bench/reference.py "$criteo" --seeds $seeds ${REFERENCE:-}
else
    echo "The reference code was left out: $python lacks torch, pandas or scikit-learn."
fi
