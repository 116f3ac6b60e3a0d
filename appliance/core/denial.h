/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * denial: every way in which Stopper says no, once: its name (the audit's "reason", the last part of the
 * problem's "type"), the HTTP status that an agent sees where there is HTTP, the sentence, and the hint that
 * says what the operator would have to change. Adding a denial is a line in DENIALS and an integration test
 * that provokes it.
 */
#ifndef CORE_DENIAL_H
#define CORE_DENIAL_H

#include <stdbool.h>

#include "core/str.h"

/*     symbol, name, HTTP status (0 = never over HTTP), sentence, hint */
#define DENIALS(X)                                                                                           \
    X(NO_POLICY, "no-policy", 503, "No policy is loaded, so everything is denied.",                          \
      "The operator has to apply a manifest.")                                                               \
    X(HOST_NOT_ALLOWED, "host-not-allowed", 403, "This host is not named by the bottle's manifest.",         \
      "The operator would have to add an entry with this host to egress.routes.")                            \
    X(HELD_DENIED, "held-denied", 403, "The request was held for the operator, who did not approve it.",     \
      "Ask the operator why; sending it again will not help.")                                               \
    X(HELD_TIMEOUT, "held-timeout", 403,                                                                     \
      "The request was held for the operator, and was not approved in time.",                                \
      "Ask the operator to look at hostctl watch, and send the request again.")                              \
    X(HELD_CROWDED, "held-crowded", 403,                                                                     \
      "Too many requests wait for the operator, so this one was not approved.",                              \
      "Send fewer requests that have to wait: see \"rule\" and the operator.")                               \
    X(HELD_ENDED, "held-ended", 403,                                                                         \
      "The request was held for the operator, and not approved before the wait ended.",                      \
      "Send the request again.")                                                                             \
    X(EGRESS_CLOSED, "egress-closed", 403,                                                                   \
      "The bottle's canary was seen on its way out, so its egress is closed.",                               \
      "The operator has to look into it and reopen it (hostctl reopen); until then nothing leaves.")         \
    X(ADDRESS_LITERAL, "address-literal", 403,                                                               \
      "Destinations are allowed by name; a bare IP address never is.",                                       \
      "Use the host's name, and have the operator add it to egress.routes.")                                 \
    X(PORT_NOT_ALLOWED, "port-not-allowed", 403, "This host is not allowed on this port.",                   \
      "Port 80 is for HTTP, 443 for TLS; the operator would have to name others in ports of this route, or " \
      "in tcp for other protocols.")                                                                         \
    X(TLS_REQUIRED, "tls-required", 403, "This host is allowed over TLS only.",                              \
      "Use https, or have the operator remove tls.passthrough from the route of this host.")                 \
    X(TLS_NO_NAME, "tls-no-name", 403, "The TLS client sent no server name.",                                \
      "Use the host's name instead of its address.")                                                         \
    X(TLS_MALFORMED, "tls-malformed", 0, "The TLS ClientHello is malformed or too large.",                   \
      "Use a client that follows RFC 8446.")                                                                 \
    X(TLS_ECH, "tls-ech", 0, "Encrypted ClientHello hides the server name.",                                 \
      "Switch ECH off in the client, or have the operator set tls.ech: allow on this route.")                \
    X(TLS_HANDSHAKE, "tls-handshake", 0, "The TLS handshake with the client failed.",                        \
      "Use a client that speaks TLS 1.2 or 1.3 and HTTP/1.1.")                                               \
    X(CA_REFUSED, "ca-refused", 0, "The client does not trust the bottle's CA.",                             \
      "Let the client read the system's certificates or the file that SSL_CERT_FILE names; one that pins "   \
      "certificates needs tls.passthrough: true on the route of this host.")                                 \
    X(MISDIRECTED, "misdirected", 421, "This connection was not made for the host of this request.",         \
      "Use a connection of its own for each host.")                                                          \
    X(HTTP_MALFORMED, "http-malformed", 400, "The request is malformed or ambiguous.",                       \
      "Send a request that follows RFC 9112.")                                                               \
    X(HTTP_METHOD, "http-method", 405, "This method is never forwarded.", "Use another method.")             \
    X(HTTP_VERSION, "http-version", 505, "Only HTTP/1.0 and HTTP/1.1 are understood here.", "Use HTTP/1.1.") \
    X(HTTP_EXPECTATION, "http-expectation", 417, "Only the expectation 100-continue is understood.",         \
      "Send the request without this Expect field.")                                                         \
    X(HTTP_HEAD_TOO_LARGE, "http-head-too-large", 431, "The request's head is too large.",                   \
      "Send fewer or shorter header fields.")                                                                \
    X(HTTP_TIMEOUT, "http-timeout", 408, "The request did not arrive in time.",                              \
      "Send the request without pauses.")                                                                    \
    X(UPGRADE, "upgrade", 403, "Upgrades to another protocol are not allowed.", "Use plain HTTP requests.")  \
    X(SSH, "ssh", 0, "SSH is not a way out of this bottle.",                                                 \
      "Use git over https with an allowed host, or ask the operator.")                                       \
    X(PROTOCOL_UNKNOWN, "protocol-unknown", 0, "Only HTTP and TLS are understood here.",                     \
      "Use HTTP on port 80 or TLS on port 443.")                                                             \
    X(CLIENT_SILENT, "client-silent", 0, "The client sent nothing in time.",                                 \
      "Only HTTP and TLS are understood here.")                                                              \
    X(NOT_REDIRECTED, "not-redirected", 0, "The connection did not come through the wall's redirection.",    \
      "Connect to the destination itself.")                                                                  \
    X(OVERLOADED, "overloaded", 503, "Too many connections are open.", "Try again with fewer connections.")  \
    X(NAME_UNRESOLVED, "name-unresolved", 502, "The host's name could not be resolved.",                     \
      "Check the name; else the operator should check egress.dns.")                                          \
    X(ADDRESS_REFUSED, "address-refused", 403,                                                               \
      "The host's name resolves to an address that must not be dialled.",                                    \
      "The operator would have to name the private range in allow_private of this route.")                   \
    X(AUTH_NEEDS_TLS, "auth-needs-tls", 403, "This host's credential is sent over TLS only.",                \
      "Use https; or the operator would have to set insecure: true on this route.")                          \
    X(SECRET_ELSEWHERE, "secret-elsewhere", 403,                                                             \
      "The request's head holds a credential, or its placeholder, that does not belong to this host.",       \
      "Send it to its own host only, or not at all. Whoever runs the bottle is alarmed.")                    \
    X(PATH_AMBIGUOUS, "path-ambiguous", 400, "Servers would read this path in different ways.",              \
      "Send the path without dot segments, empty segments, ';', backslashes and encoded slashes.")           \
    X(METHOD_OVERRIDE, "method-override", 400,                                                               \
      "The request asks for another method than the one that it is sent with.",                              \
      "Send the method itself, without X-HTTP-Method-Override and its like, also in the query.")             \
    X(DENY_ENTRY, "deny-entry", 403, "An entry of this route's deny list names this request.",               \
      "The operator would have to change the entry that \"rule\" names; it wins over matches.")              \
    X(PATH_NOT_ALLOWED, "path-not-allowed", 403, "No entry of this route's matches names this path.",        \
      "The operator would have to add the path to paths of an entry of matches of this route.")              \
    X(METHOD_NOT_ALLOWED, "method-not-allowed", 403,                                                         \
      "The entries of this route's matches for this path do not name this method.",                          \
      "The operator would have to add the method to methods of an entry of matches for this path.")          \
    X(HEADER_NOT_ALLOWED, "header-not-allowed", 403,                                                         \
      "The entries of this route's matches for this path and method ask for other header fields.",           \
      "The operator would have to change headers of an entry of matches for this path and method.")          \
    X(MATCH_LIMIT, "match-limit", 403,                                                                       \
      "A regular expression of this route took too many steps on this request.",                             \
      "Send a shorter path or field, or have the operator write the expression simpler.")                    \
    X(GIT_FETCH, "git-fetch", 403, "This way of fetching with git is not allowed on this host.",             \
      "The operator would have to set git.fetch: true on this route; only smart HTTP fetches are allowed "   \
      "then.")                                                                                               \
    X(GIT_PUSH, "git-push", 403,                                                                             \
      "Pushing with git over HTTP is never allowed, uploads to Git LFS included.",                           \
      "Push through the bottle's git-gate, if the operator has set one up.")                                 \
    X(GIT_REQUEST, "git-request", 0, "This is no request of git's for a repository.",                        \
      "Use git with the repository's own URL.")                                                              \
    X(GIT_REPOSITORY, "git-repository", 0, "This repository is not one of the bottle's.",                    \
      "The operator would have to add it to git-gate.repos.")                                                \
    X(GIT_REFUSED, "git-refused", 0, "The push was refused; git has said why.",                              \
      "Change what is pushed; else the operator would have to change push of this repository.")              \
    X(GIT_DECLINED, "git-declined", 0, "The upstream did not take the ref.",                                 \
      "Its words are in git's output; fetch, or ask who administers it.")                                    \
    X(GIT_STORAGE, "git-storage", 0, "The gate has no room left for what git would keep.",                   \
      "The operator would have to raise git-gate.storage_mb.")                                               \
    X(GIT_INTERRUPTED, "git-interrupted", 0, "The connection ended before git had done its work.",           \
      "Try again.")                                                                                          \
    X(DLP_MATCH, "dlp-match", 403, "The request holds what must not leave this bottle.",                     \
      "Send it without that; else the operator would have to change dlp of this route.")                     \
    X(DLP_STRUCTURE, "dlp-structure", 403, "The request cannot be searched for what must not leave.",        \
      "Send it in a common encoding and without control characters.")                                        \
    X(DLP_INJECTION, "dlp-injection", 403, "The host's answer holds text that tries to instruct an agent.",  \
      "Use another resource; else the operator would have to change dlp of this route.")                     \
    X(DLP_BUDGET, "dlp-budget", 429, "The bytes that may be sent to this host in a minute are used up.",     \
      "Wait and send less; else the operator would have to change dlp.budget of this route.")                \
    X(UPSTREAM_ENCODING, "upstream-encoding", 502,                                                           \
      "The host's answer is encoded in a way that was not accepted, so it cannot be searched.",              \
      "Use another resource, or ask the operator about the host.")                                           \
    X(UPSTREAM_UNREACHABLE, "upstream-unreachable", 502, "The host could not be reached.",                   \
      "Try again later.")                                                                                    \
    X(UPSTREAM_TIMEOUT, "upstream-timeout", 504, "The host did not answer in time.", "Try again later.")     \
    X(UPSTREAM_MALFORMED, "upstream-malformed", 502, "The host's answer was malformed or cut short.",        \
      "Try again later.")                                                                                    \
    X(UPSTREAM_TLS, "upstream-tls", 502, "The host's TLS was not trusted.",                                  \
      "Its operator has to mend it; a CA of your own goes into egress.extra_ca.")                            \
    X(GATE_HOST_KEY, "gate-host-key", 0, "The repository's host does not have the host key that is pinned.", \
      "If its key was changed on purpose, the operator has to change host_key of this repository.")          \
    X(GATE_KEY, "gate-key", 0, "The repository's host does not take the key of this repository.",            \
      "The operator has to register the key there, with the right to write where pushes are meant.")         \
    X(DNS_NAME, "dns-name", 0, "This name is not allowed: the answer is the sidecar's own address.",         \
      "The operator would have to add the host to egress.routes.")                                           \
    X(DNS_TYPE, "dns-type", 0, "Only A queries are answered with data.", "Use IPv4 addresses.")              \
    X(DNS_MALFORMED, "dns-malformed", 0, "The DNS query is malformed.", "Send one question, RFC 1035.")      \
    X(DNS_UPSTREAM, "dns-upstream", 0, "No upstream resolver answered.",                                     \
      "The operator should check egress.dns.")                                                               \
    X(DNS_ADDRESS, "dns-address", 0, "The answer held only addresses that must not be dialled.",             \
      "The operator would have to name the private range in allow_private of this route.")                   \
    X(PACKET, "packet", 0, "Only TCP and DNS leave this bottle; other packets are rejected by the kernel.",  \
      "Use TCP.")                                                                                            \
    X(PACKET_IPV6, "packet-ipv6", 0, "IPv6 is off in this bottle.", "Use IPv4.")                             \
    X(PACKET_SPOOFED, "packet-spoofed", 0, "The source address is not the agent's.",                         \
      "Use the bottle's own address.")

enum denial {
    DENIAL_NONE = 0,
#define X(symbol, name, status, sentence, hint) DENIAL_##symbol,
    DENIALS(X)
#undef X
        DENIAL_COUNT
};

/* All never NULL; DENIAL_NONE gives "" and 0. */
const char *denial_name(enum denial denial);
const char *denial_sentence(enum denial denial);
const char *denial_hint(enum denial denial);
int denial_status(enum denial denial);

/* Whether it is because of what a message holds, or how much, and a part of it may have been on its way by then: refused for it, or
 * held. */
bool denial_by_search(enum denial denial);

/* By name; DENIAL_NONE when it is none. */
enum denial denial_find(struct str name);

#endif
