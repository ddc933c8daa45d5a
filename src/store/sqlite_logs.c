#include "store/store_internal.h"
int
logs_open(struct store *st, struct err *err)
{
    return 0;
}
void
logs_close(struct store *st)
{
}
void
logs_checkpoint(struct store *st)
{
}
