/* nearest.c: the name that a user may have meant, for hints. */
#include "options/options.h"

#include "utils/varlena.h"

const char *
nearest_word(const char *word, const char *const *words, int n, int most)
{
    const char *nearest = NULL;
    int length = (int)strlen(word);

    if (length > NAMEDATALEN)
        return NULL;
    for (int i = 0; i < n; i++) {
        if (pg_strcasecmp(word, words[i]) == 0)
            return words[i];
    }
    for (int i = 0; i < n; i++) {
        int distance =
            varstr_levenshtein_less_equal(word, length, words[i], (int)strlen(words[i]), 1, 1, 1, most, true);

        if (distance < most) {
            most = distance;
            nearest = words[i];
        }
    }
    return nearest;
}

int
few_letters(const char *word)
{
    return Min(4, (int)strlen(word) / 2 + 1);
}
