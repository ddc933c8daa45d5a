/* Files beneath a directory we hold open: nothing here follows a symbolic link out of it.
 * Thread: any. Private to store/. */
#pragma once

#include "base/err.h"

/* openat2 with RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS; links inside are followed only if `links`.
 * The descriptor, or -1 with errno. */
int file_open(int dir_fd, const char *path, int flags, mode_t mode, bool links);
/* Write all of it; -1 with errno. */
int file_write(int fd, const void *at, size_t len);
/* Make an empty file of mode 0600 if it is missing (SQLite would make it 0644, and gives its log
 * the same mode as the database). Not for a database that is open: closing drops its locks. */
int file_touch(int dir_fd, const char *name, struct err *err);
/* Make `name` if it is missing, open it as a directory, give it `mode` whatever the umask. */
int dir_make(int parent_fd, const char *name, mode_t mode, int *ret_fd, struct err *err);
/* Remove a file or a whole tree; fine if it is not there. Links are removed, never followed. */
int tree_remove(int parent_fd, const char *name, struct err *err);
/* Call fn for each entry but "." and "..". A negative answer ends the walk and is returned. */
int dir_each(int dir_fd, int (*fn)(void *arg, const char *name, struct err *err), void *arg,
             struct err *err);
