/* Bytes of user code into both pipes of an environment. The first byte chooses the pipe and the
 * pieces. Checked: bounds and times of events, and that lines lose no byte. */
#include "observe/capture.h"
#include <fcntl.h>

static struct loop *loop;
static size_t text_bytes;

static void
on_event(void *arg, int64_t time_ms, struct str text)
{
    int64_t now = (int64_t)clock_wall_ms();

    ASSERT(text.len <= CAPTURE_EVENT_MAX);
    ASSERT(time_ms > now - 2 * 86400000 && time_ms < now + 3600000);
    text_bytes += text.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct err err = {0};
    int out[2], log[2];
    struct capture *c;
    size_t step, newlines = 0;
    bool framed;

    if (len < 2)
        return 0;
    if (!loop)
        loop = loop_new(0, 1);
    framed = at[0] & 1;
    step = at[1] ? at[1] * 64u : 1; /* at most 16 KiB: it fits the pipe */
    ASSERT(pipe2(out, O_CLOEXEC) == 0 && pipe2(log, O_CLOEXEC) == 0);
    c = capture_new(loop, on_event, NULL);
    ASSERT(capture_open(c, out[0], log[0], &err) == 0);
    text_bytes = 0;
    for (size_t done = 2; done < len;) {
        size_t n = MIN(step, len - done);

        ASSERT(write(framed ? log[1] : out[1], at + done, n) == (ssize_t)n);
        capture_drain(c, (at[0] & 2) && done % 7 == 0 ? CAPTURE_OVER : CAPTURE_MORE);
        done += n;
    }
    capture_drain(c, CAPTURE_OVER);
    for (size_t i = 2; i < len; i++)
        newlines += at[i] == '\n';
    if (!framed)
        ASSERT(text_bytes == len - 2 - newlines);
    else
        ASSERT(text_bytes <= len - 2);
    capture_free(c);
    close(out[1]);
    close(log[1]);
    return 0;
}
