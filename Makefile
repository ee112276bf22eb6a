# ctr: click-through-rate models inside PostgreSQL. `make help` lists the targets.

EXTENSION = ctr
MODULE_big = ctr
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" ctr.control)
EXTSCRIPT = sql/ctr--$(EXTVERSION).sql
DATA_built = $(EXTSCRIPT)
DATA = $(wildcard sql/ctr--*--*.sql)
GENERATED = src/io/onnx.pb-c.c src/io/onnx.pb-c.h
SOURCES = $(sort $(filter-out $(GENERATED),$(wildcard src/*.c src/*/*.c src/nn/*/*.c)))
OWN_HEADERS = $(filter-out $(GENERATED),$(wildcard src/*.h src/*/*.h src/nn/*/*.h))
OBJS = $(BUILT:.c=.o)
REGRESS = options immutable model alike compare record restorable types features train predict columns rights metrics evaluate errors fibinet baselines continue collisions cache threads untrainable folds order numbers weights crosses see cooldown explain blocks chunks load_weights drift vocabulary candidates merge rounds distributed
EXTRA_CLEAN = test/unit/build test/fuzz/build test/sanitize/build test/faults/build $(GENERATED) $(wildcard src/io/*.o)

# ctr_to_onnx needs protobuf-c 1.4, which packs a message without memory of its own: its library, and its compiler (protoc-c,
# or protoc where that has gone) while building.
# WITH_ONNX=no builds without, also where they are; "make clean" before another choice.
PKG_CONFIG ?= pkg-config
PROTOC_C ?= $(firstword $(shell command -v protoc-c) $(shell command -v protoc))
WITH_ONNX ?= $(if $(and $(PROTOC_C),$(shell $(PKG_CONFIG) --exists 'libprotobuf-c >= 1.4' 2>/dev/null && echo there)),yes,no)
ifeq ($(WITH_ONNX),yes)
BUILT = $(SOURCES) src/io/onnx.pb-c.c
ONNX_CPPFLAGS := -DCTR_WITH_ONNX $(shell $(PKG_CONFIG) --cflags libprotobuf-c)
ONNX_LIBS := $(shell $(PKG_CONFIG) --libs libprotobuf-c)
else
BUILT = $(filter-out src/io/onnx_%,$(SOURCES))
endif

# PGXS adds -Wdeclaration-after-statement, and -Wextra meets unused parameters in PostgreSQL's own headers.
PG_CPPFLAGS = -Isrc $(ONNX_CPPFLAGS)
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-declaration-after-statement $(OF_GCC) $(if $(WERROR),-Werror)
# What PGXS adds for the compiler that made the server, which on Linux is GCC, clang does not know.
OF_GCC = $(if $(findstring clang,$(CC)),-Wno-ignored-optimization-argument -Wno-unknown-warning-option -Wno-ignored-attributes)
# No BLAS here: it is loaded at run time. The version script keeps our names from meeting those of other extensions.
SHLIB_LINK = -ldl -lpthread -lm $(ONNX_LIBS) -Wl,--version-script=src/ctr.map

# Bitcode for the JIT compiler would need clang, and there is nothing to inline.
override with_llvm = no

# PGXS sets PYTHON for PL/Python, and would hand that to our tests instead of the caller's.
ifdef PYTHON
override PYTHON := $(PYTHON)
export PYTHON
endif

PG_CONFIG ?= pg_config
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
ifneq ($(PGXS),)
include $(PGXS)
else
all install installcheck tap bench clean: needs
endif

# Says in one line what the compiler would say in many: something that the build needs is missing.
.PHONY: needs
needs:
	@PG_CONFIG='$(PG_CONFIG)' CC='$(CC)' CPPFLAGS='$(CPPFLAGS)' test/setup --check build

# The install script of this version; from older ones the upgrade scripts in sql/ lead here.
$(EXTSCRIPT): sql/ctr.sql sql/ctr_distributed.sql sql/ctr_citus.sql ctr.control | needs
	cat $(filter %.sql,$^) > $@

$(OBJS): $(OWN_HEADERS) | needs
$(filter src/io/onnx%,$(OBJS)): src/io/onnx.pb-c.h
src/io/onnx.pb-c.h: src/io/onnx.pb-c.c ;
src/io/onnx.pb-c.c: src/io/onnx.proto
	$(PROTOC_C) --proto_path=src/io --c_out=src/io $<
$(shlib): src/ctr.map
$(filter src/nn/%,$(OBJS)): override CFLAGS += -std=gnu11 -O3 -fno-math-errno -fno-trapping-math -fopenmp-simd

CLANG_FORMAT ?= $(firstword $(shell command -v clang-format-14) clang-format)
FORMATTED = $(SOURCES) $(OWN_HEADERS) $(wildcard test/unit/*.[ch] test/fuzz/*.[ch] test/faults/*.[ch])

.PHONY: unit tap test fuzz faults sanitize-server valgrind-server bench demo demo-clean dist format format-check help

unit:
	$(MAKE) -k -C test/unit run
	$(MAKE) -k -C test/unit sanitize

tap: all
	test/server run prove -I test/t test/t/*.pl

# Long: make fuzz SECONDS=3600 FUZZ=load CORPUS=folder
fuzz: all
	@PG_CONFIG='$(PG_CONFIG)' FUZZ_SECONDS='$(or $(SECONDS),60)' FUZZ='$(FUZZ)' CORPUS='$(CORPUS)' PLAIN='$(PLAIN)' test/fuzz/run

# Also long: make sanitize-server NAMES="train 12_terminations"
sanitize-server: all
	@PG_CONFIG='$(PG_CONFIG)' test/sanitize/run $(NAMES)

valgrind-server: all
	@PG_CONFIG='$(PG_CONFIG)' test/sanitize/valgrind

# About so many: make faults COUNT=1000
faults: all
	@PG_CONFIG='$(PG_CONFIG)' COUNT='$(or $(COUNT),1000)' test/faults/run

test:
	@PG_CONFIG='$(PG_CONFIG)' test/run $(PARTS)

demo:
	@PG_CONFIG='$(PG_CONFIG)' test/demo/demo $${CRITEO:+"$$CRITEO"}

demo-clean:
	@test/demo/demo --clean

# What PGXN and the packages are made of: all that is committed but what .gitattributes leaves out.
ARCHIVE ?= ctr-$(EXTVERSION).zip
dist:
	@git diff --quiet HEAD || echo "Left out is what is not committed."
	git archive --format=zip --prefix=ctr-$(EXTVERSION)/ --output=$(ARCHIVE) HEAD

bench: all
	CRITEO=$(CRITEO) BASE=$(BASE) TABLES='$(TABLES)' test/bench/bench.sh $(BENCH)

format:
	$(CLANG_FORMAT) --style=file -i $(FORMATTED)

format-check:
	$(CLANG_FORMAT) --style=file --dry-run --Werror $(FORMATTED)
	@! LC_ALL=C.UTF-8 grep -nE '^.{111}' $(SOURCES) $(OWN_HEADERS) || { echo "lines, comments too, have at most 110 characters"; exit 1; }

help:
	@echo "make               build the extension (WERROR=1: warnings are errors)"
	@echo "make install       install it into the PostgreSQL of PG_CONFIG"
	@echo "make installcheck  regression tests on a running server, after make install"
	@echo "make unit          tests of the engine without a server, plain and under sanitizers"
	@echo "make tap           tests in Perl on a throw-away server"
	@echo "make test          install what is missing, then all tests on a throw-away server (CRITEO=path: on real rows too;"
	@echo "                   PARTS=\"unit sanitize regress tap static faults fuzz platforms\": only these)"
	@echo "make fuzz          look for inputs that crash it (SECONDS=60 for each target, FUZZ=\"load use\": only these,"
	@echo "                   CORPUS=folder: go on from what was found there, PLAIN=1: faster, without sanitizers;"
	@echo "                   test/fuzz/run says more)"
	@echo "make sanitize-server  the regression scripts and the tests in Perl on a server under AddressSanitizer (NAMES=\"train 02_cancel\")"
	@echo "make valgrind-server  trainings and scores of all architectures under valgrind"
	@echo "make faults        let calls fail, limits be met, sessions and servers end, COUNT=1000 times or so, in all functions"
	@echo "make demo          the same, then train and score on a private server in .demo (CRITEO=path: on these rows)"
	@echo "make demo-clean    stop that server and delete it, with all that was made in it"
	@echo "make bench         speed, measured against PyTorch (BENCH=part; test/bench/bench.sh lists them)"
	@echo "                   BENCH=tables TABLES=folder: held-out quality on tables of your own, beside boosted trees"
	@echo "make dist          ctr-VERSION.zip, the archive for PGXN; debian/ in it makes Debian's packages (test/package)"
	@echo "make format        format the C sources"
	@echo "make format-check  fail if a C source is not formatted"
	@echo "make clean         delete what was built"
