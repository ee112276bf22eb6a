#!/usr/bin/env bash
#
# Peak memory of a backend that trains one epoch on a million demo rows with maintenance_work_mem = 64MB, beside the
# bound that it must keep: 64 MB + 5 x the model + 200 MB. Started by bench.sh, on a server of its own.

set -euo pipefail
cd "$(dirname "$0")/../.."

psql -XAtq -v ON_ERROR_STOP=1 -v rows="${ROWS:-1000000}" -f test/demo/generate.sql
psql -XAtq -v ON_ERROR_STOP=1 <<'END'
SET client_min_messages = warning;
CREATE EXTENSION ctr;
SET maintenance_work_mem = '64MB';
SELECT pg_backend_pid() AS backend \gset
\setenv BACKEND :backend
SELECT length(ctr_train(c, ctr_fit(ignore => '{id}', epochs => 1))::bytea) AS model, count(*) AS rows FROM criteo c \gset
\setenv MODEL :model
\setenv ROWS :rows
\! awk -v model="$MODEL" -v rows="$ROWS" '/VmHWM/ { peak = $2 / 1024 } /RssShmem/ { shared = $2 / 1024 } END { m = model / 2 ^ 20; printf "| rows | model, MB | peak resident memory, MB | of which shared buffers, MB | bound, MB |\n|---|---|---|---|---|\n| %d | %.1f | %.0f | %.0f | %.0f |\n", rows, m, peak, shared, 64 + 5 * m + 200 }' /proc/$BACKEND/status
END
