/* init.c: what happens when the library is loaded. */
#include "score/blocks.h"

#include "shared.h"

PG_MODULE_MAGIC;

void _PG_init(void);

void
_PG_init(void)
{
    ctr_define_settings();
    shared_reserve();
    block_scan_register();
    blocks_set_hooks();
}
