/* Times as logs have them: milliseconds since 1970. */
#pragma once

#include "base/base.h"

int64_t logtime_now_ms(void);
/* "10m" back from now, or an absolute "2026-01-31[T12:00[:00[.000]][Z]]" (local without Z). */
bool logtime_since(const char *text, int64_t now_ms, int64_t *ret_ms);
/* "12:00:00.123" in local time for today's, with the date before it for others; or ISO in UTC. */
const char *logtime_write(int64_t at_ms, bool local, char room[40]);
