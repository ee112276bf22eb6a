/*
 * plain.c: stands in libFuzzer's place in a build without coverage counters and sanitizers (PLAIN=1). Inputs are
 * changes of the files of a folder, and of what came of them and was accepted.
 *
 *   -seed=N -max_total_time=SECONDS -artifact_prefix=PATH FOLDER|FILE; a file is run as it is; others are ignored
 */
#include "fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "storage/fd.h"

#define SIZE_MOST    65536
#define PER_FILE     8  /* changed inputs that are kept, for each file */
#define SECONDS_MOST 25 /* of processor time, for an input */

typedef struct Kept {
    uint8 *data;
    size_t size;
} Kept;

static Kept *kept;
static int n_files, n_kept;
static const char *artifact_prefix = "./";
static unsigned random_state;
static uint8 input[SIZE_MOST];
static size_t input_size;

static unsigned
random_below(unsigned n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return n == 0 ? 0 : (random_state >> 8) % n;
}

/* ------------------------------------------------------------------ findings */

/* Keeps the input that ends the process; only what a signal's handler may call. */
static void
end_with_input(int signal_number)
{
    char path[MAXPGPATH];
    const char *kind = signal_number == SIGPROF ? "timeout-plain" : "crash-plain";
    size_t length = strlen(artifact_prefix);
    int file;

    memcpy(path, artifact_prefix, length);
    memcpy(path + length, kind, strlen(kind) + 1);
    file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file < 0 || write(file, input, input_size) != (ssize_t)input_size)
        _exit(2);
    _exit(77);
}

static void
watch(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGPROF};

    for (int i = 0; i < (int)lengthof(signals); i++)
        signal(signals[i], end_with_input);
}

/* ------------------------------------------------------------------ inputs */

static void
keep(int i, const uint8 *data, size_t size)
{
    if (kept[i].data != NULL)
        free(kept[i].data);
    kept[i].data = malloc(size);
    kept[i].size = size;
    if (kept[i].data == NULL)
        elog(FATAL, "memory is out");
    memcpy(kept[i].data, data, size);
}

static void
read_input(const char *path)
{
    FILE *file = AllocateFile(path, "rb");

    if (file == NULL)
        elog(FATAL, "could not read %s", path);
    input_size = fread(input, 1, sizeof(input), file);
    if (fgetc(file) != EOF)
        elog(FATAL, "%s has more than %zu bytes", path, sizeof(input));
    FreeFile(file);
}

static void
read_folder(const char *path)
{
    DIR *folder = AllocateDir(path);
    struct dirent *entry;
    int room = 64;

    kept = calloc(room, sizeof(Kept));
    while ((entry = ReadDir(folder, path)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        read_input(psprintf("%s/%s", path, entry->d_name));
        if (n_files == room) {
            room *= 2;
            kept = realloc(kept, room * sizeof(Kept));
            memset(kept + n_files, 0, (room - n_files) * sizeof(Kept));
        }
        keep(n_files++, input, input_size);
    }
    FreeDir(folder);
    if (n_files == 0)
        elog(FATAL, "there are no files in %s", path);
    n_kept = n_files * (1 + PER_FILE);
    kept = realloc(kept, n_kept * sizeof(Kept));
    memset(kept + n_files, 0, (n_kept - n_files) * sizeof(Kept));
}

/* libFuzzer's way with bytes that a target cannot take apart, in short. */
size_t
LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most)
{
    const unsigned at = random_below((unsigned)size);

    switch (size == 0 ? 2 : random_below(5)) {
    case 0:
        data[at] ^= (uint8)(1 << random_below(8));
        return size;
    case 1:
        data[at] = (uint8)random_below(256);
        return size;
    case 2:
        if (size == most)
            return size;
        memmove(data + at + 1, data + at, size - at);
        data[at] = (uint8)random_below(256);
        return size + 1;
    case 3:
        memmove(data + at, data + at + 1, size - at - 1);
        return size - 1;
    default:
        data[at] = data[random_below((unsigned)size)];
        return size;
    }
}

/* ------------------------------------------------------------------ the run */

static void
run_one(int (*run)(const uint8_t *data, size_t size))
{
    const struct itimerval limit = {.it_value = {.tv_sec = SECONDS_MOST}};
    uint8 *data = malloc(Max(input_size, 1)); /* of its own size */

    memcpy(data, input, input_size);
    setitimer(ITIMER_PROF, &limit, NULL);
    run(data, input_size);
    free(data);
}

static void
next_input(void)
{
    int from = (int)random_below((unsigned)n_kept);

    if (kept[from].data == NULL)
        from %= n_files;
    input_size = kept[from].size;
    memcpy(input, kept[from].data, input_size);
    input_size = LLVMFuzzerCustomMutator(input, input_size, sizeof(input), random_below(1 << 24));
}

static void
run_folder(int (*run)(const uint8_t *data, size_t size), int seconds)
{
    const time_t end = time(NULL) + seconds;
    int64 n = 0;

    for (; time(NULL) < end; n++) {
        const int64 accepted = fuzz_n_accepted();

        next_input();
        run_one(run);
        if (fuzz_n_accepted() > accepted && random_below(4) == 0)
            keep(n_files + (int)random_below((unsigned)(n_kept - n_files)), input, input_size);
    }
    fprintf(stderr, "DONE exec/s: " INT64_FORMAT " (%.1f s of processor time)\n", n / Max(seconds, 1),
            (double)clock() / CLOCKS_PER_SEC);
}

int
LLVMFuzzerRunDriver(int *argc, char ***argv, int (*run)(const uint8_t *data, size_t size))
{
    const char *path = NULL;
    int seconds = 60;
    struct stat found;

    for (int i = 1; i < *argc; i++) {
        const char *argument = (*argv)[i];

        if (argument[0] != '-')
            path = argument;
        sscanf(argument, "-seed=%u", &random_state);
        sscanf(argument, "-max_total_time=%d", &seconds);
        if (strncmp(argument, "-artifact_prefix=", 17) == 0)
            artifact_prefix = argument + 17;
    }
    if (random_state == 0)
        random_state = (unsigned)time(NULL);
    watch();
    if (path == NULL || stat(path, &found) != 0)
        elog(FATAL, "there is no %s", path == NULL ? "folder of inputs" : path);
    if (S_ISDIR(found.st_mode)) {
        read_folder(path);
        run_folder(run, seconds);
    } else {
        read_input(path);
        run_one(run);
    }
    exit(0);
}
