/* Bytes of an upload: checked, and unpacked into a directory when they pass. Whatever is made must
 * lie inside, be a plain file, directory or link that leads nowhere outside, and add up to what was
 * promised. Input that begins like a zip is taken as it is. Any other input is a list of members
 * from which an honest zip is made first: so the fuzzer need not guess checksums to get at the
 * tree. */
#include "base/buf.h"
#include "store/files.h"
#include "store/zip.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int base_fd = -1;
static int tree_fd;
static ssize_t tree_len; /* of the tree's own path */
static uint64_t bytes, entries;

static void
forget(void)
{
    struct err err = {0};
    char name[32];

    snprintf(name, sizeof(name), "zipfuzz-%d", (int)getpid());
    (void)tree_remove(base_fd, name, &err);
    (void)close(base_fd);
}

/* Follow the link as the sandbox would, but held inside the tree by the kernel. */
static int
link_open(const char *name, int dir_fd)
{
    char path[4200], real[64];
    ssize_t n;
    int fd;

    snprintf(real, sizeof(real), "/proc/self/fd/%d", dir_fd);
    n = readlink(real, path, sizeof(path) - 300);
    ASSERT(n > tree_len && path[tree_len] == '/' ? true : n == tree_len);
    path[n] = '\0';
    snprintf(path + n, sizeof(path) - (size_t)n, "/%s", name);
    fd = file_open(tree_fd, path + tree_len + 1, O_PATH, 0, true);
    return fd;
}

static int
look(void *arg, const char *name, struct err *err)
{
    int dir_fd = *(int *)arg;
    struct stat sb;

    ASSERT(fstatat(dir_fd, name, &sb, AT_SYMLINK_NOFOLLOW) == 0);
    entries++;
    if (S_ISDIR(sb.st_mode)) {
        AUTO_FD int fd = file_open(dir_fd, name, O_RDONLY | O_DIRECTORY, 0, false);

        ASSERT(fd >= 0 && (sb.st_mode & 07777) == 0755);
        return dir_each(fd, look, &fd, err);
    }
    if (S_ISREG(sb.st_mode)) {
        ASSERT((sb.st_mode & 07777) == 0755 || (sb.st_mode & 07777) == 0644);
        bytes += (uint64_t)sb.st_size;
    } else {
        AUTO_FD int fd = -1;

        /* A link may dangle or lead to a file; leaving the tree would give EXDEV. */
        ASSERT(S_ISLNK(sb.st_mode));
        fd = link_open(name, dir_fd);
        ASSERT(fd >= 0 || errno != EXDEV);
    }
    return 0;
}

static void
put_number(struct buf *b, uint32_t v, unsigned width)
{
    for (; width > 0; width--, v >>= 8)
        buf_c(b, (char)v);
}

/* A member: kind, length of name, length of content, name, content. Names come from a small
 * alphabet, so that they meet each other. */
static void
make_zip(const uint8_t *data, size_t size, struct buf *z)
{
    static const char letters[] = "ab/./..//a/b/../abc";
    static const uint16_t modes[] = {0100644, 0100755, 0120777, 0040755,
                                     0,       0010644, 0120777, 0100000};
    AUTO_BUF struct buf dir = BUF_MAX(4 << 20);
    uint32_t members = 0, at;

    while (size >= 3 && members < 250) {
        size_t name_len = MIN((size_t)data[1] % 40, size - 3);
        size_t body_len = MIN((size_t)data[2], size - 3 - name_len);
        uint16_t mode = modes[data[0] & 7];
        bool text = data[0] & 8; /* a link's target from the same alphabet */
        AUTO_BUF struct buf head = BUF_MAX(4096);
        AUTO_BUF struct buf body = BUF_MAX(4096);
        uint32_t crc;

        at = (uint32_t)z->len;
        for (size_t i = 0; i < body_len; i++)
            buf_c(&body, text ? letters[data[3 + name_len + i] % (sizeof(letters) - 1)]
                              : (char)data[3 + name_len + i]);
        crc = (uint32_t)crc32_z(0, (const Bytef *)buf_view(&body).at, body.len);
        put_number(&head, 20, 2);
        put_number(&head, 0, 8);
        put_number(&head, crc, 4);
        put_number(&head, (uint32_t)body_len, 4);
        put_number(&head, (uint32_t)body_len, 4);
        put_number(&head, (uint32_t)name_len, 2);
        put_number(&head, 0, 2);
        buf_add(z, "PK\3\4", 4);
        buf_str(z, buf_view(&head));
        buf_add(&dir, "PK\1\2", 4);
        put_number(&dir, 0x0314, 2); /* made on Unix */
        buf_str(&dir, buf_view(&head));
        put_number(&dir, 0, 6);
        put_number(&dir, (uint32_t)mode << 16, 4);
        put_number(&dir, at, 4);
        for (size_t i = 0; i < name_len; i++) {
            buf_c(z, letters[data[3 + i] % (sizeof(letters) - 1)]);
            buf_c(&dir, letters[data[3 + i] % (sizeof(letters) - 1)]);
        }
        buf_str(z, buf_view(&body));
        data += 3 + name_len + body_len;
        size -= 3 + name_len + body_len;
        members++;
    }
    at = (uint32_t)z->len;
    buf_str(z, buf_view(&dir));
    buf_add(z, "PK\5\6\0\0\0\0", 8);
    put_number(z, members, 2);
    put_number(z, members, 2);
    put_number(z, (uint32_t)dir.len, 4);
    put_number(z, at, 4);
    put_number(z, 0, 2);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct package_limits limits = {
        .zip_max = 1 << 20, .unzipped_max = 1 << 20, .files_max = 200};
    AUTO_BUF struct buf made = BUF_MAX(4 << 20);
    AUTO(zip_free) struct zip *z = NULL;
    AUTO_FD int top_fd = -1;
    AUTO_FD int fd = -1;
    struct err err = {0};
    char name[32];

    snprintf(name, sizeof(name), "zipfuzz-%d", (int)getpid());
    if (base_fd < 0) {
        base_fd = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ASSERT(base_fd >= 0);
        atexit(forget);
    }
    if (size < 2 || memcmp(data, "PK", 2) == 0)
        buf_add(&made, data, size);
    else
        make_zip(data, size, &made);
    if (zip_open(buf_view(&made), &limits, &z, &err) < 0)
        return 0;
    /* One level down, so that a file that slipped out would be found beside the tree. */
    ASSERT(dir_make(base_fd, name, 0700, &top_fd, &err) == 0);
    ASSERT(dir_make(top_fd, "tree", 0755, &fd, &err) == 0);
    if (zip_unpack(z, fd, &err) >= 0) {
        bytes = entries = 0;
        tree_fd = fd;
        tree_len = (ssize_t)strlen("/dev/shm/") + (ssize_t)strlen(name) + (ssize_t)strlen("/tree");
        ASSERT(dir_each(fd, look, &fd, &err) == 0);
        ASSERT(bytes <= zip_unzipped_bytes(z) && entries <= limits.files_max);
    } else {
        ASSERT(err.kind == ERR_INVALID); /* anything else is a hole in zip_open's checks */
        err_clear(&err);
    }
    ASSERT(tree_remove(top_fd, "tree", &err) == 0);
    entries = 0;
    ASSERT(dir_each(top_fd, look, &top_fd, &err) == 0 && entries == 0);
    return 0;
}
