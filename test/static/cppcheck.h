/* cppcheck.h: what cppcheck, which does not read PostgreSQL's headers, has to know of them. */
#define ERROR 21
#define FATAL 22
#define ereport(level, ...)                                                                                  \
    do {                                                                                                     \
        if ((level) >= ERROR)                                                                                \
            abort();                                                                                         \
    } while (0)
#define elog(level, ...)         ereport(level, 0)
#define PG_FUNCTION_INFO_V1(name) extern int name##_info
#define PG_VERSION_NUM           150000
#define INT64_FORMAT             "%ld"
#define UINT64_FORMAT            "%lu"
#define Min(a, b)                ((a) < (b) ? (a) : (b))
#define Max(a, b)                ((a) > (b) ? (a) : (b))
#define lengthof(array)          (sizeof(array) / sizeof((array)[0]))
#define foreach(cell, list)      for (cell = list_head(list); cell != NULL; cell = lnext(list, cell))
