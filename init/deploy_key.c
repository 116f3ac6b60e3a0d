/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * deploy_key: an ed25519 key and its two texts. Everything that holds the private half is one piece of locked memory that is
 * wiped; what the library leaves on the stack is overwritten.
 */
#include <string.h>

#include <wolfssl/wolfcrypt/coding.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/hash.h>
#include <wolfssl/wolfcrypt/random.h>

#include "init/gate_keys.h"

#define TYPE    "ssh-ed25519"
#define COMMENT "stopper:"
#define HEAD    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define FOOT    "-----END OPENSSH PRIVATE KEY-----\n"
#define STACK   16384 /* bytes; more than the library's ed25519 uses */

struct wire {
    unsigned char bytes[512];
    size_t len;
};

struct making {
    WC_RNG rng;
    ed25519_key key;
    bool has_rng, has_key;
    unsigned char secret[ED25519_PRV_KEY_SIZE], open[ED25519_PUB_KEY_SIZE]; /* seed and point; the point */
    struct wire private, file;
    char pem[1024];
};

static int wolf(int code, const char *what, struct err *err)
{
    return code >= 0 ? code : err_set(err, "deploy key: %s: %s", what, wc_GetErrorString(code));
}

static void put(struct wire *wire, const void *bytes, size_t len)
{
    memcpy(wire->bytes + wire->len, bytes, len);
    wire->len += len;
}

static void put_u32(struct wire *wire, uint32_t number)
{
    const unsigned char bytes[4] = {(unsigned char)(number >> 24), (unsigned char)(number >> 16),
                                    (unsigned char)(number >> 8), (unsigned char)number};

    put(wire, bytes, sizeof bytes);
}

/* RFC 4251 section 5. */
static void put_string(struct wire *wire, const void *bytes, size_t len)
{
    put_u32(wire, (uint32_t)len);
    put(wire, bytes, len);
}

/* RFC 8709 section 4. */
static void public_blob(const struct making *making, struct wire *blob)
{
    blob->len = 0;
    put_string(blob, TYPE, sizeof TYPE - 1);
    put_string(blob, making->open, sizeof making->open);
}

static int key_make(struct making *making, struct err *err)
{
    word32 secret = sizeof making->secret, open = sizeof making->open;

    if (wolf(wc_InitRng(&making->rng), "random numbers", err) < 0)
        return -1;
    making->has_rng = true;
    if (wolf(wc_ed25519_init(&making->key), "key", err) < 0)
        return -1;
    making->has_key = true;
    return wolf(wc_ed25519_make_key(&making->rng, ED25519_KEY_SIZE, &making->key), "key", err) < 0 ||
                   wolf(wc_ed25519_export_private(&making->key, making->secret, &secret), "key", err) < 0 ||
                   wolf(wc_ed25519_export_public(&making->key, making->open, &open), "key", err) < 0
               ? -1
               : 0;
}

/* PROTOCOL.key: what would be encrypted, padded with 1, 2, 3… to the block size, which is 8 without a cipher. */
static int private_part(struct making *making, const char *comment, struct err *err)
{
    struct wire *wire = &making->private;
    uint32_t check;

    if (wolf(wc_RNG_GenerateBlock(&making->rng, (byte *)&check, sizeof check), "random numbers", err) < 0)
        return -1;
    put_u32(wire, check);
    put_u32(wire, check);
    put_string(wire, TYPE, sizeof TYPE - 1);
    put_string(wire, making->open, sizeof making->open);
    put_string(wire, making->secret, sizeof making->secret);
    put_string(wire, comment, strlen(comment));
    for (unsigned char pad = 1; wire->len % 8 != 0; pad++)
        put(wire, &pad, 1);
    return 0;
}

/* The whole file, in `pem`. Returns its length, or -1 with err. */
static int file_make(struct making *making, const char *comment, struct err *err)
{
    struct wire *file = &making->file, blob;
    word32 len = sizeof making->pem - sizeof HEAD - sizeof FOOT;

    if (private_part(making, comment, err) < 0)
        return -1;
    put(file, "openssh-key-v1", sizeof "openssh-key-v1"); /* with its NUL */
    put_string(file, "none", 4);                          /* cipher */
    put_string(file, "none", 4);                          /* key derivation, and its options */
    put_string(file, "", 0);
    put_u32(file, 1);
    public_blob(making, &blob);
    put_string(file, blob.bytes, blob.len);
    put_string(file, making->private.bytes, making->private.len);
    memcpy(making->pem, HEAD, sizeof HEAD - 1);
    if (wolf(Base64_Encode(file->bytes, (word32)file->len, (byte *)making->pem + sizeof HEAD - 1, &len),
             "text", err) < 0)
        return -1;
    memcpy(making->pem + sizeof HEAD - 1 + len, FOOT, sizeof FOOT - 1);
    return (int)(sizeof HEAD - 1 + len + sizeof FOOT - 1);
}

static int line_make(const struct making *making, const char *comment, char line[DEPLOY_LINE_MAX],
                     struct err *err)
{
    struct wire blob;
    char text[80];
    word32 len = sizeof text;

    public_blob(making, &blob);
    if (wolf(Base64_Encode_NoNl(blob.bytes, (word32)blob.len, (byte *)text, &len), "text", err) < 0)
        return -1;
    snprintf(line, DEPLOY_LINE_MAX, "%s %.*s %s", TYPE, (int)len, text, comment);
    return 0;
}

int deploy_key_print(const char *line, char print[DEPLOY_PRINT_MAX])
{
    static const char begin[] = TYPE " ";
    const char *text = line + sizeof begin - 1;
    unsigned char blob[64], hash[WC_SHA256_DIGEST_SIZE];
    word32 len = sizeof blob, printed;
    char room[48];

    if (strncmp(line, begin, sizeof begin - 1) != 0 ||
        Base64_Decode((const byte *)text, (word32)strcspn(text, " "), blob, &len) != 0 ||
        wc_Sha256Hash(blob, len, hash) != 0)
        return -1;
    printed = sizeof room;
    if (Base64_Encode_NoNl(hash, sizeof hash, (byte *)room, &printed) != 0)
        return -1;
    while (printed > 0 && room[printed - 1] == '=')
        printed--;
    return snprintf(print, DEPLOY_PRINT_MAX, "SHA256:%.*s", (int)printed, room) < DEPLOY_PRINT_MAX ? 0 : -1;
}

/* What a call before left there: SHA-512 of the seed is the scalar. */
static void __attribute__((noinline)) stack_wipe(void)
{
    unsigned char below[STACK];

    secret_wipe(below, sizeof below);
}

int deploy_key_make(const char *name, struct secret **text, char line[DEPLOY_LINE_MAX], struct err *err)
{
    struct making *making = secret_alloc(sizeof *making);
    char comment[sizeof COMMENT + GATE_NAME_MAX];
    int len = -1;

    if (making == NULL)
        return err_set_errno(err, "deploy key: no locked memory");
    snprintf(comment, sizeof comment, COMMENT "%s", name);
    if (key_make(making, err) == 0 && line_make(making, comment, line, err) == 0)
        len = file_make(making, comment, err);
    *text = len > 0 ? secret_new((struct str){making->pem, (size_t)len}) : NULL;
    if (len > 0 && *text == NULL)
        err_set_errno(err, "deploy key: no locked memory");
    if (making->has_key)
        wc_ed25519_free(&making->key);
    if (making->has_rng)
        wc_FreeRng(&making->rng);
    stack_wipe();
    secret_release(making, sizeof *making);
    return *text != NULL ? 0 : -1;
}
