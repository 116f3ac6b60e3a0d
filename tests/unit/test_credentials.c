/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_credentials: what of the agent's stays behind, what of the route's goes in, and what must not come
 * back. */
#include "proxy/credentials.h"

#include <stdio.h>
#include <string.h>

#include "core/forward.h"
#include "core/secret.h"
#include "proxy/h1.h"
#include "proxy/rewrite.h"
#include "tests/unit/suite.h"

#define VALUE "s3cret-of-the-route"

static char header[] = "Authorization", other_header[] = "X-Forge-Key", name[] = "T";

static const char *rewritten(struct route *route, const char *value, const char *in)
{
    static struct h1_head head;
    static char out[4096];
    struct secret_entry entry = {.name = "T", .value = secret_new(str_of(value))};
    struct request request;
    struct buf buf;
    struct h1 h1;
    size_t used;

    route->auth.secret = route->auth.scheme > AUTH_PASSTHROUGH ? &entry : NULL;
    route->auth.secret_name = route->auth.secret != NULL ? name : NULL;
    buf_init(&buf, sizeof out - 1);
    h1_init(&h1, true);
    ck_assert_int_eq(h1_next(&h1, in, strlen(in), &used, &head).type, H1_EVENT_HEAD);
    ck_assert_int_eq(request_read(&head, false, &request), DENIAL_NONE);
    ck_assert_int_eq(rewrite_request(&head, &request, route, &buf), 0);
    memcpy(out, buf.data + buf.head, buf.len);
    out[buf.len] = '\0';
    buf_fini(&buf);
    secret_free(entry.value);
    return out;
}

#define CARRIERS                                                                                             \
    "Authorization: Bearer agent\r\nauthorization: agent\r\nPROXY-AUTHORIZATION: agent\r\nX-Api-Key: "       \
    "agent\r\nx_api_key: agent\r\n"                                                                          \
    "api-key: agent\r\nX-Goog-Api-Key: agent\r\nPRIVATE-TOKEN: agent\r\nPrivate_Token: agent\r\nCookie: "    \
    "a=agent\r\nCOOKIE: agent\r\n"
#define START "GET / HTTP/1.1\r\nHost: a.test\r\n"
#define OUT   "GET / HTTP/1.1\r\nHost: a.test\r\n"
#define REST                                                                                                 \
    "X-Other: kept\r\nRange: bytes=0-1\r\nIf-Range: x\r\nAccept-Encoding: gzip\r\nX-Forge-Key: "             \
    "agent\r\nx_forge_key: agent\r\n\r\n"

START_TEST(the_agents_own_credentials_stay_behind_on_every_route)
{
    struct route route = {.host = "a.test"};

    ck_assert_str_eq(rewritten(&route, VALUE, START CARRIERS REST), OUT REST);
    route.cookies = true;
    ck_assert_str_eq(rewritten(&route, VALUE, START CARRIERS REST),
                     OUT "Cookie: a=agent\r\nCOOKIE: agent\r\n" REST);
    route.cookies = false;
    route.auth.scheme = AUTH_PASSTHROUGH;
    ck_assert_str_eq(
        rewritten(&route, VALUE, START CARRIERS REST), OUT
        "Authorization: Bearer agent\r\nauthorization: agent\r\nX-Api-Key: agent\r\nx_api_key: agent\r\n"
        "api-key: agent\r\nX-Goog-Api-Key: agent\r\nPRIVATE-TOKEN: agent\r\nPrivate_Token: agent\r\n" REST);
}
END_TEST

START_TEST(the_routes_credential_goes_in_once_by_its_scheme)
{
    static const struct {
        enum auth_scheme scheme;
        char *header;
        const char *value, *field;
    } table[] = {
        {AUTH_BEARER, header, VALUE, "Authorization: Bearer " VALUE "\r\n"},
        {AUTH_TOKEN, header, VALUE, "Authorization: token " VALUE "\r\n"},
        {AUTH_RAW, other_header, VALUE, "X-Forge-Key: " VALUE "\r\n"},
        {AUTH_BASIC, header, "user:password", "Authorization: Basic dXNlcjpwYXNzd29yZA==\r\n"},
        {AUTH_BASIC, header, "user:password1", "Authorization: Basic dXNlcjpwYXNzd29yZDE=\r\n"},
        {AUTH_BASIC, header, "user:password12", "Authorization: Basic dXNlcjpwYXNzd29yZDEy\r\n"},
        {AUTH_BASIC, header, "password",
         "Authorization: Basic eC1hY2Nlc3MtdG9rZW46cGFzc3dvcmQ=\r\n"}, /* x-access-token:password */
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct route route = {.host = "a.test",
                              .auth = {.scheme = table[i].scheme, .header = table[i].header}};
        char wanted[1024];
        snprintf(wanted, sizeof wanted, OUT "X-Other: kept\r\n%sAccept-Encoding: identity\r\n%s\r\n",
                 table[i].header == header ? "X-Forge-Key: agent\r\nx_forge_key: agent\r\n" : "",
                 table[i].field);
        ck_assert_str_eq(rewritten(&route, table[i].value, START CARRIERS REST), wanted);
    }
}
END_TEST

#define HELD "fake-placeholder-of-this-bottle"

/* A request with the placeholder, and what becomes of it from the target on. */
START_TEST(the_value_takes_the_placeholders_place)
{
    static char held[] = HELD, header_place[] = "X-Other-Key", query_place[] = "key";
    static const struct {
        enum auth_scheme scheme;
        char *header;
        const char *in, *out;
    } table[] = {
        /* in the agent's own way, whatever the route's scheme */
        {AUTH_BEARER, header, "/ HTTP/1.1\r\nHost: a.test\r\nauthorization: token " HELD "\r\n\r\n",
         "/ HTTP/1.1\r\nHost: a.test\r\nauthorization: token " VALUE "\r\nAccept-Encoding: identity\r\n\r\n"},
        {AUTH_RAW, other_header,
         "/ HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer " HELD "\r\nX-FORGE-KEY: " HELD
         "\r\nX-Other-Key: k=" HELD ", " HELD "\r\n\r\n",
         "/ HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer " VALUE "\r\nX-FORGE-KEY: " VALUE
         "\r\nX-Other-Key: k=" VALUE ", " VALUE "\r\nAccept-Encoding: identity\r\n\r\n"},
        /* Basic: as password, as user, alone */
        {AUTH_BEARER, header,
         "/ HTTP/1.1\r\nHost: a.test\r\nAuthorization: basic "
         "dTpmYWtlLXBsYWNlaG9sZGVyLW9mLXRoaXMtYm90dGxl\r\n\r\n",
         "/ HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic dTpzM2NyZXQtb2YtdGhlLXJvdXRl\r\n"
         "Accept-Encoding: identity\r\n\r\n"},
        {AUTH_BEARER, header,
         "/ HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic "
         "ZmFrZS1wbGFjZWhvbGRlci1vZi10aGlzLWJvdHRsZTo=\r\n\r\n",
         "/ HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic czNjcmV0LW9mLXRoZS1yb3V0ZTo=\r\n"
         "Accept-Encoding: identity\r\n\r\n"},
        /* in the query, where it is declared; elsewhere it is text */
        {AUTH_BEARER, header,
         "/p/" HELD "?a=" HELD
         "&key=fake%2Dplaceholder-of-this-bottle&k HTTP/1.1\r\nHost: a.test\r\nX-Text: " HELD "\r\n\r\n",
         "/p/" HELD "?a=" HELD "&key=" VALUE "&k HTTP/1.1\r\nHost: a.test\r\nX-Text: " HELD
         "\r\nAccept-Encoding: identity\r\n\r\n"},
        /* the agent's own in a declared place stays behind */
        {AUTH_BEARER, header,
         "/?key=own&a=1&k%65y=own HTTP/1.1\r\nHost: a.test\r\nX-Other-Key: own\r\nx_other_key: " HELD
         "\r\n\r\n",
         "/?a=1 HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: identity\r\nAuthorization: Bearer " VALUE
         "\r\n\r\n"},
        {AUTH_BEARER, header,
         "/?key=" HELD "&key=own HTTP/1.1\r\nHost: a.test\r\nX-Api-Key: " HELD "\r\n\r\n",
         "/?key=" VALUE " HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: identity\r\n\r\n"},
        /* a part of something longer is not the placeholder: the route's own field as ever */
        {AUTH_TOKEN, header,
         "/?key=" HELD "x HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer x" HELD "\r\n\r\n",
         "/ HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: identity\r\nAuthorization: token " VALUE "\r\n\r\n"},
        {AUTH_TOKEN, header,
         "/ HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic "
         "dTpmYWtlLXBsYWNlaG9sZGVyLW9mLXRoaXMtYm90dGxleA==\r\n\r\n", /* u:HELDx */
         "/ HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: identity\r\nAuthorization: token " VALUE "\r\n\r\n"},
        {AUTH_TOKEN, header,
         "/ HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic "
         "dTpmYWtlLXBsYWNlaG9sZGVyLW9mLXRoaXMtYm90dGx*\r\n\r\n",
         "/ HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: identity\r\nAuthorization: token " VALUE "\r\n\r\n"},
        /* without any credential: as to a route that has no placeholder */
        {AUTH_TOKEN, header, "/? HTTP/1.1\r\nHost: a.test\r\n\r\n",
         "/? HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: identity\r\nAuthorization: token " VALUE
         "\r\n\r\n"},
        /* what Connection names is of this connection */
        {AUTH_TOKEN, header,
         "/ HTTP/1.1\r\nHost: a.test\r\nConnection: Authorization\r\nAuthorization: Bearer " HELD "\r\n\r\n",
         "/ HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: identity\r\nAuthorization: token " VALUE "\r\n\r\n"},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct route route = {.host = "a.test",
                              .auth = {.scheme = table[i].scheme,
                                       .header = table[i].header,
                                       .placeholder = held,
                                       .in = {{false, header_place}, {true, query_place}},
                                       .in_count = 2}};
        char in[1024], out[1024];
        snprintf(in, sizeof in, "GET %s", table[i].in);
        snprintf(out, sizeof out, "GET %s", table[i].out);
        ck_assert_str_eq(rewritten(&route, VALUE, in), out);
    }
}
END_TEST

START_TEST(of_a_user_and_a_password_the_password_takes_its_place)
{
    static char held[] = HELD;
    struct route route = {.host = "a.test",
                          .auth = {.scheme = AUTH_BASIC, .header = header, .placeholder = held}};

    ck_assert_str_eq(
        rewritten(&route, "user:password",
                  START "Authorization: Basic bWU6ZmFrZS1wbGFjZWhvbGRlci1vZi10aGlzLWJvdHRsZQ==\r\n\r\n"),
        OUT "Authorization: Basic bWU6cGFzc3dvcmQ=\r\nAccept-Encoding: identity\r\n\r\n"); /* me:password */
    ck_assert_str_eq(rewritten(&route, "user:password", START "Authorization: Bearer " HELD "\r\n\r\n"),
                     OUT "Authorization: Bearer password\r\nAccept-Encoding: identity\r\n\r\n");
}
END_TEST

START_TEST(in_the_query_the_value_is_encoded)
{
    static char held[] = HELD, place[] = "key";
    struct route route = {
        .host = "a.test",
        .auth = {
            .scheme = AUTH_RAW, .header = header, .placeholder = held, .in = {{true, place}}, .in_count = 1}};

    ck_assert_str_eq(rewritten(&route, "a&b=c%d/e+f#g~h.i_j-k",
                               "GET /x?key=" HELD "&key HTTP/1.1\r\nHost: a.test\r\n\r\n"),
                     "GET /x?key=a%26b%3Dc%25d%2Fe%2Bf%23g~h.i_j-k HTTP/1.1\r\nHost: a.test\r\n"
                     "Accept-Encoding: identity\r\n\r\n");
}
END_TEST

START_TEST(a_value_needs_tls_unless_the_route_says_otherwise)
{
    struct route route = {.auth = {.scheme = AUTH_BEARER, .secret_name = name}}, none = {.host = "a.test"};

    ck_assert_int_eq(forward_judge(&route, false), DENIAL_AUTH_NEEDS_TLS);
    ck_assert_int_eq(forward_judge(&route, true), DENIAL_NONE);
    ck_assert_int_eq(forward_judge(&none, false), DENIAL_NONE);
    route.insecure = true;
    ck_assert_int_eq(forward_judge(&route, false), DENIAL_NONE);
}
END_TEST

START_TEST(a_head_that_echoes_the_value_is_covered)
{
    static struct h1_head head;
    char in[] = "HTTP/1.1 200 it was " VALUE "\r\nX-" VALUE ": a\r\nX-Echo: Bearer " VALUE
                "\r\nContent-Encoding: identity\r\n\r\n";
    struct redactor *redactor = redactor_new(str_of(VALUE));
    struct h1 h1;
    size_t used;

    h1_init(&h1, false);
    ck_assert_int_eq(h1_next(&h1, in, strlen(in), &used, &head).type, H1_EVENT_HEAD);
    ck_assert_uint_eq(credentials_mask(redactor, &head), 3);
    ck_assert_str_eq(in, "HTTP/1.1 200 it was *******************\r\nX-*******************: a\r\n"
                         "X-Echo: Bearer *******************\r\nContent-Encoding: identity\r\n\r\n");
    ck_assert(!credentials_coded(&head));
    redactor_free(redactor);
}
END_TEST

START_TEST(a_coded_body_cannot_be_searched)
{
    static const struct {
        const char *in;
        bool coded;
    } table[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Encoding: Identity\r\n\r\n", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Encoding: gzip\r\n\r\n", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Encoding: identity\r\nContent-encoding: br\r\n\r\n",
         true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Encoding: identity, gzip\r\n\r\n", true},
        {"HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\n\r\n", false},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        static struct h1_head head;
        struct h1 h1;
        size_t used;
        h1_init(&h1, false);
        ck_assert_int_eq(h1_next(&h1, table[i].in, strlen(table[i].in), &used, &head).type, H1_EVENT_HEAD);
        ck_assert_msg(credentials_coded(&head) == table[i].coded, "%s", table[i].in);
    }
}
END_TEST

START_TEST(the_redactor_is_made_once_for_each_kind)
{
    struct secret_entry entry = {.name = "T", .value = secret_new(str_of("user:password"))};
    struct route basic = {.auth = {.scheme = AUTH_BASIC, .secret = &entry}},
                 raw = {.auth = {.scheme = AUTH_RAW, .secret = &entry}};
    char text[] = "the password", whole[] = "user:password";

    ck_assert_ptr_eq(credentials_redactor(&basic), credentials_redactor(&basic));
    ck_assert_ptr_ne(credentials_redactor(&basic), credentials_redactor(&raw));
    redactor_mask(credentials_redactor(&basic), text, strlen(text));
    ck_assert_str_eq(text, "the ********");
    redactor_mask(credentials_redactor(&raw), whole, strlen(whole));
    ck_assert_str_eq(whole, "*************");
    for (size_t kind = 0; kind < 2; kind++)
        entry.detach(entry.attached[kind]);
    secret_free(entry.value);
}
END_TEST

SUITE_MAIN("credentials", the_agents_own_credentials_stay_behind_on_every_route,
           the_routes_credential_goes_in_once_by_its_scheme, the_value_takes_the_placeholders_place,
           of_a_user_and_a_password_the_password_takes_its_place, in_the_query_the_value_is_encoded,
           a_value_needs_tls_unless_the_route_says_otherwise, a_head_that_echoes_the_value_is_covered,
           a_coded_body_cannot_be_searched, the_redactor_is_made_once_for_each_kind)
