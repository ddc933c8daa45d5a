/* Zip archives from strangers: checked whole before a byte is written, then unpacked into an empty
 * directory. Private to store/ (and its fuzz target). Thread: any; one archive, one thread at a
 * time.
 *
 * What is refused, always with AWS's "Could not unzip uploaded file…" in front and the member's
 * name and the reason behind: absolute paths, `..`, backslashes, NUL, names over 255 bytes, more
 * than 128 levels, symbolic links that lead out of the tree or in circles, devices and pipes,
 * encrypted members, methods other than stored and deflated, overlapping members, local headers
 * that disagree with the central directory, sizes and checksums that don't hold. A name given
 * twice: the last in the central directory counts, as in Java's and Python's readers (build tools
 * do make such archives). A name that is both file and directory is refused. DIVERGES: AWS keeps
 * absolute symbolic links; here they are refused. */
#pragma once

#include "base/err.h"
#include "store/store.h"

struct zip;

/* Check everything that can be known without unpacking. `bytes` is borrowed until zip_free().
 * Errors: INVALID; TOO_LARGE if the archive itself is over limits->zip_max. */
int zip_open(struct str bytes, const struct package_limits *limits, struct zip **ret,
             struct err *err);
void zip_free(struct zip *z);
AUTO_DEFINE(struct zip *, zip_free)
/* Sum of all members' sizes (those given twice too): true once zip_unpack succeeded. */
uint64_t zip_unzipped_bytes(const struct zip *z);
/* Write the tree into the empty directory. Modes become 0755 or 0644, mtimes are kept, nothing is
 * synced. On failure what was written stays for the caller to remove. Errors: INVALID, INTERNAL. */
int zip_unpack(struct zip *z, int tree_fd, struct err *err);
