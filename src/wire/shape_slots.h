/* Between the walkers in src/wire: how values lie in memory and look as text. */
#pragma once

#include "wire/shape.h"

size_t shape_slot_size(const struct shape *shape); /* as an element: structures by value */
int shape_full(struct err *err);
size_t utf8_points(struct str s);
void number_write(double value, char *to, size_t size);
/* False: out of range. */
bool time_write(double value, bool iso, char *to, size_t size);
bool time_parse(struct str iso, double *ret);

static inline const void *
slot_at(const struct member *m, const void *value)
{
    return (const char *)value + m->offset;
}
static inline void *
slot_in(const struct member *m, void *value)
{
    return (char *)value + m->offset;
}
static inline const void *
item_at(const struct shape *shape, const struct shape_items *items, size_t i)
{
    return (const char *)items->at + i * shape->size;
}
