/* From zip bytes to a directory, in two steps.
 *
 * zip_open() reads the central directory itself, because what must be checked is what a library
 * hides: libarchive cuts a name at its NUL byte, takes names from the local headers but sizes from
 * the central directory, converts names by the process's locale (and normalises them), and stops
 * without a word at the first damaged record. So we keep our own list of members, insist that every
 * local header says the same, that no two members share bytes (overlap is how a small zip bomb
 * works), and build the tree in memory: names are split, links resolved against that tree, all
 * before anything touches the disk.
 *
 * zip_unpack() then lets libarchive, with nothing but its seeking zip reader, turn the members into
 * bytes in order of their offset. Both readers must see the same members: a difference is an error.
 * Declared sizes were added up against the limit before; each byte is counted against its member's
 * declared size as it comes, so the limit holds at the byte whatever a header claims.
 * Directories are made first, files next, links last: nothing can be written through a link. */
#include "store/zip.h"
#include "store/files.h"
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <zlib.h>

#define BAD_ZIP "Could not unzip uploaded file. Please check your file, then try to upload again."

enum {
    DEPTH_MAX = 128,
    PATH_LEN_MAX = 2048, /* with what stands in front of it, well below the kernel's 4,096 */
    NAME_LEN_MAX = 255,
    LINK_LEN_MAX = 1024,
    LINK_STEPS_MAX = 40, /* as the kernel's own limit */
    LOCAL_LEN = 30,      /* fixed parts of the records */
    CENTRAL_LEN = 46,
    END_LEN = 22,
    END64_LEN = 56,
    LOCATOR64_LEN = 20,
};
enum {
    FLAG_ENCRYPTED = 1 << 0,
    FLAG_DESCRIPTOR = 1 << 3,
    FLAG_STRONG = 1 << 6,
    FLAG_MASKED = 1 << 13
};
enum { HOST_DOS = 0, HOST_UNIX = 3, DOS_DIRECTORY = 0x10 };
enum { METHOD_STORED = 0, METHOD_DEFLATED = 8 };

enum kind { KIND_DIR, KIND_FILE, KIND_LINK };

struct member {
    struct str raw;  /* the name's bytes in both headers */
    struct str name; /* what it means: raw, or the UTF-8 name of extra field 0x7075 */
    uint64_t offset, data, packed, size;
    uint32_t crc;
    uint16_t method, flags;
    bool executable;
    enum kind kind;
    int64_t mtime;
    uint32_t order; /* place in the central directory */
    uint32_t node;  /* UINT32_MAX: the root, or replaced by a later one */
};

struct node { /* nodes[0] is the root; a parent comes before its children */
    struct str name;
    uint32_t parent, chain; /* chain: next node of the same hash bucket, 0 ends it */
    uint32_t member;        /* UINT32_MAX: a directory that no member names */
    uint32_t end;           /* of a link: where it leads, once `resolved`; UINT32_MAX: dangling */
    enum kind kind;
    uint16_t depth;
    bool resolved; /* so that a thousand links through one another cost a thousand steps */
};

struct zip {
    struct str bytes;
    uint64_t unzipped, unzipped_max, files_max;
    struct member *members; /* in order of offset once opened */
    size_t members_len;
    struct node *nodes;
    size_t nodes_len, nodes_cap;
    uint32_t *buckets;
    size_t buckets_len; /* a power of two */
};

static uint32_t
le(struct str s, uint64_t at, unsigned width)
{
    uint32_t v = 0;

    ASSERT(at <= s.len && s.len - at >= width);
    for (unsigned i = width; i-- > 0;)
        v = v << 8 | (uint8_t)s.at[at + i];
    return v;
}

static uint64_t
le64(struct str s, uint64_t at)
{
    return le(s, at, 4) | (uint64_t)le(s, at + 4, 4) << 32;
}

static bool
has(struct str s, uint64_t at, uint64_t len)
{
    return at <= s.len && s.len - at >= len;
}

static int
bad(struct err *err)
{
    return err_set(err, ERR_INVALID, "%s", BAD_ZIP);
}

/* The member's name is a stranger's: shortened, and plain ASCII, as the text goes into JSON. */
static int
bad_member(const struct member *m, const char *why, struct err *err)
{
    char name[72];
    size_t n = MIN(m->name.len, sizeof(name) - 4);

    for (size_t i = 0; i < n; i++)
        name[i] = m->name.at[i] >= 0x20 && m->name.at[i] < 0x7f ? m->name.at[i] : '?';
    memcpy(name + n, "...", 4);
    if (n == m->name.len)
        name[n] = '\0';
    return err_set(err, ERR_INVALID, BAD_ZIP " (member '%s': %s)", name, why);
}

/* ---- the central directory ---- */

struct directory {
    uint64_t at, len, entries;
};

static int
find_directory(struct str z, struct directory *ret, struct err *err)
{
    uint64_t end, lowest, stop;
    bool found = false;

    if (z.len < END_LEN)
        return bad(err);
    lowest = z.len - END_LEN > UINT16_MAX ? z.len - END_LEN - UINT16_MAX : 0;
    for (end = z.len - END_LEN;; end--) {
        if (le(z, end, 4) == 0x06054b50 && le(z, end + 20, 2) == z.len - END_LEN - end) {
            found = true;
            break;
        }
        if (end == lowest)
            break;
    }
    if (!found)
        return bad(err);
    ret->entries = le(z, end + 10, 2);
    ret->len = le(z, end + 12, 4);
    ret->at = le(z, end + 16, 4);
    if (le(z, end + 4, 2) != le(z, end + 6, 2) || le(z, end + 8, 2) != ret->entries)
        return bad(err); /* in several parts */
    stop = end;
    if (end >= LOCATOR64_LEN && le(z, end - LOCATOR64_LEN, 4) == 0x07064b50) {
        uint64_t at = le64(z, end - LOCATOR64_LEN + 8);

        if (end < LOCATOR64_LEN + END64_LEN || at > end - LOCATOR64_LEN - END64_LEN ||
            le(z, at, 4) != 0x06064b50 || le64(z, at + 24) != le64(z, at + 32))
            return bad(err);
        /* The short record holds the same numbers, or says that they don't fit. */
        if ((ret->entries != UINT16_MAX && ret->entries != le64(z, at + 32)) ||
            (ret->len != UINT32_MAX && ret->len != le64(z, at + 40)) ||
            (ret->at != UINT32_MAX && ret->at != le64(z, at + 48)))
            return bad(err);
        ret->entries = le64(z, at + 32);
        ret->len = le64(z, at + 40);
        ret->at = le64(z, at + 48);
        stop = at;
    }
    /* Exactly in front of its end record: with a gap, two readers could find two directories. */
    if (ret->at > stop || ret->len != stop - ret->at)
        return bad(err);
    return 0;
}

static int64_t
dos_time(uint32_t date, uint32_t time)
{
    struct tm tm = {
        .tm_year = (int)(date >> 9) + 80,
        .tm_mon = (int)(date >> 5 & 15) - 1,
        .tm_mday = date & 31,
        .tm_hour = (int)(time >> 11),
        .tm_min = time >> 5 & 63,
        .tm_sec = (int)(time & 31) * 2,
    };

    return MAX((int64_t)timegm(&tm), (int64_t)0);
}

/* Extra fields: 64-bit sizes, the modification time, the UTF-8 name. */
static int
read_extra(struct member *m, struct str extra, struct err *err)
{
    bool need_size = m->size == UINT32_MAX, need_packed = m->packed == UINT32_MAX,
         need_offset = m->offset == UINT32_MAX;
    uint64_t at = 0;

    while (has(extra, at, 4)) {
        uint32_t id = le(extra, at, 2), len = le(extra, at + 2, 2);
        struct str body;

        at += 4;
        if (!has(extra, at, len))
            break; /* some writers pad with rubbish: what stands before is good */
        body = (struct str){extra.at + at, len};
        at += len;
        if (id == 0x0001) {
            uint64_t *const fields[] = {need_size ? &m->size : NULL,
                                        need_packed ? &m->packed : NULL,
                                        need_offset ? &m->offset : NULL};
            uint64_t pos = 0;

            for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
                if (!fields[i])
                    continue;
                if (!has(body, pos, 8))
                    return bad_member(m, "bad 64-bit sizes", err);
                *fields[i] = le64(body, pos);
                pos += 8;
            }
            need_size = need_packed = need_offset = false;
        } else if (id == 0x5455 && len >= 5 && (body.at[0] & 1)) {
            m->mtime = (int32_t)le(body, 1, 4);
        } else if (id == 0x7075 && len > 5 && body.at[0] == 1 &&
                   le(body, 1, 4) == crc32(0, (const Bytef *)m->raw.at, (uInt)m->raw.len)) {
            m->name = (struct str){body.at + 5, len - 5};
        }
    }
    return 0;
}

/* What a member is, by the rules that libarchive has too, so that both agree. */
static int
read_kind(struct member *m, uint32_t host, uint32_t attributes, struct err *err)
{
    uint32_t mode = host == HOST_UNIX ? attributes >> 16 : 0;
    bool slash = str_ends(m->name, STR("/"));

    m->executable = mode & 0111;
    switch (mode & S_IFMT) {
    case S_IFLNK:
        if (slash)
            return bad_member(m, "a link with a directory's name", err);
        m->kind = KIND_LINK;
        break;
    case S_IFDIR:
        m->kind = KIND_DIR;
        break;
    case S_IFREG:
    case 0:
        m->kind =
            slash || (host == HOST_DOS && (attributes & DOS_DIRECTORY)) ? KIND_DIR : KIND_FILE;
        break;
    default:
        return bad_member(m, "neither file, directory nor symbolic link", err);
    }
    if (m->kind == KIND_DIR && m->size != 0)
        return bad_member(m, "a directory with content", err);
    return 0;
}

/* The local header in front of the data must tell the same story. */
static int
check_local(struct str z, uint64_t limit, struct member *m, struct err *err)
{
    uint64_t name_len, extra_len;
    uint32_t flags;

    if (!has(z, m->offset, LOCAL_LEN) || le(z, m->offset, 4) != 0x04034b50)
        return bad_member(m, "no local header", err);
    name_len = le(z, m->offset + 26, 2);
    extra_len = le(z, m->offset + 28, 2);
    if (!has(z, m->offset + LOCAL_LEN, name_len + extra_len))
        return bad_member(m, "truncated", err);
    m->data = m->offset + LOCAL_LEN + name_len + extra_len;
    if (m->data > limit || m->packed > limit - m->data)
        return bad_member(m, "truncated", err);
    flags = le(z, m->offset + 6, 2);
    if (!str_eq(m->raw, (struct str){z.at + m->offset + LOCAL_LEN, name_len}) ||
        le(z, m->offset + 8, 2) != m->method || (flags & FLAG_ENCRYPTED) != 0)
        return bad_member(m, "its two headers disagree", err);
    if (!(flags & FLAG_DESCRIPTOR)) {
        uint32_t packed = le(z, m->offset + 18, 4), size = le(z, m->offset + 22, 4);

        if ((packed != UINT32_MAX && packed != m->packed) ||
            (size != UINT32_MAX && size != m->size) || le(z, m->offset + 14, 4) != m->crc)
            return bad_member(m, "its two headers disagree", err);
    }
    return 0;
}

static int
read_member(struct zip *z, const struct directory *dir, uint64_t *at, uint64_t stop,
            struct member *m, struct err *err)
{
    struct str b = z->bytes;
    uint64_t name_len, extra_len, comment_len;

    if (stop - *at < CENTRAL_LEN || le(b, *at, 4) != 0x02014b50)
        return bad(err);
    name_len = le(b, *at + 28, 2);
    extra_len = le(b, *at + 30, 2);
    comment_len = le(b, *at + 32, 2);
    if (stop - *at - CENTRAL_LEN < name_len + extra_len + comment_len)
        return bad(err);
    m->raw = m->name = (struct str){b.at + *at + CENTRAL_LEN, name_len};
    m->flags = (uint16_t)le(b, *at + 8, 2);
    m->method = (uint16_t)le(b, *at + 10, 2);
    m->mtime = dos_time(le(b, *at + 14, 2), le(b, *at + 12, 2));
    m->crc = le(b, *at + 16, 4);
    m->packed = le(b, *at + 20, 4);
    m->size = le(b, *at + 24, 4);
    m->offset = le(b, *at + 42, 4);
    if (read_extra(m, (struct str){m->raw.at + name_len, extra_len}, err) < 0)
        return -(int)err->kind;
    if (m->flags & (FLAG_ENCRYPTED | FLAG_STRONG | FLAG_MASKED))
        return bad_member(m, "encrypted", err);
    if (m->method != METHOD_STORED && m->method != METHOD_DEFLATED)
        return bad_member(m, "compressed by another method than deflate", err);
    if (m->method == METHOD_STORED && m->packed != m->size)
        return bad_member(m, "sizes disagree", err);
    if (read_kind(m, le(b, *at + 5, 1), le(b, *at + 38, 4), err) < 0)
        return -(int)err->kind;
    if (m->size > z->unzipped_max || z->unzipped > z->unzipped_max - m->size)
        return err_set(err, ERR_INVALID, "Unzipped size must be smaller than %llu bytes",
                       (unsigned long long)z->unzipped_max);
    z->unzipped += m->size;
    *at += CENTRAL_LEN + name_len + extra_len + comment_len;
    return check_local(b, dir->at, m, err);
}

static int
by_offset(const void *a, const void *b)
{
    const struct member *x = a, *y = b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int
by_order(const void *a, const void *b)
{
    const struct member *x = a, *y = b;

    return x->order < y->order ? -1 : x->order > y->order;
}

static int
read_members(struct zip *z, struct err *err)
{
    struct directory dir = {0};
    uint64_t at;

    if (find_directory(z->bytes, &dir, err) < 0)
        return -(int)err->kind;
    if (dir.entries == 0)
        return err_set(err, ERR_INVALID, "Uploaded file must be a non-empty zip");
    if (dir.entries > dir.len / CENTRAL_LEN) /* also bounds the allocation by the upload's size */
        return bad(err);
    if (dir.entries > z->files_max)
        return err_set(err, ERR_INVALID, "Zip must have at most %llu files, it has %llu",
                       (unsigned long long)z->files_max, (unsigned long long)dir.entries);
    z->members = xcalloc(dir.entries, sizeof(*z->members));
    z->members_len = dir.entries;
    at = dir.at;
    for (size_t i = 0; i < z->members_len; i++) {
        struct member *m = &z->members[i];

        m->order = (uint32_t)i;
        m->node = UINT32_MAX;
        if (read_member(z, &dir, &at, dir.at + dir.len, m, err) < 0)
            return -(int)err->kind;
    }
    if (at != dir.at + dir.len)
        return bad(err);
    qsort(z->members, z->members_len, sizeof(*z->members), by_offset);
    for (size_t i = 1; i < z->members_len; i++)
        if (z->members[i - 1].data + z->members[i - 1].packed > z->members[i].offset)
            return bad_member(&z->members[i], "overlaps another member", err);
    return 0;
}

/* ---- the tree ---- */

static uint32_t *
bucket(struct zip *z, uint32_t parent, struct str name)
{
    uint64_t h = 14695981039346656037u ^ parent; /* FNV-1a; files_max bounds what collisions cost */

    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (uint8_t)name.at[i]) * 1099511628211u;
    return &z->buckets[(h ^ h >> 29) & (z->buckets_len - 1)];
}

/* 0: none (the root is nobody's child). */
static uint32_t
child_find(struct zip *z, uint32_t parent, struct str name)
{
    uint32_t i = *bucket(z, parent, name);

    while (i != 0 && !(z->nodes[i].parent == parent && str_eq(z->nodes[i].name, name)))
        i = z->nodes[i].chain;
    return i;
}

static uint32_t
node_add(struct zip *z, uint32_t parent, struct str name)
{
    uint32_t *head;

    if (z->nodes_len == z->nodes_cap) {
        z->nodes_cap = z->nodes_cap ? z->nodes_cap * 2 : 64;
        z->nodes = xrealloc(z->nodes, z->nodes_cap * sizeof(*z->nodes));
    }
    z->nodes[z->nodes_len] =
        (struct node){.name = name, .parent = parent, .kind = KIND_DIR, .member = UINT32_MAX};
    if (z->nodes_len > 0) {
        z->nodes[z->nodes_len].depth = (uint16_t)(z->nodes[parent].depth + 1);
        head = bucket(z, parent, name);
        z->nodes[z->nodes_len].chain = *head;
        *head = (uint32_t)z->nodes_len;
    }
    return (uint32_t)z->nodes_len++;
}

/* Cut the next component off a path; empty ones and "." are passed over. False at the end. */
static bool
component(struct str *path, struct str *ret)
{
    while (path->len > 0) {
        ssize_t slash = str_find(*path, '/');
        size_t n = slash < 0 ? path->len : (size_t)slash;
        struct str part = {path->at, n};

        n = MIN(n + 1, path->len);
        *path = (struct str){path->at + n, path->len - n};
        if (part.len > 0 && !str_is(part, ".")) {
            *ret = part;
            return true;
        }
    }
    return false;
}

static int
place(struct zip *z, uint32_t index, struct err *err)
{
    struct member *m = &z->members[index];
    struct str path = m->name, part;
    uint32_t node = 0;
    bool fresh = false;

    if (path.len == 0)
        return bad_member(m, "no name", err);
    if (memchr(path.at, '\0', path.len))
        return bad_member(m, "a NUL byte in its name", err);
    if (path.at[0] == '/')
        return bad_member(m, "an absolute path", err);
    if (memchr(path.at, '\\', path.len))
        return bad_member(m, "a backslash in its name", err);
    if (path.len > PATH_LEN_MAX)
        return bad_member(m, "its name is too long", err);
    while (component(&path, &part)) {
        uint32_t child;

        if (str_is(part, ".."))
            return bad_member(m, "'..' in its path", err);
        if (part.len > NAME_LEN_MAX)
            return bad_member(m, "its name is too long", err);
        if (z->nodes[node].kind != KIND_DIR)
            return bad_member(m, "beneath something that is no directory", err);
        if (z->nodes[node].depth >= DEPTH_MAX)
            return bad_member(m, "too many levels of directories", err);
        child = child_find(z, node, part);
        fresh = child == 0;
        if (fresh) {
            if (z->nodes_len > z->files_max)
                return err_set(err, ERR_INVALID, "Zip must have at most %llu files",
                               (unsigned long long)z->files_max);
            child = node_add(z, node, part);
        }
        node = child;
    }
    if (node == 0) {
        if (m->kind != KIND_DIR)
            return bad_member(m, "no name", err);
        return 0;
    }
    if (!fresh && (z->nodes[node].kind == KIND_DIR) != (m->kind == KIND_DIR))
        return bad_member(m, "file and directory at once", err);
    if (z->nodes[node].member != UINT32_MAX)
        z->members[z->nodes[node].member].node = UINT32_MAX; /* the last one counts */
    z->nodes[node].kind = m->kind;
    z->nodes[node].member = index;
    m->node = node;
    return 0;
}

/* A link's target, NUL-terminated. Links are short: inflated here rather than by libarchive, which
 * would convert the bytes by locale. */
static int
link_target(struct zip *z, const struct member *m, char ret[LINK_LEN_MAX + 1], struct err *err)
{
    if (m->size == 0 || m->size > LINK_LEN_MAX)
        return bad_member(m, "a symbolic link of impossible length", err);
    if (m->method == METHOD_STORED) {
        memcpy(ret, z->bytes.at + m->data, m->size);
    } else {
        z_stream s = {.next_in = (Bytef *)(uintptr_t)(z->bytes.at + m->data),
                      .avail_in = (uInt)MIN(m->packed, (uint64_t)64 << 10),
                      .next_out = (Bytef *)ret,
                      .avail_out = (uInt)m->size};
        int rc;

        ASSERT(inflateInit2(&s, -MAX_WBITS) == Z_OK);
        rc = inflate(&s, Z_FINISH);
        inflateEnd(&s);
        if (rc != Z_STREAM_END || s.avail_out != 0)
            return bad_member(m, "damaged", err);
    }
    if (crc32(0, (const Bytef *)ret, (uInt)m->size) != m->crc)
        return bad_member(m, "bad checksum", err);
    if (memchr(ret, '\0', m->size))
        return bad_member(m, "a NUL byte in its target", err);
    ret[m->size] = '\0';
    return 0;
}

/* Walk the link as the kernel would, in the tree we are about to make. What is missing there may be
 * named (a dangling link is harmless: the tree never changes), but each ".." must stay inside even
 * so. `steps` bounds chains and circles; the recursion is that deep at most. */
static int
resolve(struct zip *z, const struct member *first, uint32_t link, uint32_t *ret, unsigned *steps,
        struct err *err)
{
    char target[LINK_LEN_MAX + 1];
    uint32_t node = z->nodes[link].parent;
    unsigned missing = 0; /* levels below `node` that don't exist */
    struct str path, part;

    if (z->nodes[link].resolved) {
        *ret = z->nodes[link].end;
        return 0;
    }
    if (++*steps > LINK_STEPS_MAX)
        return bad_member(first, "symbolic links in a circle", err);
    if (link_target(z, &z->members[z->nodes[link].member], target, err) < 0)
        return -(int)err->kind;
    path = str_of(target);
    if (path.at[0] == '/')
        return bad_member(first, "an absolute symbolic link", err);
    while (component(&path, &part)) {
        uint32_t child;

        if (str_is(part, "..")) {
            if (missing > 0)
                missing--;
            else if (node == 0)
                return bad_member(first, "a symbolic link that leaves the package", err);
            else
                node = z->nodes[node].parent;
            continue;
        }
        child = missing > 0 || z->nodes[node].kind != KIND_DIR ? 0 : child_find(z, node, part);
        if (child == 0) {
            missing++;
        } else if (z->nodes[child].kind == KIND_LINK) {
            if (resolve(z, first, child, &node, steps, err) < 0)
                return -(int)err->kind;
            if (node ==
                UINT32_MAX) { /* nothing beneath it exists, and ".." would have no meaning */
                if (component(&path, &part))
                    return bad_member(first, "a symbolic link through a dangling one", err);
                break;
            }
        } else {
            node = child;
        }
    }
    z->nodes[link].end = *ret = missing > 0 ? UINT32_MAX : node;
    z->nodes[link].resolved = true;
    return 0;
}

static int
build_tree(struct zip *z, struct err *err)
{
    z->buckets_len = 64;
    while (z->buckets_len < z->members_len * 2)
        z->buckets_len *= 2;
    z->buckets = xcalloc(z->buckets_len, sizeof(*z->buckets));
    node_add(z, 0, STR(""));
    /* In the directory's order, so that "the last one counts" means the same as everywhere. */
    qsort(z->members, z->members_len, sizeof(*z->members), by_order);
    for (uint32_t i = 0; i < z->members_len; i++)
        if (place(z, i, err) < 0)
            return -(int)err->kind;
    for (uint32_t i = 1; i < z->nodes_len; i++) {
        unsigned steps = 0;
        uint32_t end;

        if (z->nodes[i].kind == KIND_LINK &&
            resolve(z, &z->members[z->nodes[i].member], i, &end, &steps, err) < 0)
            return -(int)err->kind;
    }
    qsort(z->members, z->members_len, sizeof(*z->members), by_offset);
    for (uint32_t i = 0; i < z->members_len; i++)
        if (z->members[i].node != UINT32_MAX)
            z->nodes[z->members[i].node].member = i;
    return 0;
}

int
zip_open(struct str bytes, const struct package_limits *limits, struct zip **ret, struct err *err)
{
    AUTO(zip_free) struct zip *z = NULL;

    if (bytes.len == 0)
        return err_set(err, ERR_INVALID, "Uploaded file must be a non-empty zip");
    if (bytes.len > limits->zip_max)
        return err_set(err, ERR_TOO_LARGE, "Zip file must be smaller than %llu bytes",
                       (unsigned long long)limits->zip_max);
    z = xcalloc(1, sizeof(*z));
    z->bytes = bytes;
    z->unzipped_max = limits->unzipped_max;
    z->files_max = MIN(limits->files_max, (uint64_t)UINT32_MAX / 2);
    if (read_members(z, err) < 0 || build_tree(z, err) < 0)
        return -(int)err->kind;
    *ret = TAKE(z);
    return 0;
}

void
zip_free(struct zip *z)
{
    if (!z)
        return;
    free(z->members);
    free(z->nodes);
    free(z->buckets);
    free(z);
}

uint64_t
zip_unzipped_bytes(const struct zip *z)
{
    return z->unzipped;
}

/* ---- unpacking ---- */

struct path {
    char at[PATH_LEN_MAX + 2];
};

/* Write the path of a node from its end backwards; the start is returned. */
static const char *
node_path(const struct zip *z, uint32_t node, struct path *p)
{
    size_t at = sizeof(p->at) - 1;

    p->at[at] = '\0';
    for (; node != 0; node = z->nodes[node].parent) {
        struct str name = z->nodes[node].name;

        ASSERT(at > name.len); /* place() bounded the whole */
        if (p->at[at] != '\0')
            p->at[--at] = '/';
        at -= name.len;
        memcpy(p->at + at, name.at, name.len);
    }
    return p->at[at] ? p->at + at : ".";
}

static int
parent_open(const struct zip *z, int tree_fd, uint32_t node)
{
    struct path p;

    return file_open(tree_fd, node_path(z, z->nodes[node].parent, &p), O_PATH | O_DIRECTORY, 0,
                     false);
}

static int
make_dir(const struct zip *z, int tree_fd, uint32_t node, struct err *err)
{
    AUTO_FD int parent = parent_open(z, tree_fd, node);
    AUTO_FD int fd = -1;
    char name[NAME_LEN_MAX + 1];

    if (parent < 0)
        return err_sys(err, "open directory in package");
    str_copy(name, sizeof(name), z->nodes[node].name);
    return dir_make(parent, name, 0755, &fd, err);
}

static int
make_link(struct zip *z, int tree_fd, uint32_t node, struct err *err)
{
    AUTO_FD int parent = parent_open(z, tree_fd, node);
    char name[NAME_LEN_MAX + 1], target[LINK_LEN_MAX + 1];
    const struct member *m = &z->members[z->nodes[node].member];
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = m->mtime}};

    if (parent < 0)
        return err_sys(err, "open directory in package");
    if (link_target(z, m, target, err) < 0)
        return -(int)err->kind;
    str_copy(name, sizeof(name), z->nodes[node].name);
    if (symlinkat(target, parent, name) < 0)
        return err_sys(err, "make symbolic link in package");
    (void)utimensat(parent, name, times,
                    AT_SYMLINK_NOFOLLOW); /* a link's time tells nobody anything */
    return 0;
}

static int
make_file(struct zip *z, struct archive *a, const struct member *m, int tree_fd, struct err *err)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = m->mtime}};
    AUTO_FD int fd = -1;
    uint64_t done = 0;
    uint32_t crc = 0;
    struct path p;

    fd = file_open(tree_fd, node_path(z, m->node, &p), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                   0600, false);
    if (fd < 0)
        return err_sys(err, "make file in package");
    for (;;) {
        const void *block;
        int64_t offset;
        size_t len;
        int rc = archive_read_data_block(a, &block, &len, &offset);

        if (rc == ARCHIVE_EOF)
            break;
        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
            return bad_member(m, "damaged", err);
        if (len == 0)
            continue;
        if ((uint64_t)offset != done || len > m->size - done)
            return bad_member(m, "larger than its header says", err);
        if (file_write(fd, block, len) < 0)
            return err_sys(err, "write file in package");
        crc = (uint32_t)crc32_z(crc, block, len);
        done += len;
    }
    if (done != m->size)
        return bad_member(m, "smaller than its header says", err);
    if (crc != m->crc)
        return bad_member(m, "bad checksum", err);
    if (fchmod(fd, m->executable ? 0755 : 0644) < 0 || futimens(fd, times) < 0)
        return err_sys(err, "set mode and time of file in package");
    return 0;
}

static void
archive_done(struct archive *a)
{
    archive_read_free(a);
}
AUTO_DEFINE(struct archive *, archive_done)

static int
make_files(struct zip *z, int tree_fd, struct err *err)
{
    AUTO(archive_done) struct archive *a = archive_read_new();
    struct archive_entry *entry;
    int rc;

    /* Only zip, only by its central directory. Checksums are ours: one pass is enough. */
    ASSERT(a && archive_read_support_format_zip_seekable(a) == ARCHIVE_OK);
    (void)archive_read_set_options(a, "zip:ignorecrc32"); /* refused: it would only check twice */
    if (archive_read_open_memory(a, z->bytes.at, z->bytes.len) != ARCHIVE_OK)
        return bad(err);
    for (size_t i = 0; i < z->members_len; i++) {
        struct member *m = &z->members[i];

        rc = archive_read_next_header(a, &entry);
        if (rc != ARCHIVE_OK &&
            rc != ARCHIVE_WARN) /* it warns of names that its locale can't hold */
            return bad_member(m, "damaged", err);
        if (m->node == UINT32_MAX || m->kind != KIND_FILE)
            continue;
        if (archive_entry_filetype(entry) != AE_IFREG)
            return bad_member(m, "its two headers disagree", err);
        if (make_file(z, a, m, tree_fd, err) < 0)
            return -(int)err->kind;
    }
    if (archive_read_next_header(a, &entry) != ARCHIVE_EOF)
        return bad(err);
    return 0;
}

int
zip_unpack(struct zip *z, int tree_fd, struct err *err)
{
    for (uint32_t i = 1; i < z->nodes_len; i++)
        if (z->nodes[i].kind == KIND_DIR && make_dir(z, tree_fd, i, err) < 0)
            return -(int)err->kind;
    if (make_files(z, tree_fd, err) < 0)
        return -(int)err->kind;
    for (uint32_t i = 1; i < z->nodes_len; i++)
        if (z->nodes[i].kind == KIND_LINK && make_link(z, tree_fd, i, err) < 0)
            return -(int)err->kind;
    /* Times of directories last: making entries moves them. */
    for (uint32_t i = 1; i < z->nodes_len; i++) {
        struct path p;

        if (z->nodes[i].kind == KIND_DIR && z->nodes[i].member != UINT32_MAX) {
            struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                        {.tv_sec = z->members[z->nodes[i].member].mtime}};

            if (utimensat(tree_fd, node_path(z, i, &p), times, AT_SYMLINK_NOFOLLOW) < 0)
                return err_sys(err, "set time of directory in package");
        }
    }
    return 0;
}
