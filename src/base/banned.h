/* Calls that have no safe use: a compile error instead of a review. */
#pragma once
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok atoi atol atoll gets
