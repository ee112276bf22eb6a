#!/usr/bin/env bash
#
# What a round of ctr_train_distributed costs beyond its training: WORKERS (3) servers on this machine, a model of some
# 20 MB, parts of a hundred rows.
#
#   make bench BENCH=distributed [ENGINE=citus]
#
# Prints a Markdown table: seconds of a round and, of that, the CPU time of the coordinator's backend and of a worker; the
# bytes of a model and those sent; how much memory the coordinator's backend, without shared buffers, has needed at most
# beyond what it had when it had loaded the extension.

set -euo pipefail
cd "$(dirname "$0")/../.."

workers=${WORKERS:-3} engine=${ENGINE:-fdw} rounds=5
scratch=$(mktemp -d /tmp/ctr-bench.XXXXXX)
stop() { for dir in "$scratch"/s*; do test/server stop "$dir"; done; rm -rf "$scratch"; }
trap stop EXIT
chmod 755 "$scratch"
here() { "$scratch/s0/psql" -XqAt -v ON_ERROR_STOP=1 "$@"; }

preload=
[ "$engine" = fdw ] || preload=shared_preload_libraries=citus
for n in $(seq 0 "$workers"); do
    test/server start "$scratch/s$n" fsync=off max_wal_size=4GB $preload
    "$scratch/s$n/psql" -Xq -c "CREATE EXTENSION $([ "$engine" = fdw ] && echo postgres_fdw || echo citus)"
done
columns="id int, label int, a text, b text, x int"
rows="SELECT i AS id, (hashint4(i) % 5 = 0)::int AS label, 'category ' || i AS a, 'c' || i AS b, i % 100 AS x FROM generate_series(1, 120000) i"

setup_fdw() {
    here -c "CREATE EXTENSION ctr; CREATE TABLE shows ($columns) PARTITION BY LIST ((id % $workers))"
    for n in $(seq "$workers"); do
        "$scratch/s$n/psql" -Xq -c "CREATE TABLE far AS $rows WHERE i % $workers = $n - 1"
        here -c "CREATE SERVER w$n FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$scratch/s$n', port '5432', dbname 'postgres');
                 CREATE USER MAPPING FOR CURRENT_USER SERVER w$n OPTIONS (user 'postgres');
                 CREATE FOREIGN TABLE shows_$n PARTITION OF shows FOR VALUES IN ($n - 1) SERVER w$n OPTIONS (table_name 'far')"
        here -c "SELECT statements FROM ctr_fdw_setup('shows') WHERE server = 'w$n'" | "$scratch/s$n/psql" -Xq
    done
    here -c "SELECT statements FROM ctr_fdw_setup('shows') WHERE server IS NULL" | here
}

setup_citus() {
    here -c "SELECT citus_set_coordinator_host('$scratch/s0', 5432)" >/dev/null
    for n in $(seq "$workers"); do
        here -c "SELECT citus_add_node('$scratch/s$n', 5432)" >/dev/null
    done
    here -c "CREATE EXTENSION ctr" -c "CREATE TABLE shows ($columns)" -c "SET citus.shard_count = $workers" \
        -c "SELECT create_distributed_table('shows', 'id')" -c "INSERT INTO shows $rows" >/dev/null
}

"setup_$engine"
here -c "CREATE TABLE run OF ctr_round"

# the start knows all categories; then next to nothing is left to train on
call="CALL ctr_train_distributed('shows', ctr_fit(ignore => '{id}', crosses => 'none', min_count => 1), checkpoint => 'run', rounds =>"
here -c 'SET client_min_messages = warning' -c "$call 1)" >/dev/null
here -c "DELETE FROM run WHERE round > 0"
if [ "$engine" = fdw ]; then
    for n in $(seq "$workers"); do
        "$scratch/s$n/psql" -Xq -c "DELETE FROM far WHERE id > 100 * $workers" -c 'VACUUM FULL far'
    done
else
    here -c "DELETE FROM shows WHERE id > 100 * $workers" -c 'VACUUM FULL shows'
fi

# measure PID: the CPU seconds and the largest memory, in MB, of the coordinator's backend; the CPU seconds of a worker, of
# sessions that have ended, too. measure PID fresh: what is subtracted later
cat >"$scratch/measure" <<'END'
cd "$(dirname "$0")"
ticks=$(getconf CLK_TCK)
peak() { awk '/VmHWM/ { peak = $2 } /RssShmem/ { shared = $2 } END { print int((peak - shared) / 1024) }' "/proc/$1/status"; }
worker() {
    read -r postmaster <s1/data/postmaster.pid
    { awk '{ print $16 + $17 }' "/proc/$postmaster/stat"; sed 's/^.*) //' /proc/[0-9]*/stat 2>/dev/null |
        awk -v postmaster="$postmaster" '$2 == postmaster { print $12 + $13 }'; } | awk -v ticks="$ticks" '{ sum += $1 } END { print sum / ticks }'
}
if [ $# = 2 ]; then
    peak "$1" >fresh
    worker >fresh_there
    exit
fi
awk -v ticks="$ticks" '{ print ($14 + $15) / ticks }' "/proc/$1/stat" >here
echo $(($(peak "$1") - $(<fresh))) >memory
echo "$(worker) $(<fresh_there)" | awk '{ print $1 - $2 }' >there
END
here <<END
SET client_min_messages = warning;
SELECT pg_backend_pid() AS pid \\gset
\\setenv backend :pid
SELECT ctr_fit() \\g /dev/null
\\! bash $scratch/measure \$backend fresh
$call $rounds);
\\! bash $scratch/measure \$backend
END
echo "| workers | model, MB | round, s | coordinator, CPU s | worker, CPU s | sent, MB | coordinator's memory, MB |"
echo "|---|---|---|---|---|---|---|"
here -F ' | ' -c "SELECT '| $workers', max(octet_length(model::bytea)) / 1000000, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds)::numeric, 2),
    round($(<"$scratch/here") / $rounds, 2), round($(<"$scratch/there") / $rounds, 2), max(bytes) / 1000000, '$(<"$scratch/memory") |' FROM run WHERE round > 0"
