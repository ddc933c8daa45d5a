/* A deployment package: a folder made into a zip, or a zip that is there already, and what is in
 * it.
 *
 * The zip of a folder depends on the files' names, bytes and x bits alone: sorted names, one date,
 * one owner. The same folder gives the same SHA-256 on every machine, so a deploy without a change
 * is seen as such. (The same zlib is assumed; another version may compress differently.) */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* Lambda's limits on what is uploaded directly. */
#define ZIP_MAX_BYTES (50u << 20)       /* 52,428,800 */
#define UNZIPPED_MAX_BYTES 262144000ull /* layers included */

enum {
    PACKAGE_FILES_MAX = 200000,
    PACKAGE_DEPTH_MAX = 64,
    PACKAGE_PATH_MAX = 1024,
    PACKAGE_TEXT_MAX_BYTES = 1 << 20, /* of a source file that is looked into */
};

struct package_file {
    char *path;
    mode_t mode;
    uint64_t size;
    struct buf text; /* of source files at the top: see package_read() */
};

struct package {
    struct buf zip;
    struct package_file *files; /* sorted by path; of folders only empty ones */
    size_t files_len, files_cap;
    uint64_t unzipped_bytes;
    size_t ignored; /* files and folders that the patterns kept out */
};

struct package *package_new(void);
void package_free(struct package *package);
AUTO_DEFINE(struct package *, package_free)

/* Make the zip of a folder, or read an existing one, and list it. `on_file` may be NULL.
 * Errors: INVALID or TOO_LARGE with a text for the user. */
int package_from_dir(const char *path, void (*on_file)(void *arg, uint64_t done, uint64_t total),
                     void *arg, struct package **ret, struct err *err);
int package_from_zip(const char *path, struct package **ret, struct err *err);

const struct package_file *package_find(const struct package *package, const char *path);
/* A file's text, up to PACKAGE_TEXT_MAX_BYTES; STR_NULL if it is not there or too large. Loads it
 * from the zip where that has not happened yet. */
struct str package_read(struct package *package, const char *path);
