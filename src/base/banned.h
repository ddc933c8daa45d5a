/* Calls that have no safe use: a compile error instead of a review. */
#pragma once
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
/* Fortified headers make some of them macros, which cannot be poisoned. */
#undef sprintf
#undef vsprintf
#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok atoi atol atoll gets
