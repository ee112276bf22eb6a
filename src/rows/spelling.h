/*
 * spelling.h: categories and names in the database's encoding and in a model file's, which is UTF-8
 * (spelling.c).
 */
#ifndef CTR_SPELLING_H
#define CTR_SPELLING_H

#include "ctr.h"

#include "lib/stringinfo.h"

/* Can a model's file keep the name? It does so in UTF-8. */
bool spelling_has_file(const char *name);
/* UTF-8 in the database's encoding, allocated; NULL: it cannot spell the text. size: less than 512 MB */
char *spelling_for_database(const char *text, Size size);

/* Between the database's encoding and the file's. */
typedef struct CtrSpelling {
    int encoding;             /* of the database */
    Oid to_file, to_database; /* conversions; InvalidOid: there is none */
} CtrSpelling;

/* false: the file spells everything as the database does. */
bool spelling_start(CtrSpelling *spelling);
/* Append a category as the file and the database spell it; any bytes will do. */
void spelling_append_for_file(const CtrSpelling *spelling, StringInfo file, const char *bytes, uint32 length);
void spelling_append_for_database(const CtrSpelling *spelling, StringInfo text, const char *bytes,
                                  uint32 length);

#endif /* CTR_SPELLING_H */
