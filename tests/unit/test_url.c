/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_url: what has one reading, and what a lenient server would make of the rest. */
#include "core/url.h"

#include <string.h>

#include "tests/unit/suite.h"

START_TEST(a_path_has_one_reading_or_is_called_ambiguous)
{
    static const struct {
        const char *path;
        enum url_result result;
        const char *out;
    } table[] = {
        {"/", URL_OK, "/"},
        {"/a/b", URL_OK, "/a/b"},
        {"/a/b/", URL_OK, "/a/b/"},
        {"/a%20b/%C3%A9", URL_OK, "/a b/\xc3\xa9"},
        {"/info%2drefs", URL_OK, "/info-refs"},
        {"/a.git/...", URL_OK, "/a.git/..."},
        {"/a//b", URL_AMBIGUOUS, "/a/b"},
        {"//a", URL_AMBIGUOUS, "/a"},
        {"/a/./b", URL_AMBIGUOUS, "/a/b"},
        {"/a/../b", URL_AMBIGUOUS, "/b"},
        {"/../../b", URL_AMBIGUOUS, "/b"},
        {"/a/..", URL_AMBIGUOUS, "/"},
        {"/a/.", URL_AMBIGUOUS, "/a"},
        {"/a/%2e%2E/b", URL_AMBIGUOUS, "/b"},
        {"/a%2Fb", URL_AMBIGUOUS, "/a/b"},
        {"/a%252Fb", URL_AMBIGUOUS, "/a/b"},
        {"/a%25252fb", URL_AMBIGUOUS, "/a/b"},
        {"/a\\b", URL_AMBIGUOUS, "/a/b"},
        {"/a%5cb", URL_AMBIGUOUS, "/a/b"},
        {"/a;x=1/b", URL_AMBIGUOUS, "/a/b"},
        {"/a%3bx/b;y", URL_AMBIGUOUS, "/a/b"},
        {"/a%25", URL_AMBIGUOUS, "/a%"},
        {"/a%3Fb", URL_AMBIGUOUS, "/a/b"},
        {"/a%23b", URL_AMBIGUOUS, "/a/b"},
        {"/a%0Ab", URL_AMBIGUOUS, "/a\nb"},
        {"/a%7f", URL_AMBIGUOUS, "/a\x7f"},
        {"/%C0%AE%C0%AE/b", URL_AMBIGUOUS, "/\xc0\xae\xc0\xae/b"},
        {"/%E9", URL_AMBIGUOUS, "/\xe9"},
        {"/%ED%A0%80", URL_AMBIGUOUS, "/\xed\xa0\x80"},
        {"/%F4%90%80%80", URL_AMBIGUOUS, "/\xf4\x90\x80\x80"},
        {"/%E2%82", URL_AMBIGUOUS, "/\xe2\x82"},
        {"/%E2%82%AC/%F0%9F%98%80", URL_OK, "/\xe2\x82\xac/\xf0\x9f\x98\x80"},
        {"", URL_BAD, ""},
        {"a", URL_BAD, ""},
        {"*", URL_BAD, ""},
        {"/a#b", URL_BAD, "/a/b"},
        {"/a?b", URL_BAD, "/a/b"},
        {"/%", URL_BAD, "/%"},
        {"/%2", URL_BAD, "/%2"},
        {"/%2g", URL_BAD, "/%2g"},
        {"/%00", URL_BAD, "/%00"},
        {"/a b//%2563", URL_BAD, "/a b/c"},
        {"/\xc3\xa9", URL_BAD, "/\xc3\xa9"},
        {"/\x01", URL_BAD, "/\x01"},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char out[64];
        ck_assert_msg(url_path(str_of(table[i].path), out) == table[i].result, "%s: %s", table[i].path, out);
        ck_assert_str_eq(out, table[i].out);
    }
}
END_TEST

START_TEST(a_path_is_never_longer_than_it_was)
{
    static char path[URL_PATH_MAX + 1], out[URL_PATH_MAX + 2];

    memset(path, '/', sizeof path);
    ck_assert_int_eq(url_path((struct str){path, URL_PATH_MAX}, out), URL_AMBIGUOUS);
    ck_assert_str_eq(out, "/");
    ck_assert_int_eq(url_path((struct str){path, URL_PATH_MAX + 1}, out), URL_BAD);
    for (size_t i = 0; i + 4 < URL_PATH_MAX; i += 4)
        memcpy(path + i, "/%25", 4);
    ck_assert_int_eq(url_path((struct str){path, URL_PATH_MAX}, out), URL_AMBIGUOUS);
}
END_TEST

START_TEST(forms_are_decoded_once)
{
    char out[32];
    size_t len = url_decode(str_of("git%2Dreceive+pack%2"), out);

    ck_assert(str_equal((struct str){out, len}, str_of("git-receive pack%2")));
}
END_TEST

SUITE_MAIN("url", a_path_has_one_reading_or_is_called_ambiguous, a_path_is_never_longer_than_it_was,
           forms_are_decoded_once)
