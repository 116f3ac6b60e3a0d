/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_h1: whatever the bytes, arriving in two parts gives the same messages; and what is written anew from a
 * head is a head that reads the same, so that no upstream can see anything but what was judged.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/h1.h"
#include "proxy/rewrite.h"
#include "tests/fuzz/fuzz.h"

static struct h1_head head, again;

static void require(int holds)
{
    if (!holds)
        abort();
}

/* What one reading saw. */
struct seen {
    uint64_t sum;
    size_t heads, ends, bytes;
    int bad;
};

static void mix(struct seen *seen, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        seen->sum = (seen->sum ^ (unsigned char)bytes.ptr[i]) * UINT64_C(0x100000001b3);
}

static void check_request(void)
{
    struct request request, copy;
    struct h1_check check;
    struct h1_scan scan = {0};
    enum h1_error error;
    struct buf out;

    if (request_read(&head, false, &request) != DENIAL_NONE)
        return;
    buf_init(&out, 2 * HEAD_MAX);
    static const struct route route;
    require(rewrite_request(&head, &request, &route, &out) == 0);
    struct str text = buf_str(&out);
    long end = h1_head_end(&scan, text.ptr, text.len, &error);
    if (text.len <= HEAD_MAX) {
        require(end == (long)text.len);
        require(h1_check_parse(&check, true, false, text.ptr, text.len, &again) == H1_OK);
        require(request_read(&again, false, &copy) == DENIAL_NONE && strcmp(copy.host, request.host) == 0);
        require(again.framing == head.framing && again.length == head.length &&
                str_equal(again.method, head.method));
        require(str_equal(copy.path, request.path) && str_equal(copy.query, request.query));
    }
    buf_fini(&out);
}

static void check_response(bool to_head)
{
    struct h1_check check;
    struct buf out;

    buf_init(&out, 2 * HEAD_MAX);
    bool open = head.framing == H1_CHUNKED || head.framing == H1_CLOSE;
    require(rewrite_response(&head, open ? REWRITE_CHUNKED : REWRITE_SAME, false, &out) == 0);
    struct str text = buf_str(&out);
    if (text.len <= HEAD_MAX) {
        require(h1_check_parse(&check, false, to_head, text.ptr, text.len, &again) == H1_OK);
        require(again.status == head.status && again.framing == (open ? H1_CHUNKED : head.framing));
    }
    buf_fini(&out);
}

static struct seen read_all(const char *data, size_t size, size_t cut, bool request, bool to_head)
{
    struct seen seen = {.sum = 1};
    struct h1 h1;
    size_t done = 0, have = cut;

    h1_init(&h1, request);
    h1.to_head = to_head;
    for (;;) {
        size_t used;
        struct h1_event event = h1_next(&h1, data + done, have - done, &used, &head);
        require(used <= have - done);
        done += used;
        if (event.type == H1_EVENT_BAD) {
            struct request refused; /* what the audit says of it is read from what there is of its head */
            if (request && seen.heads == seen.ends)
                request_read(&head, false, &refused);
            seen.bad = 1;
            return seen;
        }
        if (event.type == H1_EVENT_MORE && used == 0) {
            if (have == size)
                return seen;
            have = size;
            continue;
        }
        if (event.type == H1_EVENT_HEAD) {
            seen.heads++;
            for (size_t i = 0; i < head.field_count; i++)
                mix(&seen, head.fields[i].value);
            if (request)
                check_request();
            else
                check_response(to_head);
        }
        mix(&seen, event.data);
        seen.bytes += event.data.len;
        seen.ends += event.type == H1_EVENT_END;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    bool request = data[0] & 1, to_head = data[0] & 2;
    size_t cut = ((size_t)data[1] << 8 | data[2]) % (size - 2);
    const char *text = (const char *)data + 3;

    size -= 3;
    struct seen whole = read_all(text, size, size, request, to_head);
    struct seen parts = read_all(text, size, cut < size ? cut : size, request, to_head);
    require(whole.heads == parts.heads && whole.ends == parts.ends && whole.bytes == parts.bytes &&
            whole.bad == parts.bad);
    require(whole.sum == parts.sum);
    return 0;
}
