/*
 * contexts.h: memory contexts of which AddressSanitizer sees every piece. It is included before all else in
 * each file of the extension, and takes the place of AllocSetContextCreate there.
 */
#ifndef FUZZ_CONTEXTS_H
#define FUZZ_CONTEXTS_H

#include "postgres.h"

#include "utils/memutils.h"

MemoryContext fuzz_context_create(MemoryContext parent, const char *name);

#undef AllocSetContextCreate
#define AllocSetContextCreate(parent, name, ...) fuzz_context_create(parent, name)

#endif /* FUZZ_CONTEXTS_H */
