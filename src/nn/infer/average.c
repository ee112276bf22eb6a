/*
 * average.c: the average input row of many rows: mean numerical inputs, and mean rows of embedding tables by
 * how often each is looked up. Sums are taken in double precision and in the order of the rows and codes.
 */
#include "nn/infer/average.h"

#include <math.h>

#define PAUSE_CODES 65536

NnStatus
input_sums_create(NnInputSums *sums, const NnNet *net, int fields, const int *categories, NnAlloc alloc)
{
    const size_t numbers = (size_t)(net->config.n_num + 1) * sizeof(double);
    size_t codes = 0;

    *sums = (NnInputSums){.net = net, .fields = fields, .categories = categories};
    sums->numbers = alloc.alloc(alloc.owner, numbers);
    sums->squares = alloc.alloc(alloc.owner, numbers);
    sums->first = alloc.alloc(alloc.owner, (size_t)(fields + 1) * sizeof(size_t));
    if (!sums->numbers || !sums->squares || !sums->first)
        return NN_NO_MEMORY;
    for (int f = 0; f < fields; f++) {
        sums->first[f] = codes;
        codes += (size_t)categories[f];
    }
    sums->counts = alloc.alloc(alloc.owner, (codes + 1) * sizeof(int64_t));
    return sums->counts ? NN_OK : NN_NO_MEMORY;
}

void
input_sums_add(NnInputSums *sums, const float *x_num, const int32_t *x_cat)
{
    sums->rows++;
    for (int i = 0; i < sums->net->config.n_num; i++) {
        sums->numbers[i] += x_num[i];
        sums->squares[i] += (double)x_num[i] * x_num[i];
    }
    for (int f = 0; f < sums->fields; f++)
        sums->counts[sums->first[f] + (size_t)x_cat[f]]++;
}

float
input_sums_mean(const NnInputSums *sums, int field, const float *values, NnPause pause)
{
    const int64_t *counts = sums->counts + sums->first[field];
    double sum = 0;

    for (int c = 0; c < sums->categories[field]; c++) {
        if (pause && c % PAUSE_CODES == 0)
            pause();
        if (counts[c] > 0)
            sum += (double)counts[c] * values[c];
    }
    return (float)(sum / (double)sums->rows);
}

static float
deviation(double sum, double squares, double rows)
{
    const double mean = sum / rows, variance = squares / rows - mean * mean;

    return variance > 0 ? (float)sqrt(variance) : 0;
}

/* of column `column` of the rows that a lookup takes */
static void
average_column(const NnInputSums *sums, const NnLookup *l, const float *table, int column, float *average,
               float *spread, NnPause pause)
{
    const int64_t *counts = sums->counts + sums->first[l->field];
    double sum = 0, squares = 0;

    for (int c = 0; c < l->rows; c++) {
        const double value = table[(size_t)c * (size_t)l->d + (size_t)column];

        if (pause && c % PAUSE_CODES == 0)
            pause();
        if (counts[c] == 0)
            continue;
        sum += (double)counts[c] * value;
        squares += (double)counts[c] * value * value;
    }
    *average = (float)(sum / (double)sums->rows);
    *spread = deviation(sum, squares, (double)sums->rows);
}

void
input_sums_average(const NnInputSums *sums, const float *params, float *average, float *spread, NnPause pause)
{
    const NnNet *net = sums->net;

    for (int i = 0; i < net->config.n_num; i++) {
        average[i] = (float)(sums->numbers[i] / (double)sums->rows);
        spread[i] = deviation(sums->numbers[i], sums->squares[i], (double)sums->rows);
    }
    for (const NnLookup *l = net->lookups; l < net->lookups + net->n_lookups; l++) {
        const float *table = params + net->params[l->param].offset + (size_t)l->row_offset * (size_t)l->d;

        for (int c = 0; c < l->d; c++)
            average_column(sums, l, table, c, average + l->column + c, spread + l->column + c, pause);
    }
}
