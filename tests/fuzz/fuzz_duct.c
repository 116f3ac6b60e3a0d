/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_duct: whatever comes out of a bottle, in two parts: the client gets the frames' bytes and no other, and
 * the connection is whole only where the mark of the end was the last that came. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/duct.h"
#include "tests/fuzz/fuzz.h"

static void require(int holds)
{
    if (!holds)
        abort();
}

/* Another reading of the frames. Returns the bytes behind which the end's mark is, or 0 without one. */
static size_t unframe(const uint8_t *data, size_t size, uint8_t *out, size_t *out_len)
{
    size_t at = 0;

    *out_len = 0;
    while (at + 2 <= size) {
        size_t len = (size_t)data[at] << 8 | data[at + 1];
        at += 2;
        if (len == 0)
            return at;
        if (len > size - at)
            len = size - at;
        memcpy(out + *out_len, data + at, len);
        *out_len += len;
        at += len;
    }
    return 0;
}

static enum duct_state turn(struct duct *duct)
{
    struct pollfd polls[DUCT_POLLS];
    enum duct_state state = DUCT_MORE;

    for (duct_polls(duct, polls); state == DUCT_MORE && poll(polls, DUCT_POLLS, 0) > 0;
         duct_polls(duct, polls))
        state = duct_turn(duct, polls);
    return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct duct duct;
    uint8_t wanted[FUZZ_MAX], got[FUZZ_MAX + 1];
    int sock[2], in[2], out[2];
    size_t wanted_len, got_len = 0;

    if (size < 2 || size > FUZZ_MAX)
        return 0;
    size_t cut = ((size_t)data[0] << 8 | data[1]) % (size - 1);
    data += 2;
    size -= 2;
    size_t end = unframe(data, size, wanted, &wanted_len);
    signal(SIGPIPE, SIG_IGN);
    require(socketpair(AF_UNIX, SOCK_STREAM, 0, sock) == 0 && pipe(in) == 0 && pipe(out) == 0);
    require(duct_init(&duct, sock[0], in[0], out[1], false) == 0);
    require(shutdown(sock[1], SHUT_WR) == 0);
    enum duct_state state = turn(&duct);
    require(state == DUCT_MORE);
    require(write(in[1], data, cut) == (ssize_t)cut);
    state = turn(&duct);
    if (state == DUCT_MORE) {
        require(write(in[1], data + cut, size - cut) == (ssize_t)(size - cut));
        state = turn(&duct);
    }
    close(in[1]);
    if (state == DUCT_MORE)
        state = turn(&duct);
    require(state == (end != 0 && (end == cut || end == size) ? DUCT_DONE : DUCT_BROKEN));
    close(sock[0]);
    for (ssize_t more; (more = read(sock[1], got + got_len, sizeof got - got_len)) > 0;)
        got_len += (size_t)more;
    require(got_len == wanted_len && memcmp(got, wanted, got_len) == 0);
    require(read(out[0], got, sizeof got) == 2 && got[0] == 0 && got[1] == 0);
    close(sock[1]);
    close(in[0]);
    close(out[0]);
    close(out[1]);
    return 0;
}
