#!/usr/bin/env bash
#
# Probabilities of small tables and rare clicks: planted tables (planted.sql), default options, 10,000 rows for testing.
#
#   make bench BENCH=small
#
# Settings, as environment variables: SEEDS ("1 2 3"), SIZES (rows to train on), SHARES (of label 1), KINDS (of table),
# NETWORKS (deepcross, fibinet). FiBiNET takes long on many rows of many columns: it leaves out tables "wide" beyond
# WIDE_ROWS (5000).
#
# Prints a Markdown table with a row for each network, size and share: over kinds and seeds, the mean and the worst
# normalized entropy (log loss ÷ entropy of the label; 1 is what the mean label alone gives), the least and the largest
# calibration (mean prediction ÷ mean label), the mean AUC; then each cell outside of the bounds: normalized entropy below
# 1, calibration from 0.8 to 1.25.

set -euo pipefail
cd "$(dirname "$0")/../.."

if [ -z "${CTR_BENCH_INSIDE:-}" ]; then
    CTR_BENCH_INSIDE=1 exec test/server run bash "$0"
fi

# as the value of an array
list() { echo "{${*// /,}}"; }

for seed in ${SEEDS:-1 2 3}; do
    database=planted_$seed
    psql -Xq -d postgres -c "CREATE DATABASE $database"
    psql -Xq -d "$database" -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION ctr' >&2
    PGOPTIONS='-c client_min_messages=warning' psql -XqAt -d "$database" -v ON_ERROR_STOP=1 -v seed="$seed" -v rows=50000 \
        -f test/bench/planted.sql >&2
    PGOPTIONS='-c client_min_messages=error' psql -XqAt -d "$database" -v ON_ERROR_STOP=1 -c "
        COPY (SELECT network, n, share, kind, $seed, p.normalized_entropy, p.calibration, p.auc
              FROM unnest('$(list "${NETWORKS:-deepcross fibinet}")'::text[]) network,
                   unnest('$(list "${SIZES:-1000 2000 5000 10000 20000 50000}")'::int[]) n,
                   unnest('$(list "${SHARES:-0.02 0.1 0.5}")'::float8[]) share,
                   unnest('$(list "${KINDS:-few many smooth mixed wide}")'::text[]) kind,
                   planted(kind, n, share, jsonb_build_object('architecture', network)) p
              WHERE network = 'deepcross' OR kind <> 'wide' OR n <= ${WIDE_ROWS:-5000}) TO STDOUT"
done | psql -XqAt -d postgres -v ON_ERROR_STOP=1 -c "
    CREATE TABLE cells (network text, n int, share float8, kind text, seed int, entropy float8, calibration float8, auc float8)" \
    -c 'COPY cells FROM STDIN' -c "
    SELECT '| network | rows | clicks | normalized entropy: mean, worst | calibration | AUC | within bounds |' UNION ALL SELECT '|---|---|---|---|---|---|---|'" -c "
    SELECT format('| %s | %s | %s %% | %s, %s | %s … %s | %s | %s of %s |', network, n, share * 100, round(avg(entropy)::numeric, 3),
        round(max(entropy)::numeric, 3), round(min(calibration)::numeric, 2), round(max(calibration)::numeric, 2), round(avg(auc)::numeric, 3),
        count(*) FILTER (WHERE entropy < 1 AND calibration BETWEEN 0.8 AND 1.25), count(*))
    FROM cells GROUP BY network, n, share ORDER BY network, n, share" -c "
    SELECT format(E'\n%s, %s rows, %s %% clicks, table \"%s\" of seed %s: normalized entropy %s, calibration %s, AUC %s', network, n, share * 100,
        kind, seed, round(entropy::numeric, 3), round(calibration::numeric, 2), round(auc::numeric, 3))
    FROM cells WHERE NOT (entropy < 1 AND calibration BETWEEN 0.8 AND 1.25) ORDER BY network, n, share, kind, seed"
