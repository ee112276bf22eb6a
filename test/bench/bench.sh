#!/usr/bin/env bash
#
# Benchmarks: each prints a Markdown table whose rows are ratios measured in one run, the two sides in turn.
#
#   make bench [BENCH="PART ..."]       sgemm, train, score, load and job when none is named
#
#   sgemm    the engine's training ÷ bare matrix products of the same shapes
#   train    ctr_train's epochs ÷ PyTorch's steps on tensors in memory
#   score    ctr_predict and ctr_predict_batch ÷ PyTorch and PL/Python; warm and first call
#   onnx     ctr_predict_batch of raw rows ÷ onnxruntime on rows that are encoded already
#   load     reading rows: the scan and ctr_train's transition function
#   job      raw table to model ÷ COPY out, pandas, scikit-learn, PyTorch
#   growth   time and memory by rows and by categories
#   memory   peak memory of a training whose rows spill
#   builds   this build ÷ another checkout's (BASE=path), in turn
#   instructions  the same by counted instructions (valgrind), for a machine too busy for 2 % in seconds: instructions.py
#   serve    prepared queries of 1, 20 and 100 clients, first calls, memory of 100 backends, whole tables; BASE=path: beside
#            another checkout's build, in turn: serve.py
#   explain  CPU time of ctr_explain, and importance's share of a training; BASE=path: beside another checkout's build, in turn: explain.py
#   cancel   CPU time from a cancel to its effect, in trainings of large models: cancel.pl
#   distributed  a round of ctr_train_distributed beyond its training, on three servers: distributed.sh
#   small    held-out probabilities of small tables and rare clicks: small.sh
#   quality  held-out AUC on your own Criteo rows (CRITEO=path): quality.sh; recipes: the study of docs/recipes.md
#   shards   held-out AUC of trainings on parts of a table, on your own Criteo rows (CRITEO=path): shards.py
#   tables   held-out quality on your own tables (TABLES=folder), Criteo's (CRITEO=path) and the demo's planted rows
#            (PLANTED=400000), beside LightGBM, XGBoost and CatBoost: tables.py says what the folder holds
#
# Settings, as environment variables: ROWS (1000000) and SAMPLES (5) of the table that the parts share; THREADS (all
# cores); NETS (of train and sgemm); JOB_STEPS (20: steps that the peer of `job` runs of each epoch, the rest being
# extrapolated; 0: all of them); GROWTH_ROWS and GROWTH_SHARES (lists). Of tables: SEEDS ("1 2 3"), MODELS (all; MODELS="deepcross lightgbm":
# only these), OPTIONS (SQL like "ctr_fit(epochs => 10)": options of ours besides the defaults).
#
# Of serve: CLIENTS ("1 20 100"), DURATION (3: seconds of each measurement), BACKENDS (100), TRAINED_ROWS (650000),
# MODELS (all; a regular expression: MODELS="DCN-matrix|FiBiNET"). OURS and THEIRS: settings of this build's server and of the other's, like
# OURS="shared_preload_libraries=ctr".
#
# Peers. PyTorch, pandas, scikit-learn, onnxruntime: pip install torch pandas scikit-learn onnxruntime, for the python3 in
# PATH (or PYTHON=). The networks are those of python/ctr_torch.py. PL/Python: apt install postgresql-plpython3-15, and TORCH_PATH=, a
# directory with torch (pip install --target) that the server's user can read. A peer that is absent is named as absent.
# Boosted trees: pip install lightgbm xgboost catboost pandas; boosted_trees.py says how they are set.
# `train` has PyTorch twice: as it comes, and tuned (fused Adam; a C library that keeps memory).
#
# OPENBLAS_* in the environment is dropped for both sides, so that each chooses its kernels itself.

set -euo pipefail
cd "$(dirname "$0")/../.."

for name in $(compgen -e OPENBLAS_); do unset "$name"; done
parts=${*:-sgemm train score load job}
export PYTHON=${PYTHON:-python3} THREADS=${THREADS:-$(nproc)} SAMPLES=${SAMPLES:-5} ROWS=${ROWS:-1000000}

sgemm() {
    echo "| network | training, rows/s | bare sgemm, rows/s | quotient |"
    echo "|---|---|---|---|"
    for net in ${NETS:-matrix field_all field_each field_interaction}; do
        test/bench/build/engine "$net" rows="$ROWS" samples="$SAMPLES" threads="$THREADS"
    done
}

# Runs a script with a server of this checkout's build and, where BASE is given, one of BASE's; they live as long as it does.
# Settings for both, or as OURS and THEIRS say.
with_servers() {
    local ours other='' script=$1
    shift
    ours=$(mktemp -d /tmp/ctr-bench.XXXXXX)
    [ -z "${BASE:-}" ] || other=$(mktemp -d /tmp/ctr-bench.XXXXXX)
    # shellcheck disable=SC2064 # the directories of now
    trap "test/server stop '$ours'; [ -z '$other' ] || test/server stop '$other'" EXIT
    # shellcheck disable=SC2086 # a list of settings
    test/server start "$ours" fsync=off "$@" ${OURS-}
    if [ -n "$other" ]; then
        make -s -C "$BASE" >&2
        # shellcheck disable=SC2086
        "$BASE/test/server" start "$other" fsync=off "$@" ${THEIRS-}
        export OTHER_SERVER
        OTHER_SERVER=$(test/server env "$other")
    fi
    PATH="$("${PG_CONFIG:-pg_config}" --bindir):$PATH" OUR_SERVER=$(test/server env "$ours") "$PYTHON" "$script"
}

make -s -C test/bench >&2
for part in $parts; do
    printf '\n### %s (%s cores, load %s)\n\n' "$part" "$(nproc)" "$(cut -d' ' -f1-3 /proc/loadavg)"
    case $part in
    sgemm) sgemm ;;
    train | score | onnx | load | job | growth) test/server run "$PYTHON" test/bench/bench.py "$part" ;;
    builds) : "${BASE:?BENCH=builds needs BASE=path, another checkout}" && with_servers test/bench/builds.py ;;
    instructions)
        : "${BASE:?BENCH=instructions needs BASE=path, another checkout}" && with_servers test/bench/instructions.py
        ;;
    explain) with_servers test/bench/explain.py ;;
    serve) with_servers test/bench/serve.py "max_connections=$((${BACKENDS:-100} + 50))" ;;
    memory) test/server run test/bench/memory.sh ;;
    cancel) test/server run perl -I test/t test/bench/cancel.pl ;;
    small) test/bench/small.sh ;;
    distributed) test/bench/distributed.sh ;;
    tables)
        : "${TABLES:-${CRITEO:-${PLANTED:?BENCH=tables needs TABLES=folder, CRITEO=path or PLANTED=rows}}}"
        test/server run "$PYTHON" test/bench/tables.py "${TABLES:-}"
        ;;
    shards) test/server run "$PYTHON" test/bench/shards.py "${CRITEO:?BENCH=shards needs CRITEO=path}" ;;
    quality | recipes) test/bench/quality.sh "$part" "${CRITEO:?BENCH=$part needs CRITEO=path}" ;;
    *)
        sed -n '3,/^# Settings/{ /^# Settings/d; s/^# \{0,1\}//p; }' "$0" >&2
        exit 2
        ;;
    esac
done
