/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_probe_net: the probes of what the sidecar does with packets and connections. What counts is who answered and
 * how: the problem document of a 403, the reset, the ICMP error and who sent it. Answers are bounded, and none is
 * repeated in what is said.
 */
#include "init/shim_probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "sys/netlink.h"
#include "sys/ports.h"

#include <linux/errqueue.h> /* behind what they share with the C library */
#include <linux/icmp.h>

#define TCP_MS      3000
#define DATAGRAM_MS 5000 /* in all */
#define AGAIN_MS    250 /* the kernel limits how many rejections it sends: a burst of six, then one a second */
#define ANSWER_SIZE 8192
#define DENIAL      "urn:stopper:denial:"
#define METADATA    "169.254.169.254"
#define TEXT        "stopper-doctor\r\n\r\n" /* neither TLS nor HTTP */

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct sockaddr_in socket_address(const struct ip *address, unsigned port)
{
    struct sockaddr_in made = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    memcpy(&made.sin_addr, address->bytes, 4);
    return made;
}

/* ---- TCP ---- */

/* Waits for it. Returns 0, or -1 with errno. */
static int tcp_ready(int sock, short events, long long end)
{
    struct pollfd wait = {.fd = sock, .events = events};
    long long left = end - now_ms();
    int ready = left > 0 ? poll(&wait, 1, (int)left) : 0;

    if (ready == 0)
        errno = ETIMEDOUT;
    return ready == 1 ? 0 : -1;
}

static int tcp_connect(int sock, const struct sockaddr_in *to, long long end)
{
    int error = 0;
    socklen_t len = sizeof error;

    if (connect(sock, (const struct sockaddr *)to, sizeof *to) == 0)
        return 0;
    if (errno != EINPROGRESS || tcp_ready(sock, POLLOUT, end) != 0 ||
        getsockopt(sock, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return -1;
    errno = error;
    return error == 0 ? 0 : -1;
}

long probe_tcp(const struct ip *address, unsigned port, struct str bytes, bool (*whole)(struct str got),
               char *into, size_t size)
{
    const struct sockaddr_in to = socket_address(address, port);
    long long end = now_ms() + TCP_MS;
    int sock = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    size_t got = 0;
    ssize_t more = 1;

    if (sock < 0 || tcp_connect(sock, &to, end) != 0 ||
        send(sock, bytes.ptr, bytes.len, MSG_NOSIGNAL) != (ssize_t)bytes.len)
        more = -1;
    while (more > 0 && got < size && !(whole != NULL && whole((struct str){into, got}))) {
        more = tcp_ready(sock, POLLIN, end) != 0 ? -1 : recv(sock, into + got, size - got, 0);
        got += more > 0 ? (size_t)more : 0;
    }
    int error = errno;
    if (sock >= 0)
        close(sock);
    errno = error;
    return more < 0 && got == 0 ? -1 : (long)got;
}

/* ---- HTTP ---- */

/* Whether the answer is a 403 of Stopper's, by its problem document (RFC 9457); `type` is its kind, NULL: any. */
static bool is_denial(const char *answer, const char *type)
{
    char wanted[80];
    const char *body = strstr(answer, "\r\n\r\n"), *brace = body != NULL ? strchr(body, '{') : NULL;

    if (brace == NULL || strncmp(answer, "HTTP/1.1 403 ", 13) != 0 ||
        strcasestr(answer, "\r\ncontent-type: application/problem+json\r\n") == NULL)
        return false;
    json_t *problem = json_loads(brace, JSON_DISABLE_EOF_CHECK, NULL);
    const char *is = json_string_value(json_object_get(problem, "type"));
    snprintf(wanted, sizeof wanted, DENIAL "%s", type != NULL ? type : "");
    bool denied =
        is != NULL && (type != NULL ? strcmp(is, wanted) == 0 : strncmp(is, wanted, strlen(wanted)) == 0);
    json_decref(problem);
    return denied;
}

/* Asks a host at an address for something: it has to be refused by Stopper. As what is asked for is a git push, which no
 * policy lets through, no operator is asked about it either, where denied requests wait for one. Returns 0, or -1 with
 * said. */
static int http_refused(const struct shim_probe *probe, const struct ip *address, unsigned port,
                        const char *host, const char *type, struct err *said)
{
    char request[256], answer[ANSWER_SIZE + 1], where[IP_TEXT];

    ip_format(address, where);
    snprintf(request, sizeof request,
             "GET /stopper-doctor/%s/info/refs?service=git-receive-pack HTTP/1.1\r\nHost: %s\r\nConnection: "
             "close\r\nAccept: */*\r\n\r\n",
             probe->nonce, host);
    long got = probe_tcp(address, port, str_of(request), NULL, answer, ANSWER_SIZE);
    if (got < 0)
        return err_set_errno(said, "HTTP to %s:%u: no refusal of Stopper's", where, port);
    answer[got] = '\0';
    if (is_denial(answer, type))
        return 0;
    return err_set(said, "HTTP to %s:%u: the answer is not Stopper's refusal", where, port);
}

int probe_http(const struct shim_probe *probe, struct err *said)
{
    if (http_refused(probe, &probe->nowhere, 80, probe->host, "host-not-allowed", said) != 0)
        return -1;
    err_set(said, "%s gets a 403 that says why", probe->host);
    return 0;
}

int probe_metadata(const struct shim_probe *probe, struct err *said)
{
    struct ip address;

    ip_parse(str_of(METADATA), &address);
    if (http_refused(probe, &address, 80, METADATA, "address-literal", said) != 0)
        return -1;
    err_set(said, METADATA " gets a 403 that says why");
    return 0;
}

static uint32_t number_of(const struct ip *ip)
{
    return (uint32_t)ip->bytes[0] << 24 | (uint32_t)ip->bytes[1] << 16 | (uint32_t)ip->bytes[2] << 8 |
           ip->bytes[3];
}

static struct ip ip_of(uint32_t number)
{
    return ip_from_v4((const uint8_t[]){(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                                        (uint8_t)(number >> 8), (uint8_t)number});
}

/* The agent's own address and the length of its network's prefix; of several the widest network. */
static int own_find(struct netlink_address *own, struct err *said)
{
    struct netlink nl;
    struct netlink_address *list = NULL;
    size_t count = 0;
    bool found = false;

    if (netlink_open(&nl, said) != 0)
        return -1;
    int result = netlink_addresses(&nl, AF_INET, &list, &count, said);
    for (size_t i = 0; i < count; i++)
        if (list[i].ip.bytes[0] != 127 && (!found || list[i].length < own->length)) {
            *own = list[i];
            found = true;
        }
    free(list);
    netlink_close(&nl);
    return result == 0 && !found ? err_set(said, "the agent has no address") : result;
}

/* Engines give their own end of a network its first or its last address. */
int probe_neighbours(const struct shim_probe *probe, struct err *said)
{
    struct netlink_address own = {.length = 32};
    char text[IP_TEXT];
    unsigned asked = 0;

    if (own_find(&own, said) != 0)
        return -1;
    uint32_t mask = own.length == 0 || own.length > 30 ? UINT32_MAX : UINT32_MAX << (32 - own.length);
    uint32_t first = (number_of(&own.ip) & mask) + 1, last = (number_of(&own.ip) | ~mask) - 1;
    const uint32_t tried[] = {first, first + 1, last};
    for (size_t i = 0; mask != UINT32_MAX && i < sizeof tried / sizeof tried[0]; i++) {
        struct ip address = ip_of(tried[i]);
        if (tried[i] > last || tried[i] == number_of(&own.ip) || tried[i] == number_of(&probe->sidecar))
            continue;
        ip_format(&address, text);
        if (http_refused(probe, &address, 80, text, "address-literal", said) != 0)
            return -1;
        asked++;
    }
    if (asked == 0)
        err_set(said, "what was tried of the agent's network, its gateway's address among it, is the "
                      "sidecar's to refuse");
    return 0;
}

/* ---- ports ---- */

int probe_ports(const struct shim_probe *probe, struct err *said)
{
    static const unsigned ports[] = {25, 853, 9999};
    char answer[64];

    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        long got = probe_tcp(&probe->nowhere, ports[i], str_of(TEXT), NULL, answer, sizeof answer);
        if (got >= 0)
            return err_set(said, "TCP port %u: somebody %s", ports[i],
                           got > 0 ? "answers" : "reads and leaves");
        if (errno != ECONNRESET)
            return err_set_errno(said, "TCP port %u: not ended by Stopper", ports[i]);
    }
    err_set(said, "what is neither TLS nor HTTP is reset");
    return 0;
}

int probe_proxy_port(const struct shim_probe *probe, struct err *said)
{
    char answer[64];
    long got = probe_tcp(&probe->sidecar, PORT_PROXY, str_of(TEXT), NULL, answer, sizeof answer);

    if (got >= 0 || errno == ECONNRESET)
        return err_set(said, "the proxy's own port takes a connection that was not led to it");
    if (errno != ECONNREFUSED)
        return err_set_errno(said, "the proxy's own port does not refuse");
    err_set(said, "refused by a reset");
    return 0;
}

/* ---- datagrams ---- */

int probe_socket(int type_protocol, const struct ip *address, unsigned port)
{
    const struct sockaddr_in to = socket_address(address, port);
    int one = 1, sock = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, type_protocol);

    if (sock < 0)
        return -1;
    if (setsockopt(sock, IPPROTO_IP, IP_RECVERR, &one, sizeof one) == 0 &&
        connect(sock, (const struct sockaddr *)&to, sizeof to) == 0)
        return sock;
    int error = errno;
    close(sock);
    errno = error;
    return -1;
}

/* Sends until something is there to be read, an error among it. Returns 0, or -1 with errno. */
static int datagram_send(int sock, struct str bytes)
{
    long long end = now_ms() + DATAGRAM_MS;
    struct pollfd wait = {.fd = sock, .events = POLLIN};

    do {
        if (send(sock, bytes.ptr, bytes.len, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
            return -1;
        if (poll(&wait, 1, AGAIN_MS) > 0)
            return 0;
    } while (now_ms() < end);
    errno = ETIMEDOUT;
    return -1;
}

long probe_datagram(int sock, struct str bytes, void *into, size_t size)
{
    return datagram_send(sock, bytes) != 0 ? -1 : recv(sock, into, size, 0);
}

/* The first error that the socket has got from the network: RFC 792's type and code, and who sent it (ip(7), IP_RECVERR). */
static int error_take(int sock, struct sock_extended_err *error, struct sockaddr_in *from)
{
    char control[512], byte;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};

    if (recvmsg(sock, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
        return -1;
    for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); each != NULL; each = CMSG_NXTHDR(&message, each))
        if (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_RECVERR &&
            each->cmsg_len >= CMSG_LEN(sizeof *error + sizeof *from)) {
            memcpy(error, CMSG_DATA(each), sizeof *error);
            memcpy(from, CMSG_DATA(each) + sizeof *error, sizeof *from);
            return 0;
        }
    return -1;
}

/* What is sent has to come back as prohibited, from the sidecar itself. Closes the socket. */
static int datagram_rejected(const struct shim_probe *probe, int sock, struct str bytes, const char *what,
                             struct err *said)
{
    struct sock_extended_err error;
    struct sockaddr_in from;
    int result;

    if (sock < 0)
        return err_set_errno(said, "%s", what);
    if (datagram_send(sock, bytes) != 0 && errno == ETIMEDOUT)
        result = err_set(said, "%s: nobody rejects it", what);
    else if (error_take(sock, &error, &from) != 0)
        result = err_set(said, "%s: it is not rejected", what);
    else if (error.ee_origin != SO_EE_ORIGIN_ICMP || error.ee_type != ICMP_DEST_UNREACH ||
             error.ee_code != ICMP_PKT_FILTERED || memcmp(&from.sin_addr, probe->sidecar.bytes, 4) != 0)
        result =
            err_set(said, "%s: not rejected by the sidecar (ICMP %u/%u)", what, error.ee_type, error.ee_code);
    else
        result = 0;
    close(sock);
    return result;
}

int probe_udp(const struct shim_probe *probe, struct err *said)
{
    static const unsigned ports[] = {443, 9999};
    char what[40];

    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        snprintf(what, sizeof what, "UDP port %u", ports[i]);
        if (datagram_rejected(probe, probe_socket(IPPROTO_UDP, &probe->nowhere, ports[i]), str_of(TEXT), what,
                              said) != 0)
            return -1;
    }
    err_set(said, "QUIC's port and others are rejected by the sidecar");
    return 0;
}

/* Of ping sockets (icmp(7)), which some engines let everybody have. */
int probe_icmp(const struct shim_probe *probe, struct err *said)
{
    const struct icmphdr echo = {.type = ICMP_ECHO, .un.echo.sequence = htons(1)};
    int sock = probe_socket(IPPROTO_ICMP, &probe->nowhere, 0);

    if (sock < 0 && (errno == EACCES || errno == EPERM)) {
        err_set_errno(said, "the agent cannot send any");
        return 0;
    }
    if (datagram_rejected(probe, sock, (struct str){(const char *)&echo, sizeof echo}, "an echo request",
                          said) != 0)
        return -1;
    err_set(said, "echo requests are rejected by the sidecar");
    return 0;
}

int probe_sidecar_ports(const struct shim_probe *probe, struct err *said)
{
    static const unsigned ports[] = {22, 80, PORT_DNS};
    char sidecar[IP_TEXT];

    ip_format(&probe->sidecar, sidecar);
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++)
        if (http_refused(probe, &probe->sidecar, ports[i], sidecar, NULL, said) != 0)
            return -1;
    if (datagram_rejected(probe, probe_socket(IPPROTO_UDP, &probe->sidecar, PORT_DNS), str_of(TEXT),
                          "UDP to the forwarder's own port", said) != 0)
        return -1;
    err_set(said, "all TCP ports lead to the proxy, and UDP is rejected");
    return 0;
}
