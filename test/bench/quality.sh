#!/usr/bin/env bash
#
# Held-out quality on a user's own Criteo rows: first 80 % train (20 % of them for validation), last 20 % test.
#
#   make bench BENCH=quality CRITEO=path     the default networks and recipes, and the reference code
#   make bench BENCH=recipes CRITEO=path     the study behind docs/recipes.md, and gradient-boosted trees
#
# Settings, as environment variables: SEEDS ("1 2 3"); NETWORKS (deepcross, fibinet or both, since FiBiNET takes
# long; with it come DeepFM and Wide & Deep); REFERENCE ("--deepcross FILE.md --fibinet FILE.md"), documents to take the reference's classes from.
#
# Prints a Markdown table with a row for each set-up: AUC and logloss of the test rows, mean and standard deviation over
# the seeds, AUC of the validation rows, which choices are made by, epochs and seconds. A peer that is absent is named.

set -euo pipefail
cd "$(dirname "$0")/../.."

study=${1:?usage: quality.sh quality|recipes CRITEO-file}
criteo=${2:?usage: quality.sh quality|recipes CRITEO-file}
seeds=${SEEDS:-1 2 3}
python=${PYTHON:-python3}
dcn="ctr_deepcross()"
fib="ctr_fibinet(bilinear_type => 'field_each')"

# shellcheck disable=SC2034 # by name, below
quality=(
    "DCN-matrix, reference|$dcn || ctr_fit(recipe => 'reference')"
    "DCN-matrix, robust|$dcn"
    "FiBiNET field_each, reference|$fib || ctr_fit(recipe => 'reference')"
    "FiBiNET field_each, robust|$fib"
    "DeepFM, robust|ctr_deepfm()"
    "Wide & Deep, robust|ctr_wide_deep()"
)
# The study is of what a schedule of few epochs does; the default's, and pairs of columns, came after it.
few="ctr_fit(lr_schedule => 'cosine', epochs => 5, crosses => 'none')"
study_dcn="$dcn || $few" study_fib="$fib || $few"
plain="ctr_fit(target_statistics => false, numerical_buckets => 0)"
# shellcheck disable=SC2034
recipes=(
    "DCN-matrix, five epochs|$study_dcn"
    "without target statistics|$study_dcn || ctr_fit(target_statistics => false)"
    "without buckets|$study_dcn || ctr_fit(numerical_buckets => 0)"
    "8 buckets|$study_dcn || ctr_fit(numerical_buckets => 8)"
    "32 buckets|$study_dcn || ctr_fit(numerical_buckets => 32)"
    "without both|$study_dcn || $plain"
    "… batch 2048|$study_dcn || $plain || ctr_fit(batch_size => 2048)"
    "… constant learning rate|$study_dcn || $plain || ctr_fit(lr_schedule => 'constant')"
    "… dropped on a plateau|$study_dcn || $plain || ctr_fit(lr_schedule => 'plateau', epochs => 20)"
    "… embedding decay 1e-5|$study_dcn || $plain || ctr_fit(embedding_decay => 1e-5)"
    "… embedding decay 0.03|$study_dcn || $plain || ctr_fit(embedding_decay => 0.03)"
    "… embeddings N(0, 1) at the start|$study_dcn || $plain || ctr_fit(embedding_init => 0)"
    "… every category kept|$study_dcn || $plain || ctr_fit(min_count => 1)"
    "… min_count 10|$study_dcn || $plain || ctr_fit(min_count => 10)"
    "… logarithms|$study_dcn || $plain || ctr_fit(numerical_transform => 'log')"
    "… clip_norm 1|$study_dcn || $plain || ctr_fit(clip_norm => 1)"
    "… weight_decay 1e-3|$study_dcn || $plain || ctr_fit(weight_decay => 1e-3)"
    "1 epoch|$study_dcn || ctr_fit(epochs => 1)"
    "3 epochs|$study_dcn || ctr_fit(epochs => 3)"
    "8 epochs|$study_dcn || ctr_fit(epochs => 8, patience => 3)"
    "watching val_auc|$study_dcn || ctr_fit(monitor => 'val_auc')"
    "DCN-vector|ctr_deepcross(cross_type => 'vector') || $few"
    "DCN-mix|ctr_deepcross(cross_type => 'mix') || $few"
    "DCN-matrix parallel|ctr_deepcross(stacked => false) || $few"
    "FiBiNET field_each|$study_fib"
    "FiBiNET, without target statistics|$study_fib || ctr_fit(target_statistics => false)"
    "FiBiNET, without both|$study_fib || $plain"
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
        -c 'CREATE TABLE results (setup text, auc float8, loss float8, val_auc float8, epochs int, seconds float8)'
}

measure() {
    local name=$1 options=$2 seed
    for seed in $seeds; do
        query -c "WITH m AS MATERIALIZED (
                SELECT ctr_train(c, $options || ctr_fit(seed => $seed, ignore => '{id}')) AS model FROM train c)
            INSERT INTO results SELECT '$name', e.auc, e.loss, h.val_auc, h.epochs, h.seconds
            FROM m, LATERAL (SELECT (ctr_evaluate(model, t)).* FROM test t) e,
                 LATERAL (SELECT max(val_auc) FILTER (WHERE is_best) AS val_auc, count(*) AS epochs, sum(seconds) AS seconds
                          FROM ctr_history(model)) h"
    done
    query -c "SELECT format('| %s | %s ± %s | %s ± %s | %s | %s | %s |', setup, round(avg(auc)::numeric, 4),
            round(coalesce(stddev(auc), 0)::numeric, 4), round(avg(loss)::numeric, 4),
            round(coalesce(stddev(loss), 0)::numeric, 4), round(avg(val_auc)::numeric, 4), round(avg(epochs), 1),
            round(avg(seconds)::numeric, 1))
        FROM results WHERE setup = '$name' GROUP BY setup"
}

peer() {
    local module=$1 script=$2
    shift 2
    if "$python" -c "import $module" 2>/dev/null; then
        "$python" "test/bench/$script" "$criteo" "$@"
    else
        echo "test/bench/$script was left out: $python lacks one of $module."
    fi
}

if [ -z "${CTR_BENCH_INSIDE:-}" ]; then
    CTR_BENCH_INSIDE=1 exec test/server run bash "$0" "$study" "$criteo"
fi
load
declare -n setups=$study
echo "| set-up | test AUC | test logloss | validation AUC | epochs | seconds |"
echo "|---|---|---|---|---|---|"
for setup in "${setups[@]}"; do
    case $setup in
    FiBiNET* | DeepFM* | Wide*) [[ ${NETWORKS:-deepcross fibinet} == *fibinet* ]] || continue ;;
    *) [[ ${NETWORKS:-deepcross fibinet} == *deepcross* ]] || continue ;;
    esac
    measure "${setup%%|*}" "${setup#*|}"
done
echo
if [ "$study" = quality ]; then
    # shellcheck disable=SC2086
    for network in ${NETWORKS:-deepcross fibinet}; do
        peer torch,pandas,sklearn reference.py --model "$network" --seeds "$(wc -w <<<"$seeds")" ${REFERENCE:-}
    done
else
    # shellcheck disable=SC2086
    peer xgboost,pandas,sklearn boosted_trees.py --seeds $seeds
fi
