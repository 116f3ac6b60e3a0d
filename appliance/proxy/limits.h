/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * limits: every bound and every time-out of the proxy, with its reason. Deadlines are absolute: a peer that
 * sends one byte at a time does not move them, the idle ones excepted, which progress moves.
 */
#ifndef PROXY_LIMITS_H
#define PROXY_LIMITS_H

#include "core/h1_head.h" /* HEAD_MAX, FIELDS_MAX */
#include "dlp/scan.h"     /* DLP_HELD_MAX */

/* Time-outs, in milliseconds. */
#define TIMEOUT_SNIFF_MS       10000  /* ports where something is served: accept to a whole ClientHello */
#define TIMEOUT_SNIFF_OTHER_MS 1000   /* other ports: nothing is allowed, only the reason's wording waits */
#define TIMEOUT_HEAD_MS        30000  /* first byte of a request head to its blank line */
#define TIMEOUT_KEPT_MS        120000 /* an agent's connection between two requests */
#define TIMEOUT_CONNECT_MS     10000  /* all addresses of a name together */
#define TIMEOUT_CONNECT_ONE_MS 4000   /* one address, when there are others: two lost SYNs (1 s, 3 s) */
#define TIMEOUT_TLS_MS         10000  /* a handshake, on either leg */
#define TIMEOUT_RESPONSE_MS    610000 /* request to response head: language models think for ten minutes */
#define TIMEOUT_POOLED_MS      50000  /* an upstream's connection unused: servers often give up after 60 s */
#define TIMEOUT_IDLE_MS        600000 /* no byte in either direction within a message or a tunnel */
#define IDLE_INBOUND_MS        20     /* that a part of an answer waits for more, which might belong to it */
#define TIMEOUT_LINGER_MS      2000   /* a refusal's last bytes, so that no reset overtakes them */
#define TIMEOUT_ACCEPT_MS      100    /* of not accepting, when descriptors have run out */
#define WAIT_FIRST_MS          100    /* accept to a request, before a newer connection may end it */

/* Bounds. */
#define CONNECTIONS_MAX  4096  /* of the one agent, then idle ones end; fewer when RLIMIT_NOFILE is low */
#define CONNECTION_FILES 4     /* two sockets and, when one direction of a tunnel is blocked, a pipe */
#define HELLO_MAX        65536 /* bytes of records; a post-quantum ClientHello has 2 KB */
#define READ_SIZE        32768 /* bytes read at once, and the window of each direction */
#define IN_MAX           (HEAD_MAX + READ_SIZE)     /* bytes that wait to be decoded */
#define OUT_MAX          (HEAD_MAX + 4 * READ_SIZE) /* a rewritten head and a window in its coding */
#define UP_MAX           (OUT_MAX + DLP_HELD_MAX)   /* the same, with what was held back */
#define LINGER_BYTES_MAX (1u << 20)                 /* read and thrown away while lingering */
#define INTERIM_MAX      16                         /* 1xx responses before the final one */
#define CHUNK_LINE_MAX   256                        /* bytes of a chunk-size line with its extensions */
#define TRAILERS_MAX     8192                       /* bytes of a trailer section */
#define POOL_MAX         128                        /* connections to upstreams that wait for requests */
#define CARRIES_MAX      128                        /* hosts of which the ends of what was sent are kept, */
#define CARRIES_TABLE    1024                       /* beside those that are in use; places for all of them */
#define PIPES_KEPT       32                         /* empty pipes kept for the next tunnel */

#endif
