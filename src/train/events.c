/* events.c: tells listeners what happens in a training. */
#include "train/events.h"

void
listeners_add(CtrListeners *listeners, void (*hear)(void *arg, const CtrEvent *event), void *arg)
{
    Assert(listeners->n < CTR_LISTENERS_MOST);
    listeners->items[listeners->n++] = (CtrListener){.hear = hear, .arg = arg};
}

void
listeners_tell(const CtrListeners *listeners, const CtrEvent *event)
{
    for (int i = 0; i < listeners->n; i++)
        listeners->items[i].hear(listeners->items[i].arg, event);
}
