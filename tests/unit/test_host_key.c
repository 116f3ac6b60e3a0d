/* SPDX-License-Identifier: GPL-3.0-or-later */
/* host_key: keys as ssh-keygen(1) makes them, with the fingerprints that it gives them; and what is none. */
#include "hostctl/host_key.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

#define ED25519 "AAAAC3NzaC1lZDI1NTE5AAAAIPdLr1BQmsCjW6KvYfamPY1BMxJQK36FicPT1bINaKPI"
#define ECDSA                                                                                                \
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKHPPtqSgoZynolODI0inToLFB/"                        \
    "76L5T1+uwvhbhIXE9F4Zxwsh"                                                                               \
    "IvE4Gk/+WzAwTujvl/spM+1vyonr5MkJRxNM="
#define RSA                                                                                                  \
    "AAAAB3NzaC1yc2EAAAADAQABAAABAQDe1wvIpcLWNy0BhUY4eMfG6v+"                                                \
    "S12jFNo1O5rNd1SpkyU9Fs28O7d0AtO72NvONeiLMBVGVcWG"                                                       \
    "8inCXgpVLvexb8LkfOZ3tvOtYsFqXGF2nX7qaJ1ChfSfuueApBCATaBV2OCrQtq+u8ptczPc922XeNrqpp0JqAwQwRC8iw/"        \
    "boKO6Bam"                                                                                               \
    "29P6jk1m9m14oRBKZiDFnMxeuDcaz0DoQIUh5alkm0L2NvkyxcXry/vT8YcUh/hrMWni1uJW66nTjYCH62w8qEIWUqW/"           \
    "vANH5evLRQ4G"                                                                                           \
    "xGFsfigMgY7CTc47W3iiZK9cC3wLEcBimVRfkFEhmEB4LQ4kn5OtF3Ra5B0S6P"

START_TEST(keys_have_the_fingerprints_that_ssh_keygen_gives_them)
{
    static const struct {
        const char *text, *type, *fingerprint;
    } keys[] = {
        {"ssh-ed25519 " ED25519, "ssh-ed25519", "SHA256:Q1H5vAAKSckE9zT9HDLDS4AHFXFBgVrm5ctc3pTWtd4"},
        {"ecdsa-sha2-nistp256 " ECDSA, "ecdsa-sha2-nistp256",
         "SHA256:qOs7qkPClngwNStAUah2K7ibJ1sxGaMeXHdVamIGWrs"},
        {"ssh-rsa " RSA, "ssh-rsa", "SHA256:ojslisisBblEv0FFrGmQ4xX4uDVWka55Hn1bTj2PvMc"},
    };
    char fingerprint[HOST_KEY_FINGERPRINT];

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct str text = str_of(keys[i].text);
        ck_assert(host_key_is(text));
        ck_assert(str_equal(host_key_type(text), str_of(keys[i].type)));
        host_key_fingerprint(text, fingerprint);
        ck_assert_str_eq(fingerprint, keys[i].fingerprint);
    }
}
END_TEST

START_TEST(what_is_no_key_of_its_type_is_none)
{
    static const char *const wrong[] = {
        "",
        "ssh-ed25519",
        "ssh-ed25519 ",
        "ssh-ed25519  " ED25519,
        "ssh-ed25519 " ED25519 " comment",
        "ssh-ed25519 " ED25519 "\n",
        "ssh-rsa " ED25519,
        "ssh-ed25519 " RSA,
        "ssh-dss " RSA,
        "h.example ssh-ed25519 " ED25519,
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPdLr1BQmsCjW6KvYfamPY1BMxJQK36FicPT1bINaKP",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPdLr1BQmsCjW6KvYfamPY1BMxJQK36FicPT1bINaK*=",
        "ssh-ed25519 /AAAC3NzaC1lZDI1NTE5AAAAIPdLr1BQmsCjW6KvYfamPY1BMxJQK36FicPT1bINaKPI",
    };
    static char longest[2 * HOST_KEY_MAX];

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(!host_key_is(str_of(wrong[i])), "%s", wrong[i]);
    ck_assert(host_key_is((struct str){"ssh-ed25519 " ED25519 "=", strlen("ssh-ed25519 " ED25519)}));
    memset(longest, 'A', sizeof longest - 1);
    memcpy(longest, "ssh-rsa AAAAB3NzaC1yc2EA", 24);
    ck_assert(!host_key_is(str_of(longest)));
    longest[8 + 4 * 1000] = '\0';
    ck_assert(host_key_is(str_of(longest))); /* it is the length that made it none */
}
END_TEST

START_TEST(base64_is_strict)
{
    static const struct {
        const char *text, *bytes; /* NULL: none */
    } table[] = {{"", ""},           {"Zg==", "f"},  {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9vYmFy", "foobar"},
                 {"Zg=", NULL},      {"Zg", NULL},   {"Z===", NULL}, {"====", NULL},  {"Zm9v====", NULL},
                 {"Zg==Zm9v", NULL}, {"Zm 9", NULL}, {"Zm-_", NULL}, {"Zm9=v", NULL}, {"=m9v", NULL}};
    unsigned char bytes[16];

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        long len = base64_decode(str_of(table[i].text), bytes);
        ck_assert_msg(len == (table[i].bytes != NULL ? (long)strlen(table[i].bytes) : -1), "%s: %ld",
                      table[i].text, len);
        if (len > 0)
            ck_assert_mem_eq(bytes, table[i].bytes, (size_t)len);
    }
    ck_assert_int_eq(base64_decode((struct str){"Zm9\0", 4}, bytes), -1);
}
END_TEST

SUITE_MAIN("host_key", keys_have_the_fingerprints_that_ssh_keygen_gives_them,
           what_is_no_key_of_its_type_is_none, base64_is_strict)
