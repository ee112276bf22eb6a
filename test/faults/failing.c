/*
 * failing.c: lets a chosen call of the C library fail among those that the extension makes, itself or through PostgreSQL's
 * functions: the n-th, or all from the n-th on.
 *
 * Loaded before other libraries (LD_PRELOAD) it takes the place of malloc and others, as a library of functions in SQL it
 * is told which call is to fail. Both are the same copy of it in a process. A call is the extension's if one of its
 * functions is among the callers, which the stack's unwinder tells: slow, but there are few calls, because PostgreSQL takes
 * memory from malloc in blocks. What PostgreSQL does for each statement, though hooks of the extension call it, is not.
 */
#define _GNU_SOURCE
#include "postgres.h"

#include <errno.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fmgr.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

#define DEPTH 64 /* callers that are looked at */

typedef enum Kind { MEMORY, MAP, THREAD, WRITE, KINDS } Kind;

static const char *const kind_names[KINDS] = {"memory", "map", "thread", "write"};

typedef struct Range {
    ElfW(Addr) base, end;
} Range;

static struct {
    volatile bool armed;
    bool looking; /* at callers, which may itself take memory */
    bool onwards; /* the calls after the n-th fail, too */
    bool hit;
    Kind kind;
    int64 nth, calls[KINDS];
    pid_t process;        /* a parallel worker inherits nothing that is armed */
    ElfW(Addr) base, end; /* where the extension is; 0: it is not loaded */
    Range others[2];      /* PostgreSQL's functions that its hooks call */
    ElfW(Addr) site;      /* the innermost of its callers, in the file */
} state;

/* ------------------------------------------------------------------ whose call it is */

static int
look_for_extension(struct dl_phdr_info *info, size_t size, void *arg)
{
    const char *slash = strrchr(info->dlpi_name, '/');

    if (slash == NULL || strcmp(slash, "/ctr.so") != 0)
        return 0;
    state.base = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];

        if (part->p_type == PT_LOAD)
            state.end = Max(state.end, info->dlpi_addr + part->p_vaddr + part->p_memsz);
    }
    return 1;
}

static Range
range_of_function(const char *name)
{
    const ElfW(Sym) * symbol;
    Dl_info info;
    void *function = dlsym(RTLD_DEFAULT, name);

    if (function == NULL || !dladdr1(function, &info, (void **)&symbol, RTLD_DL_SYMENT))
        ereport(ERROR, (errmsg("there is no function %s", name)));
    return (Range){(ElfW(Addr))function, (ElfW(Addr))function + symbol->st_size};
}

static bool
within(ElfW(Addr) at, Range range)
{
    return at >= range.base && at < range.end;
}

/* The innermost caller in the extension, as an offset in it; 0: there is none, or it has called PostgreSQL for a statement. */
static ElfW(Addr) extension_caller(void)
{
    void *callers[DEPTH];
    int n;

    if (state.base == 0 && !dl_iterate_phdr(look_for_extension, NULL))
        return 0;
    n = backtrace(callers, DEPTH);
    for (int i = 0; i < n; i++) {
        const ElfW(Addr) at = (ElfW(Addr))callers[i];

        if (at >= state.base && at < state.end)
            return at - state.base;
        if (within(at, state.others[0]) || within(at, state.others[1]))
            return 0;
    }
    return 0;
}

/* Threads other than the first take no part: the extension's call nothing of this. */
static bool
fails(Kind kind)
{
    ElfW(Addr) site;

    if (!state.armed || state.looking || state.process != getpid() || syscall(SYS_gettid) != state.process)
        return false;
    state.looking = true;
    site = extension_caller();
    state.looking = false;
    if (site == 0)
        return false;
    state.calls[kind]++;
    if (kind != state.kind || state.nth == 0 || state.calls[kind] < state.nth ||
        (state.calls[kind] > state.nth && !state.onwards))
        return false;
    if (!state.hit)
        state.site = site;
    state.hit = true;
    return true;
}

/* ------------------------------------------------------------------ functions of the C library */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static void *
no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

void *
malloc(size_t size)
{
    return fails(MEMORY) ? no_memory() : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
    return fails(MEMORY) ? no_memory() : __libc_calloc(n, size);
}

void *
realloc(void *memory, size_t size)
{
    return fails(MEMORY) ? no_memory() : __libc_realloc(memory, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
    return fails(MEMORY) ? no_memory() : __libc_memalign(alignment, size);
}

int
posix_memalign(void **memory, size_t alignment, size_t size)
{
    void *p = fails(MEMORY) ? NULL : __libc_memalign(alignment, size);

    if (p == NULL)
        return ENOMEM;
    *memory = p;
    return 0;
}

void *
mmap(void *address, size_t size, int protection, int flags, int file, off_t offset)
{
    if (fails(MAP)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, address, size, protection, flags, file, offset);
}

void *
mmap64(void *address, size_t size, int protection, int flags, int file, off64_t offset)
{
    return mmap(address, size, protection, flags, file, offset);
}

int
shm_open(const char *name, int flags, mode_t mode)
{
    static int (*next)(const char *, int, mode_t);

    if (fails(MAP)) {
        errno = ENOMEM;
        return -1;
    }
    if (next == NULL)
        next = dlsym(RTLD_NEXT, "shm_open");
    return next(name, flags, mode);
}

int
posix_fallocate(int file, off_t offset, off_t size)
{
    static int (*next)(int, off_t, off_t);

    if (fails(MAP))
        return ENOSPC;
    if (next == NULL)
        next = dlsym(RTLD_NEXT, "posix_fallocate");
    return next(file, offset, size);
}

int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *arg)
{
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

    if (fails(THREAD))
        return EAGAIN;
    if (next == NULL)
        next = dlsym(RTLD_NEXT, "pthread_create");
    return next(thread, attributes, start, arg);
}

/* The disk is full: files are written at a place in them, sockets and pipes are not. */
static bool
disk_is_full(void)
{
    if (!fails(WRITE))
        return false;
    errno = ENOSPC;
    return true;
}

ssize_t
pwrite(int file, const void *bytes, size_t n, off_t offset)
{
    return disk_is_full() ? -1 : syscall(SYS_pwrite64, file, bytes, n, offset);
}

ssize_t
pwrite64(int file, const void *bytes, size_t n, off64_t offset)
{
    return pwrite(file, bytes, n, offset);
}

ssize_t
pwritev(int file, const struct iovec *parts, int n, off_t offset)
{
    return disk_is_full() ? -1 : syscall(SYS_pwritev, file, parts, n, offset, 0);
}

ssize_t
pwritev64(int file, const struct iovec *parts, int n, off64_t offset)
{
    return pwritev(file, parts, n, offset);
}

/* ------------------------------------------------------------------ functions in SQL */

static Kind
kind_of(const char *name)
{
    for (int kind = 0; kind < KINDS; kind++) {
        if (strcmp(name, kind_names[kind]) == 0)
            return kind;
    }
    ereport(ERROR, (errmsg("there is no kind of call \"%s\"", name)));
    return KINDS;
}

/* CREATE FUNCTION fail(kind text, nth bigint, onwards boolean) RETURNS void; nth 0: calls are counted, none fails */
PG_FUNCTION_INFO_V1(fail);
Datum
fail(PG_FUNCTION_ARGS)
{
    void *callers[1];

    (void)backtrace(callers, 1); /* which loads the unwinder, once */
    state.others[0] = range_of_function("standard_planner");
    state.others[1] = range_of_function("standard_ExecutorStart");
    state.kind = kind_of(text_to_cstring(PG_GETARG_TEXT_PP(0)));
    state.nth = PG_GETARG_INT64(1);
    state.onwards = PG_GETARG_BOOL(2);
    memset(state.calls, 0, sizeof(state.calls));
    state.hit = false;
    state.process = getpid();
    state.armed = true;
    PG_RETURN_VOID();
}

/* CREATE FUNCTION failed() RETURNS text: ends it; how many calls there were, and where in the extension one failed */
PG_FUNCTION_INFO_V1(failed);
Datum
failed(PG_FUNCTION_ARGS)
{
    const int64 *n = state.calls;

    state.armed = false;
    PG_RETURN_TEXT_P(cstring_to_text(psprintf(
        "calls: %ld memory, %ld map, %ld thread, %ld write%s", (long)n[MEMORY], (long)n[MAP], (long)n[THREAD],
        (long)n[WRITE], state.hit ? psprintf("; failed at %lx", (long)state.site) : "")));
}
