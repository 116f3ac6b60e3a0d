/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the shim makes of an image's roots. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/shim_trust.h"
#include "tests/unit/image.h"
#include "tests/unit/suite.h"

#define PEM(bytes) "-----BEGIN CERTIFICATE-----\n" bytes "\n-----END CERTIFICATE-----\n"
#define ROOTS      "# a root\n" PEM("QUJD") PEM("REVG")
#define OURS       PEM("T1VS")
#define MARK       "\n# Stopper: the authority of this bottle\n"
#define HASH       "0a1b2c3d"

static void holds(const char *path, const char *wanted)
{
    char text[4096];
    int fd = open(path, O_RDONLY);
    ck_assert_msg(fd >= 0, "%s is not there", path);
    ssize_t len = read(fd, text, sizeof text - 1);
    ck_assert_int_ge(len, 0);
    text[len] = '\0';
    close(fd);
    ck_assert_msg(strcmp(text, wanted) == 0, "%s holds:\n%s", path, text);
}

static void leads(const char *path, const char *wanted)
{
    char target[256];
    ssize_t len = readlink(path, target, sizeof target - 1);
    ck_assert_msg(len > 0, "%s is no link", path);
    target[len] = '\0';
    ck_assert_str_eq(target, wanted);
}

static struct shim_config configure(const char *ca, const char *env)
{
    char text[1024], escaped[512];
    struct shim_config config;
    struct err err;
    size_t len = 0;
    for (const char *at = ca; *at; at++)
        len += (size_t)snprintf(escaped + len, sizeof escaped - len, *at == '\n' ? "\\n" : "%c", *at);
    snprintf(text, sizeof text,
             "{\"protocol\":1,\"interface\":\"a0\",\"gateway\":\"10.0.0.1\",\"resolver\":\"10.0.0.1\","
             "\"uid\":1000,"
             "\"gid\":1000,\"cwd\":\"/\",\"env\":{%s},\"ca\":\"%s\",\"ca_subject_hash\":\"" HASH "\"}",
             env, escaped);
    ck_assert_msg(shim_config_parse(str_of(text), &config, &err) == 0, "%s", err.text);
    return config;
}

static void trust(const char *ca, const char *env)
{
    struct shim_config config = configure(ca, env);
    struct err err;
    ck_assert_msg(shim_trust_setup(&config, false, &err) == 0, "%s", err.text);
    shim_config_fini(&config);
}

START_TEST(debians_roots_stay_and_ours_comes_beside_them)
{
    image();
    put("/etc/ssl/certs/ca-certificates.crt", ROOTS);
    put("/usr/share/one.crt", PEM("QUJD"));
    ck_assert_int_eq(symlink("/usr/share/one.crt", "/etc/ssl/certs/deadbeef.0"), 0);
    put("/etc/ssl/certs/java/cacerts", "no matter");
    trust(OURS, "");
    holds("/run/stopper-ca/ca.pem", OURS);
    holds("/run/stopper-ca/bundle.pem", ROOTS MARK OURS);
    holds("/etc/ssl/certs/ca-certificates.crt", ROOTS MARK OURS);
    leads("/run/stopper-ca/certs/deadbeef.0", "/etc/ssl/certs/deadbeef.0");
    holds("/run/stopper-ca/certs/deadbeef.0", PEM("QUJD"));
    leads("/run/stopper-ca/certs/" HASH ".0", "/run/stopper-ca/ca.pem");
    holds("/etc/ssl/certs/" HASH ".0", OURS);
    ck_assert_int_ne(access("/run/stopper-ca/cacerts.jks", F_OK), 0);
    ck_assert_int_ne(access("/etc/ssl/certs/ca-certificates.crt.stopper-new", F_OK), 0);
}
END_TEST

START_TEST(a_container_that_starts_again_trusts_its_new_authority_only)
{
    image();
    put("/etc/ssl/certs/ca-certificates.crt", ROOTS);
    trust(PEM("T0xE"), "");
    trust(OURS, "");
    holds("/run/stopper-ca/bundle.pem", ROOTS MARK OURS);
    holds("/etc/ssl/certs/ca-certificates.crt", ROOTS MARK OURS);
    holds("/etc/ssl/certs/" HASH ".0", OURS);
    ck_assert_int_ne(access("/etc/ssl/certs/" HASH ".1", F_OK), 0);
}
END_TEST

START_TEST(fedoras_links_stay_links_and_its_tools_find_ours_again)
{
    image();
    put("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", ROOTS);
    put("/etc/pki/tls/certs/x", "");
    ck_assert_int_eq(
        symlink("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/pki/tls/certs/ca-bundle.crt"), 0);
    ck_assert_int_eq(symlink("../pki/tls/certs", "/etc/ssl"), 0);
    put("/etc/pki/ca-trust/source/anchors/corporate.pem", PEM("Q09S"));
    trust(OURS, "");
    leads("/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem");
    holds("/etc/pki/tls/certs/ca-bundle.crt", ROOTS MARK OURS);
    holds("/run/stopper-ca/bundle.pem", ROOTS MARK OURS);
    holds("/etc/pki/ca-trust/source/anchors/stopper.pem", OURS);
    holds("/etc/pki/ca-trust/source/anchors/corporate.pem", PEM("Q09S"));
}
END_TEST

START_TEST(an_image_without_roots_gets_ours_and_no_new_places)
{
    image();
    trust(OURS, "\"PATH\":\"/usr/bin\"");
    holds("/run/stopper-ca/bundle.pem", MARK OURS);
    holds("/run/stopper-ca/certs/" HASH ".0", OURS);
    ck_assert_int_ne(access("/etc", F_OK), 0);
}
END_TEST

START_TEST(what_cannot_be_written_stays_as_it_is)
{
    image();
    put("/etc/ssl/certs/ca-certificates.crt", ROOTS);
    ck_assert_int_eq(mount("/etc", "/etc", NULL, MS_BIND, NULL), 0);
    ck_assert_int_eq(mount(NULL, "/etc", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
    trust(OURS, "");
    holds("/etc/ssl/certs/ca-certificates.crt", ROOTS);
    holds("/run/stopper-ca/bundle.pem", ROOTS MARK OURS);
}
END_TEST

START_TEST(a_folder_that_is_not_roots_is_refused)
{
    struct err err;
    image();
    struct shim_config config = configure(OURS, "");
    ck_assert_int_eq(mkdir("/run/stopper-ca", 0777), 0);
    ck_assert_int_eq(chown("/run/stopper-ca", 1000, 1000), 0);
    ck_assert_int_eq(shim_trust_setup(&config, false, &err), -1);
    ck_assert_str_eq(err.text, "trust: /run/stopper-ca is not a folder of root's");
    shim_config_fini(&config);
}
END_TEST

START_TEST(java_gets_a_store_where_there_is_one)
{
    image();
    put("/etc/ssl/certs/ca-certificates.crt", ROOTS);
    put("/opt/java/openjdk/bin/java", "");
    trust(OURS, "");
    ck_assert_int_eq(access("/run/stopper-ca/cacerts.jks", R_OK), 0);
    struct shim_config config = configure(OURS, "");
    struct err err;
    ck_assert_int_eq(shim_trust_environment(&config, &err), 0);
    ck_assert_str_eq(json_string_value(json_object_get(config.env, "JAVA_TOOL_OPTIONS")),
                     "-Djavax.net.ssl.trustStore=/run/stopper-ca/cacerts.jks");
    shim_config_fini(&config);
    /* that would stand in place of Java's own roots, of which nothing is known */
    unlink("/etc/ssl/certs/ca-certificates.crt");
    trust(OURS, "");
    ck_assert_int_ne(access("/run/stopper-ca/cacerts.jks", F_OK), 0);
}
END_TEST

START_TEST(the_manifests_variables_win)
{
    struct err err;
    image();
    struct shim_config config = configure(OURS, "\"PIP_CERT\":\"/mine\",\"OTHER\":\"1\"");
    ck_assert_int_eq(shim_trust_environment(&config, &err), 0);
    ck_assert_str_eq(json_string_value(json_object_get(config.env, "PIP_CERT")), "/mine");
    ck_assert_str_eq(json_string_value(json_object_get(config.env, "OTHER")), "1");
    ck_assert_str_eq(json_string_value(json_object_get(config.env, "SSL_CERT_FILE")),
                     "/run/stopper-ca/bundle.pem");
    ck_assert_str_eq(json_string_value(json_object_get(config.env, "NODE_EXTRA_CA_CERTS")),
                     "/run/stopper-ca/ca.pem");
    ck_assert_ptr_null(json_object_get(config.env, "JAVA_TOOL_OPTIONS"));
    shim_config_fini(&config);
}
END_TEST

/* Who reads which is said in docs/ARCHITECTURE.md, "Trust". Those that a program reads in place of its own
 * roots hold all roots, the others ours alone. */
START_TEST(every_program_finds_its_variable)
{
    static const struct {
        const char *name, *value;
    } wanted[] = {
        {"SSL_CERT_FILE", "/run/stopper-ca/bundle.pem"},
        {"SSL_CERT_DIR", "/run/stopper-ca/certs"},
        {"NODE_EXTRA_CA_CERTS", "/run/stopper-ca/ca.pem"},
        {"DENO_CERT", "/run/stopper-ca/ca.pem"},
        {"REQUESTS_CA_BUNDLE", "/run/stopper-ca/bundle.pem"},
        {"HTTPLIB2_CA_CERTS", "/run/stopper-ca/bundle.pem"},
        {"PIP_CERT", "/run/stopper-ca/bundle.pem"},
        {"CURL_CA_BUNDLE", "/run/stopper-ca/bundle.pem"},
        {"GIT_SSL_CAINFO", "/run/stopper-ca/bundle.pem"},
        {"CARGO_HTTP_CAINFO", "/run/stopper-ca/bundle.pem"},
        {"AWS_CA_BUNDLE", "/run/stopper-ca/bundle.pem"},
        {"CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "/run/stopper-ca/bundle.pem"},
        {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "/run/stopper-ca/bundle.pem"},
        {"NIX_SSL_CERT_FILE", "/run/stopper-ca/bundle.pem"},
        {"JAVA_TOOL_OPTIONS", "-Djavax.net.ssl.trustStore=/run/stopper-ca/cacerts.jks"},
    };
    struct err err;
    image();
    put("/run/stopper-ca/cacerts.jks", "");
    struct shim_config config = configure(OURS, "");
    ck_assert_int_eq(shim_trust_environment(&config, &err), 0);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const char *value = json_string_value(json_object_get(config.env, wanted[i].name));
        ck_assert_msg(value && strcmp(value, wanted[i].value) == 0, "%s is %s", wanted[i].name,
                      value ? value : "not set");
    }
    ck_assert_uint_eq(json_object_size(config.env), sizeof wanted / sizeof wanted[0]);
    shim_config_fini(&config);
}
END_TEST

START_TEST(without_an_authority_nothing_is_touched)
{
    struct err err;
    image();
    struct shim_config config = configure(OURS, "");
    free(config.ca);
    config.ca = NULL;
    put("/etc/ssl/certs/ca-certificates.crt", ROOTS);
    ck_assert_int_eq(shim_trust_setup(&config, false, &err), 0);
    ck_assert_int_eq(shim_trust_environment(&config, &err), 0);
    ck_assert_uint_eq(json_object_size(config.env), 0);
    holds("/etc/ssl/certs/ca-certificates.crt", ROOTS);
    ck_assert_int_ne(access("/run/stopper-ca", F_OK), 0);
    shim_config_fini(&config);
}
END_TEST

/* ---- for an image whose container has no root ---- */

/* What is in the archive, in order, as "PATH:CONTENTS" with "|" between: read by the format's description, not
 * by our own code. */
static void archived(char *const places[], size_t count, const char *hash, const char *wanted)
{
    char text[4096] = "";
    struct buf tar;
    struct err err;
    size_t len = 0;
    ck_assert_msg(shim_trust_archive(OURS, hash, places, count, &tar, &err) == 0, "%s", err.text);
    struct str rest = buf_str(&tar);
    ck_assert_uint_eq(rest.len % 512, 0);
    while (rest.len > 0 && rest.ptr[0] != '\0') {
        const char *block = rest.ptr;
        size_t size = strtoul(block + 124, NULL, 8), sum = 0;
        for (size_t i = 0; i < 512; i++)
            sum += i >= 148 && i < 156 ? ' ' : (unsigned char)block[i];
        ck_assert_uint_eq(strtoul(block + 148, NULL, 8), sum);
        ck_assert_mem_eq(block + 257, "ustar\00000", 8);
        ck_assert_int_eq(block[156], '0');
        ck_assert_uint_eq(strtoul(block + 100, NULL, 8), 0644);
        ck_assert_uint_eq(strtoul(block + 108, NULL, 8) + strtoul(block + 116, NULL, 8), 0);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s/%.155s%s%.100s:%.*s", len > 0 ? "|" : "",
                                block + 345, block[345] ? "/" : "", block, (int)size, block + 512);
        size_t used = 512 + (size + 511) / 512 * 512;
        rest.ptr += used;
        rest.len -= used;
    }
    ck_assert_str_eq(text, wanted);
    ck_assert_uint_eq(rest.len, wanted[0] ? 1024 : 0);
    buf_fini(&tar);
}

START_TEST(an_archive_holds_what_would_be_changed_in_place)
{
    image();
    put("/etc/ssl/certs/ca-certificates.crt", ROOTS);
    ck_assert_int_eq(symlink("certs/ca-certificates.crt", "/etc/ssl/cert.pem"), 0);
    put("/etc/ssl/certs/" HASH ".0", PEM("QUJD"));
    put("/usr/local/share/ca-certificates/corporate.crt", PEM("Q09S"));
    archived(NULL, 0, HASH,
             "/etc/ssl/certs/ca-certificates.crt:" ROOTS MARK OURS "|/etc/ssl/certs/" HASH ".1:" OURS
             "|/usr/local/share/ca-certificates/stopper.crt:" OURS);
    archived(NULL, 0, "",
             "/etc/ssl/certs/ca-certificates.crt:" ROOTS MARK OURS
             "|/usr/local/share/ca-certificates/stopper.crt:" OURS);
    holds("/etc/ssl/certs/ca-certificates.crt", ROOTS); /* nothing is written */
    ck_assert_int_ne(access("/run/stopper-ca", F_OK), 0);
}
END_TEST

START_TEST(a_sealed_container_gets_its_own_folder_only)
{
    struct err err;
    image();
    put("/etc/ssl/certs/ca-certificates.crt", ROOTS);
    put("/usr/local/share/ca-certificates/corporate.crt", PEM("Q09S"));
    struct shim_config config = configure(OURS, "");
    config.sealed = true;
    ck_assert_msg(shim_trust_setup(&config, false, &err) == 0, "%s", err.text);
    holds("/run/stopper-ca/bundle.pem", ROOTS MARK OURS);
    holds("/etc/ssl/certs/ca-certificates.crt", ROOTS);
    ck_assert_int_ne(access("/etc/ssl/certs/" HASH ".0", F_OK), 0);
    ck_assert_int_ne(access("/usr/local/share/ca-certificates/stopper.crt", F_OK), 0);
    shim_config_fini(&config);
}
END_TEST

START_TEST(an_archive_of_an_image_without_roots_is_empty)
{
    image();
    archived(NULL, 0, HASH, "");
}
END_TEST

#define DEEP                                                                                                 \
    "/store/0123456789abcdefghijklmnopqrstuvwxyz0123456789-certificates-of-authorities/etc/ssl/certs/"       \
    "ca-bundle.crt"

START_TEST(an_archive_follows_links_of_the_image_and_none_into_a_mount)
{
    char work[] = "/work", linked[] = "/linked/new",
         store[] = "/store/x", *const places[] = {work, linked, store};
    image();
    put(DEEP, ROOTS);
    put("/work/roots.pem", ROOTS);
    put("/var/elsewhere/new/roots.pem", ROOTS);
    put("/workshop/roots.pem", ROOTS);
    put("/dev/roots.pem", ROOTS);
    put("/etc/ssl/x", "");
    ck_assert_int_eq(symlink("/var/elsewhere", "/linked"), 0);
    ck_assert_int_eq(symlink(DEEP, "/etc/ssl/cert.pem"), 0);
    ck_assert_int_eq(symlink("/work/roots.pem", "/etc/ssl/ca-bundle.pem"), 0);
    put("/etc/pki/tls/x", "");
    ck_assert_int_eq(symlink("/var/elsewhere/new/roots.pem", "/etc/pki/tls/cert.pem"), 0);
    put("/var/lib/ca-certificates/x", "");
    ck_assert_int_eq(symlink("/workshop/roots.pem", "/var/lib/ca-certificates/ca-bundle.pem"), 0);
    put("/etc/ca-certificates/extracted/x", "");
    ck_assert_int_eq(symlink("/dev/roots.pem", "/etc/ca-certificates/extracted/tls-ca-bundle.pem"), 0);
    archived(places, 3, HASH, DEEP ":" ROOTS MARK OURS "|/workshop/roots.pem:" ROOTS MARK OURS);
    archived(NULL, 0, HASH, /* the control */
             DEEP ":" ROOTS MARK OURS "|/work/roots.pem:" ROOTS MARK OURS
                  "|/var/elsewhere/new/roots.pem:" ROOTS MARK OURS "|/workshop/roots.pem:" ROOTS MARK OURS);
}
END_TEST

START_TEST(in_place_no_link_of_the_image_leads_into_a_mount)
{
    char work[] = "/work", linked[] = "/linked", *mounts[] = {work, linked};
    struct err err;
    image();
    put("/etc/ssl/x", "");
    put("/etc/pki/tls/x", "");
    put("/work/roots.pem", ROOTS);
    put("/work/certs/deadbeef.0", ROOTS);
    put("/var/elsewhere/anchors/corporate.pem", PEM("Q09S"));
    put("/etc/pki/ca-trust/source/x", "");
    put("/workshop/roots.pem", ROOTS);
    ck_assert_int_eq(symlink("/var/elsewhere", "/linked"), 0);
    ck_assert_int_eq(symlink("/work/roots.pem", "/etc/ssl/cert.pem"), 0);
    ck_assert_int_eq(symlink("/work/certs", "/etc/ssl/certs"), 0);
    ck_assert_int_eq(symlink("/linked/anchors", "/etc/pki/ca-trust/source/anchors"), 0);
    ck_assert_int_eq(symlink("/workshop/roots.pem", "/etc/pki/tls/cert.pem"), 0);
    struct shim_config config = configure(OURS, "");
    config.mounts = mounts;
    config.mount_count = 2;
    ck_assert_msg(shim_trust_setup(&config, false, &err) == 0, "%s", err.text);
    holds("/run/stopper-ca/bundle.pem", ROOTS MARK OURS);
    holds("/work/roots.pem", ROOTS);
    ck_assert_int_ne(access("/work/certs/" HASH ".0", F_OK), 0);
    ck_assert_int_ne(access("/var/elsewhere/anchors/stopper.pem", F_OK), 0);
    holds("/workshop/roots.pem", ROOTS MARK OURS);
    config.mounts = NULL;
    config.mount_count = 0;
    ck_assert_msg(shim_trust_setup(&config, false, &err) == 0, "%s", err.text); /* the control */
    holds("/work/roots.pem", ROOTS MARK OURS);
    holds("/work/certs/" HASH ".0", OURS);
    holds("/var/elsewhere/anchors/stopper.pem", OURS);
    shim_config_fini(&config);
}
END_TEST

START_TEST(another_mount_than_the_images_is_left_alone)
{
    struct err err;
    image();
    put("/etc/ssl/certs/ca-certificates.crt", ROOTS);
    put("/etc/pki/tls/cert.pem", ROOTS);
    ck_assert_int_eq(mount("/etc/ssl", "/etc/ssl", NULL, MS_BIND, NULL), 0); /* of the same file system */
    struct shim_config config = configure(OURS, "");
    ck_assert_msg(shim_trust_setup(&config, true, &err) == 0, "%s", err.text);
    holds("/etc/pki/tls/cert.pem", ROOTS MARK OURS);
    holds("/etc/ssl/certs/ca-certificates.crt", ROOTS);
    ck_assert_int_ne(access("/etc/ssl/certs/" HASH ".0", F_OK), 0);
    holds("/run/stopper-ca/bundle.pem", ROOTS MARK OURS);
    put("/etc/pki/tls/cert.pem", ROOTS);
    archived(NULL, 0, HASH, "/etc/pki/tls/cert.pem:" ROOTS MARK OURS);
    ck_assert_int_eq(umount("/etc/ssl"), 0); /* the control */
    archived(NULL, 0, HASH,
             "/etc/ssl/certs/ca-certificates.crt:" ROOTS MARK OURS "|/etc/pki/tls/cert.pem:" ROOTS MARK OURS
             "|/etc/ssl/certs/" HASH ".0:" OURS);
    shim_config_fini(&config);
}
END_TEST

SUITE_MAIN("shim_trust", another_mount_than_the_images_is_left_alone,
           in_place_no_link_of_the_image_leads_into_a_mount, debians_roots_stay_and_ours_comes_beside_them,
           a_container_that_starts_again_trusts_its_new_authority_only,
           fedoras_links_stay_links_and_its_tools_find_ours_again,
           an_image_without_roots_gets_ours_and_no_new_places, what_cannot_be_written_stays_as_it_is,
           a_folder_that_is_not_roots_is_refused, java_gets_a_store_where_there_is_one,
           the_manifests_variables_win, every_program_finds_its_variable,
           without_an_authority_nothing_is_touched, an_archive_holds_what_would_be_changed_in_place,
           a_sealed_container_gets_its_own_folder_only, an_archive_of_an_image_without_roots_is_empty,
           an_archive_follows_links_of_the_image_and_none_into_a_mount)
