/*
 * fuzz.h: fuzz targets, run by libFuzzer inside a single-user backend, where all that they need of PostgreSQL
 * is the real thing (fuzz.c).
 *
 * A target gets bytes. An error that it raises is an answer, and everything is put back as it was; what may
 * not happen is found by the sanitizers, by errors that say "internal" or that memory is exhausted, and by
 * fuzz_finding.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "model/model.h"

typedef struct FuzzTarget {
    const char *name;
    void (*prepare)(void); /* once, before all; NULL: nothing is needed */
    void (*tell)(void);    /* what there is to say at the end; NULL: nothing */
    void (*run)(const uint8 *data, size_t size);
    /* Changes the bytes, at most `most` of them afterwards; their number is returned. NULL: libFuzzer does. */
    size_t (*mutate)(uint8 *data, size_t size, size_t most, unsigned seed);
} FuzzTarget;

extern const FuzzTarget fuzz_load, fuzz_weights, fuzz_onnx, fuzz_use, fuzz_options, fuzz_record, fuzz_markup;

/* Runs to the end, or to the first error; false: to an error, whose SQLSTATE is then in *state. */
bool fuzz_guarded(void (*body)(void *), void *argument, int *state);
/* Ends the process, and with it this input, as a finding. */
void fuzz_finding(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* The bytes as a value, a piece of memory of its own. */
Datum fuzz_value(const void *data, size_t size);
/* The bytes as text that a server could hand over; NULL: they are none. */
char *fuzz_text(const uint8 *data, size_t size);
/* How many inputs were let in, to be told at the end. */
void fuzz_count_accepted(void);
int64 fuzz_n_accepted(void);
/* The bytes as a model, counted; an error where the validator refuses them. */
Datum fuzz_accepted_model(const uint8 *data, size_t size);

/* mutate.c: changes to the parts of a safetensors file, put together again; signed: as a model. */
size_t fuzz_mutate_model(uint8 *data, size_t size, size_t most, unsigned seed);
size_t fuzz_mutate_weights(uint8 *data, size_t size, size_t most, unsigned seed);

/* libFuzzer's names: what it has, or plain.c, and what it calls */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*run)(const uint8_t *data, size_t size));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

#endif /* FUZZ_H */
