/* tasks.h: tasks of one run that several owners share, each having as many as it needs. */
#ifndef NN_TASKS_H
#define NN_TASKS_H

/*
 * The owner of a task, by binary search. first [n + 1]: the number of each owner's first task, then of all
 * tasks.
 */
static inline int
task_owner(const int *first, int n, int task)
{
    int low = 0, high = n; /* first[low] <= task < first[high] */

    while (high - low > 1) {
        const int middle = low + (high - low) / 2;

        if (first[middle] <= task)
            low = middle;
        else
            high = middle;
    }
    return low;
}

#endif /* NN_TASKS_H */
