/* compat.h: all differences between PostgreSQL 14 and 18 that this extension meets. */
#ifndef CTR_COMPAT_H
#define CTR_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 140000
#error "ctr needs PostgreSQL 14 or later"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#endif /* CTR_COMPAT_H */
