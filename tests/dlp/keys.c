/* SPDX-License-Identifier: GPL-3.0-or-later */
/* keys: see keys.h. */
#include "tests/dlp/keys.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wolfssl/wolfcrypt/coding.h>

static size_t file_read(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "rbe");

    ck_assert_msg(file != NULL, "%s is not there", path);
    size_t len = fread(text, 1, size - 1, file);
    text[len] = '\0';
    fclose(file);
    return len;
}

static void run(const char *command)
{
    ck_assert_msg(system(command) == 0, "%s (ssh-keygen is in Debian's openssh-client)", command);
}

/* Makes a folder, runs ssh-keygen on the file "key" in it, reads what is there then, and removes all. */
static void keygen(const struct test_key *from, const char *options, struct test_key *to)
{
    char folder[] = "/tmp/stopper-key-XXXXXX", path[64], command[300];

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/key", folder);
    if (from != NULL) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_eq((int)write(fd, from->text, from->len), (int)from->len);
        close(fd);
        *to = *from;
    }
    snprintf(command, sizeof command,
             "ssh-keygen -q %s -f %s >%s/said 2>&1 </dev/null || { cat %s/said; false; }", options, path,
             folder, folder);
    run(command);
    to->len = file_read(path, to->text, sizeof to->text);
    if (from == NULL) {
        snprintf(path, sizeof path, "%s/key.pub", folder);
        file_read(path, to->public, sizeof to->public);
    }
    snprintf(command, sizeof command, "rm -r %s", folder);
    run(command);
}

void test_key_make(struct test_key *key, const char *options)
{
    char all[200];

    snprintf(all, sizeof all, "%s -N '' -C test", options);
    keygen(NULL, all, key);
}

void test_key_convert(const struct test_key *from, const char *format, const char *passphrase,
                      struct test_key *to)
{
    char all[200];

    snprintf(all, sizeof all, "-p -P '' -N '%s' -m %s", passphrase, format);
    keygen(from, all, to);
}

size_t test_key_bytes(struct str text, uint8_t bytes[8192])
{
    const char *begin = memchr(text.ptr, '\n', text.len), *end = memmem(text.ptr, text.len, "\n-----END", 9);
    word32 len = 8192;

    ck_assert(begin != NULL && end != NULL);
    ck_assert_int_eq(Base64_Decode((const byte *)begin + 1, (word32)(end - begin), bytes, &len), 0);
    return len;
}

void test_key_ed25519(const uint8_t seed[32], struct test_key *key)
{
    uint8_t der[48] = {0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20};
    byte digits[80];
    word32 len = sizeof digits;

    memcpy(der + 16, seed, 32);
    ck_assert_int_eq(Base64_Encode_NoNl(der, sizeof der, digits, &len), 0);
    key->len = (size_t)snprintf(key->text, sizeof key->text,
                                "-----BEGIN PRIVATE KEY-----\n%.*s\n-----END PRIVATE KEY-----\n", (int)len,
                                (char *)digits);
}
