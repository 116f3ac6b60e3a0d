/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_trust: see the header. What programs read is in the four tables below, and only there. Runs as root,
 * on an image in which no agent has run yet, or whose root-owned places no agent could change. It must never
 * take a root away, and leave every file of the image either as it was or whole.
 */
#include "init/shim_trust.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "init/trust_jks.h"
#include "init/trust_tar.h"

#define CA     SHIM_TRUST_FOLDER "/ca.pem"
#define BUNDLE SHIM_TRUST_FOLDER "/bundle.pem"
#define CERTS  SHIM_TRUST_FOLDER "/certs"
#define JAVA   SHIM_TRUST_FOLDER "/cacerts.jks"

#define BUNDLE_MAX (8u << 20)                                    /* bytes */
#define TAR_MAX    (24u << 20)                                   /* bytes */
#define MARK       "\n# Stopper: the authority of this bottle\n" /* no dash: Java looks for one */

/* Bundles of PEM: Debian and Alpine and distroless, Alpine's and OpenSSL's own name, SUSE, Fedora, Arch. The
 * first one that holds certificates is "the image's roots". */
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/tls/cert.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
};

/* Folders by subject hash, which OpenSSL reads where no variable is set. */
static const char *const hashed[] = {
    "/etc/ssl/certs",
    "/etc/pki/ca-trust/extracted/pem/directory-hash",
    "/etc/pki/tls/certs",
    "/var/lib/ca-certificates/pem",
};

/* Where administrators put an authority: p11-kit (GnuTLS, NSS) reads the first three, and the systems' own
 * tools make bundles of all of them again after an upgrade. */
static const char *const anchors[] = {
    "/etc/pki/ca-trust/source/anchors/stopper.pem",
    "/etc/ca-certificates/trust-source/anchors/stopper.pem",
    "/etc/pki/trust/anchors/stopper.pem",
    "/usr/local/share/ca-certificates/stopper.crt",
};

/* bundle.pem for what reads this file instead of its own roots, ca.pem for what reads it beside them. npm and
 * yarn are node's; uv, Go, Ruby, PHP, .NET and rustls-native-certs read SSL_CERT_FILE. */
static const struct {
    const char *name, *value;
} variables[] = {
    {"SSL_CERT_FILE", BUNDLE},
    {"SSL_CERT_DIR", CERTS},
    {"NODE_EXTRA_CA_CERTS", CA}, /* node, bun, pnpm; deno from 2.8 */
    {"DENO_CERT", CA},
    {"REQUESTS_CA_BUNDLE", BUNDLE}, /* python-requests */
    {"HTTPLIB2_CA_CERTS", BUNDLE},
    {"PIP_CERT", BUNDLE},
    {"CURL_CA_BUNDLE", BUNDLE},
    {"GIT_SSL_CAINFO", BUNDLE},
    {"CARGO_HTTP_CAINFO", BUNDLE},
    {"AWS_CA_BUNDLE", BUNDLE},
    {"CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", BUNDLE},
    {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", BUNDLE},
    {"NIX_SSL_CERT_FILE", BUNDLE},
};
#define JAVA_OPTIONS "JAVA_TOOL_OPTIONS" /* set only where there is a Java: each prints a line about it */

/* ---- files ---- */

static bool is_closed(int reason)
{
    return reason == EROFS || reason == EACCES || reason == EPERM || reason == EBUSY || reason == ETXTBSY;
}

/* Appends the file. Returns 0, or -1 when it is not there, not to be read, or too large. */
static int file_read(const char *path, struct buf *text)
{
    char bytes[16384];
    ssize_t got;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), result = 0;
    if (fd < 0)
        return -1;
    while ((got = read(fd, bytes, sizeof bytes)) > 0 && result == 0)
        result = buf_append(text, bytes, (size_t)got);
    close(fd);
    return got == 0 ? result : -1;
}

/* The file is new as a whole, or as it was. Returns 0, or -1 with errno. */
static int file_write(const char *path, struct str text)
{
    char next[PATH_MAX];
    if (snprintf(next, sizeof next, "%s.stopper-new", path) >= (int)sizeof next) {
        errno = ENAMETOOLONG;
        return -1;
    }
    unlink(next);
    int fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    bool failed = fchmod(fd, 0644) != 0;
    while (!failed && text.len > 0) {
        ssize_t put = write(fd, text.ptr, text.len);
        failed = put < 0 && errno != EINTR;
        text.ptr += put > 0 ? put : 0;
        text.len -= put > 0 ? (size_t)put : 0;
    }
    failed |= close(fd) != 0;
    if (!failed && rename(next, path) == 0)
        return 0;
    int reason = errno;
    unlink(next);
    errno = reason;
    return -1;
}

/* ---- what is the image's ---- */

/* Not the image's own, or of the container that asks only. */
static const char *const foreign[] = {
    "/proc", "/sys", "/dev", "/run", "/tmp", "/stopper", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf",
};

/* Where the agent's container has mounts of the user's. */
struct places {
    char **real; /* owned, as are the strings */
    size_t count;
    bool one; /* the image is one mount, "/": others are an engine's or the user's */
};

/* Which mount a path is in (proc(5): of kernels before statx(2) told, too). Returns 0, or -1: it is not there. */
static int mount_of(const char *path, unsigned long *mount)
{
    char name[64], line[128];
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), result = -1;
    snprintf(name, sizeof name, "/proc/self/fdinfo/%d", fd);
    FILE *file = fd >= 0 ? fopen(name, "re") : NULL;
    while (file && result != 0 && fgets(line, sizeof line, file))
        result = sscanf(line, "mnt_id: %lu", mount) == 1 ? 0 : -1;
    if (file)
        fclose(file);
    if (fd >= 0)
        close(fd);
    return result;
}

static bool is_under(const char *path, const char *place)
{
    size_t len = strlen(place);
    while (len > 0 && place[len - 1] == '/')
        len--;
    return strncmp(path, place, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* `path` is a real one. What an image leads elsewhere is left alone: a mount is the user's, and no file of the
 * image's is there. */
static bool is_images(const struct places *places, const char *path)
{
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (is_under(path, foreign[i]))
            return false;
    for (size_t i = 0; i < places->count; i++)
        if (is_under(path, places->real[i]))
            return false;
    unsigned long root, its;
    return !places->one || (mount_of("/", &root) == 0 && mount_of(path, &its) == 0 && root == its);
}

/* The place with the links of the image followed, as an engine does before it mounts there; what is not there
 * yet stays as it is named. */
static char *place_real(const char *place)
{
    char path[PATH_MAX], real[PATH_MAX], *made;
    size_t len = strlen(place);
    if (place[0] != '/' || len >= sizeof path)
        return NULL;
    memcpy(path, place, len + 1);
    while (!realpath(path, real)) {
        while (len > 0 && path[--len] != '/')
            ;
        path[len > 0 ? len : 1] = '\0';
        if (len == 0 && !realpath("/", real))
            return NULL;
    }
    if (strcmp(path, "/") == 0)
        len = 0;
    return asprintf(&made, "%s%s", strcmp(real, "/") == 0 ? "" : real, place + len) < 0 ? NULL : made;
}

static void places_close(struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        free(places->real[i]);
    free(places->real);
}

/* Returns 0, or -1 with err; then places_close. */
static int places_open(struct places *places, char *const given[], size_t count, bool one, struct err *err)
{
    *places = (struct places){.one = one, .real = calloc(count + 1, sizeof *places->real)};
    if (!places->real)
        return err_set(err, "out of memory");
    for (; places->count < count; places->count++)
        if (!(places->real[places->count] = place_real(given[places->count])))
            return err_set(err, "%s: not a place in a container", given[places->count]);
    return 0;
}

/* Where the image's links lead: a file's folder, and the file in it. Returns whether it is the image's. */
static bool folder_real(const struct places *places, const char *folder, char real[PATH_MAX])
{
    struct stat status;
    return realpath(folder, real) && is_images(places, real) && stat(real, &status) == 0 &&
           S_ISDIR(status.st_mode);
}

static bool anchor_real(const struct places *places, const char *anchor, char path[PATH_MAX + 32])
{
    char folder[PATH_MAX], real[PATH_MAX];
    const char *name = strrchr(anchor, '/');
    snprintf(folder, sizeof folder, "%.*s", (int)(name - anchor), anchor);
    if (!folder_real(places, folder, real))
        return false;
    snprintf(path, PATH_MAX + 32, "%s%s", real, name);
    return true;
}

/* ---- what the image has ---- */

/* A bundle of the image's as it was, without what an earlier start of this container added. Returns whether
 * it holds certificates. */
static bool roots_read(const char *path, struct buf *text)
{
    struct str rest, block;
    buf_init(text, BUNDLE_MAX);
    if (file_read(path, text) == 0 && buf_str(text).len > 0) {
        rest = buf_str(text);
        const char *mark = memmem(rest.ptr, rest.len, MARK, sizeof MARK - 1);
        if (mark)
            text->len = (size_t)(mark - rest.ptr);
        rest = buf_str(text);
        if (pem_next(&rest, &block))
            return true;
    }
    buf_fini(text);
    return false;
}

static int add_ca(struct buf *text, const char *ca, struct err *err)
{
    if (buf_append(text, MARK, sizeof MARK - 1) != 0 || buf_append(text, ca, strlen(ca)) != 0)
        return err_set(err, "the image's bundle of roots is too large");
    return 0;
}

/* In its own place, where that can be written; else the environment has to do. */
static int bundle_extend(const struct places *places, const char *path, const char *ca, struct err *err)
{
    char real[PATH_MAX];
    struct buf text;
    if (!realpath(path, real) || !is_images(places, real) || !roots_read(real, &text))
        return 0;
    int result = add_ca(&text, ca, err);
    if (result == 0 && file_write(real, buf_str(&text)) != 0 && !is_closed(errno))
        result = err_set_errno(err, "%s", real);
    buf_fini(&text);
    return result;
}

/* The first free name HASH.0, HASH.1…, as OpenSSL looks for them. */
static int hashed_extend(const char *folder, const char *hash, struct err *err)
{
    char path[PATH_MAX], target[64];
    for (unsigned number = 0; number < 10; number++) {
        snprintf(path, sizeof path, "%s/%s.%u", folder, hash, number);
        if (symlink(CA, path) == 0)
            return 0;
        if (errno != EEXIST)
            return is_closed(errno) ? 0 : err_set_errno(err, "%s", path);
        ssize_t len = readlink(path, target, sizeof target);
        if (len == (ssize_t)strlen(CA) && memcmp(target, CA, (size_t)len) == 0)
            return 0; /* an earlier start's */
    }
    return 0;
}

static int anchor_add(const struct places *places, const char *anchor, const char *ca, struct err *err)
{
    char path[PATH_MAX + 32];
    if (!anchor_real(places, anchor, path) || file_write(path, str_of(ca)) == 0 || errno == ENOENT ||
        errno == ENOTDIR || is_closed(errno))
        return 0;
    return err_set_errno(err, "%s", path);
}

/* ---- our own folder ---- */

static int folder_make(const char *path, struct err *err)
{
    struct stat status;
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return err_set_errno(err, "%s", path);
    if (lstat(path, &status) != 0 || !S_ISDIR(status.st_mode))
        return err_set(err, "%s is not a folder", path);
    if (status.st_uid == 0 && geteuid() != 0 && (status.st_mode & S_ISVTX))
        return 0; /* a mount for us, in a container without privileges */
    if (status.st_uid != geteuid())
        return err_set(err, "%s is not a folder of root's", path);
    return chmod(path, 0755) != 0 ? err_set_errno(err, "%s", path) : 0;
}

static bool is_hashed_name(const char *name)
{
    size_t hex = strspn(name, "0123456789abcdef");
    return hex == 8 && name[8] == '.' && name[9] != '\0' &&
           strspn(name + 9, "0123456789") == strlen(name + 9);
}

/* Links to what the image's folder holds. Returns how many, or -1 with err. */
static int links_make(const char *folder, struct err *err)
{
    char path[PATH_MAX], target[PATH_MAX];
    struct dirent *entry;
    int count = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return 0;
    while (count >= 0 && (entry = readdir(dir))) {
        if (!is_hashed_name(entry->d_name))
            continue;
        snprintf(path, sizeof path, CERTS "/%s", entry->d_name);
        snprintf(target, sizeof target, "%s/%s", folder, entry->d_name);
        if (symlink(target, path) == 0)
            count++;
        else if (errno != EEXIST)
            count = err_set_errno(err, "%s", path);
    }
    closedir(dir);
    return count;
}

static int certs_make(const struct shim_config *config, struct err *err)
{
    if (folder_make(CERTS, err) != 0)
        return -1;
    for (size_t i = 0; i < sizeof hashed / sizeof hashed[0]; i++) {
        int count = links_make(hashed[i], err);
        if (count < 0)
            return -1;
        if (count > 0)
            break;
    }
    return config->ca_subject_hash[0] ? hashed_extend(CERTS, config->ca_subject_hash, err) : 0;
}

/* ---- Java ---- */

/* FOLDER/bin/java for every folder in this one. */
static bool java_below(const char *folder)
{
    char path[PATH_MAX];
    struct dirent *entry;
    bool found = false;
    DIR *dir = opendir(folder);
    while (dir && !found && (entry = readdir(dir)))
        found = entry->d_name[0] != '.' &&
                snprintf(path, sizeof path, "%s/%s/bin/java", folder, entry->d_name) < (int)sizeof path &&
                access(path, X_OK) == 0;
    if (dir)
        closedir(dir);
    return found;
}

static bool java_found(const struct shim_config *config)
{
    static const char *const folders[] = {"/usr/lib/jvm", "/opt/java", "/opt", "/usr/java"};
    const char *home = json_string_value(json_object_get(config->env, "JAVA_HOME"));
    const char *path = json_string_value(json_object_get(config->env, "PATH"));
    char file[PATH_MAX];

    if (home && snprintf(file, sizeof file, "%s/bin/java", home) < (int)sizeof file &&
        access(file, X_OK) == 0)
        return true;
    for (const char *end; path && *path; path = *end ? end + 1 : end) {
        end = strchrnul(path, ':');
        if (snprintf(file, sizeof file, "%.*s/java", (int)(end - path), path) < (int)sizeof file &&
            access(file, X_OK) == 0)
            return true;
    }
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (java_below(folders[i]))
            return true;
    return false;
}

/* From the image's bundle: where it has none, Java keeps the roots that it brought. */
static int java_make(const struct shim_config *config, struct str bundle, struct err *err)
{
    struct buf store;
    if (!java_found(config))
        return 0;
    buf_init(&store, BUNDLE_MAX);
    int result = jks_make(bundle, &store) < 0             ? err_set(err, "too many roots for Java")
                 : file_write(JAVA, buf_str(&store)) != 0 ? err_set_errno(err, JAVA)
                                                          : 0;
    buf_fini(&store);
    return result;
}

/* ---- as a whole ---- */

static int own_write(const struct shim_config *config, struct err *err)
{
    struct buf text;
    bool found = false;

    unlink(JAVA);
    for (size_t i = 0; !found && i < sizeof bundles / sizeof bundles[0]; i++)
        found = roots_read(bundles[i], &text);
    if (!found)
        buf_init(&text, BUNDLE_MAX);
    int result = add_ca(&text, config->ca, err);
    if (result == 0 && (file_write(CA, str_of(config->ca)) != 0 || file_write(BUNDLE, buf_str(&text)) != 0))
        result = err_set_errno(err, SHIM_TRUST_FOLDER);
    if (result == 0 && found)
        result = java_make(config, buf_str(&text), err);
    buf_fini(&text);
    return result;
}

/* In the places of the image, never in a mount: that is the user's. */
static int image_extend(const struct shim_config *config, bool one, struct err *err)
{
    struct places places;
    char real[PATH_MAX];
    int result = places_open(&places, config->mounts, config->mount_count, one, err);
    for (size_t i = 0; result == 0 && i < sizeof bundles / sizeof bundles[0]; i++)
        result = bundle_extend(&places, bundles[i], config->ca, err);
    for (size_t i = 0; result == 0 && config->ca_subject_hash[0] && i < sizeof hashed / sizeof hashed[0]; i++)
        if (folder_real(&places, hashed[i], real))
            result = hashed_extend(real, config->ca_subject_hash, err);
    for (size_t i = 0; result == 0 && i < sizeof anchors / sizeof anchors[0]; i++)
        result = anchor_add(&places, anchors[i], config->ca, err);
    places_close(&places);
    return result;
}

int shim_trust_setup(const struct shim_config *config, bool one, struct err *err)
{
    if (!config->ca)
        return 0;
    int result = folder_make(SHIM_TRUST_FOLDER, err) == 0 && own_write(config, err) == 0
                     ? certs_make(config, err)
                     : -1;
    if (result == 0 &&
        !config->sealed) /* else shim_trust_archive has: what this user may write is not the image's */
        result = image_extend(config, one, err);
    return result == 0 ? 0 : err_prefix(err, "trust");
}

/* ---- for an image whose container has no root ---- */

struct archive {
    struct buf *tar;
    struct str ca;
    struct places places;
    size_t done_count;
    char *done[sizeof bundles / sizeof bundles[0] + sizeof hashed / sizeof hashed[0] +
               sizeof anchors / sizeof anchors[0]]; /* owned: paths that are in it */
};

/* `path` is a real one, in a folder of the image's: nothing is followed on the way when it is written. A path that is too long for the
 * format is left to the environment. */
static int archive_add(struct archive *archive, const char *path, struct str text, struct err *err)
{
    struct stat status;
    if (lstat(path, &status) == 0 && (!S_ISREG(status.st_mode) || !is_images(&archive->places, path)))
        return 0;
    for (size_t i = 0; i < archive->done_count; i++)
        if (strcmp(archive->done[i], path) == 0)
            return 0;
    if (tar_add(archive->tar, path, text, time(NULL)) != 0)
        return errno == ENAMETOOLONG ? 0 : err_set(err, "the image's bundles of roots are too large");
    char *done = strdup(path);
    if (!done)
        return err_set(err, "out of memory");
    archive->done[archive->done_count++] = done;
    return 0;
}

static int archive_bundle(struct archive *archive, const char *path, struct err *err)
{
    char real[PATH_MAX];
    struct stat status;
    struct buf text;
    if (!realpath(path, real) || !is_images(&archive->places, real) || stat(real, &status) != 0 ||
        !S_ISREG(status.st_mode) || !roots_read(real, &text))
        return 0;
    int result = add_ca(&text, archive->ca.ptr, err);
    if (result == 0)
        result = archive_add(archive, real, buf_str(&text), err);
    buf_fini(&text);
    return result;
}

/* In a folder that is there, under the first free name. */
static int archive_hashed(struct archive *archive, const char *folder, const char *hash, struct err *err)
{
    char real[PATH_MAX], path[PATH_MAX + 16];
    struct stat status;
    if (!folder_real(&archive->places, folder, real))
        return 0;
    for (unsigned number = 0; number < 10; number++) {
        snprintf(path, sizeof path, "%s/%s.%u", real, hash, number);
        if (lstat(path, &status) != 0)
            return errno == ENOENT ? archive_add(archive, path, archive->ca, err) : 0;
    }
    return 0;
}

static int archive_anchor(struct archive *archive, const char *anchor, struct err *err)
{
    char path[PATH_MAX + 32];
    return anchor_real(&archive->places, anchor, path) ? archive_add(archive, path, archive->ca, err) : 0;
}

static int archive_fill(struct archive *archive, const char *hash, struct err *err)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof bundles / sizeof bundles[0]; i++)
        result = archive_bundle(archive, bundles[i], err);
    for (size_t i = 0; result == 0 && hash[0] && i < sizeof hashed / sizeof hashed[0]; i++)
        result = archive_hashed(archive, hashed[i], hash, err);
    for (size_t i = 0; result == 0 && i < sizeof anchors / sizeof anchors[0]; i++)
        result = archive_anchor(archive, anchors[i], err);
    if (result == 0 && archive->done_count > 0 && tar_end(archive->tar) != 0)
        result = err_set(err, "the image's bundles of roots are too large");
    return result;
}

int shim_trust_archive(const char *ca, const char *hash, char *const places[], size_t count, struct buf *tar,
                       struct err *err)
{
    struct archive archive = {.tar = tar, .ca = str_of(ca)};

    buf_init(tar, TAR_MAX);
    int result = places_open(&archive.places, places, count, true, err);
    if (result == 0)
        result = archive_fill(&archive, hash, err);
    for (size_t i = 0; i < archive.done_count; i++)
        free(archive.done[i]);
    places_close(&archive.places);
    return result == 0 ? 0 : err_prefix(err, "trust");
}

/* ---- the environment ---- */

static int variable_add(struct shim_config *config, const char *name, const char *value, struct err *err)
{
    if (json_object_get(config->env, name)) /* the manifest's own word */
        return 0;
    return json_object_set_new(config->env, name, json_string(value)) != 0 ? err_set(err, "out of memory")
                                                                           : 0;
}

int shim_trust_environment(struct shim_config *config, struct err *err)
{
    int result = 0;
    if (!config->ca)
        return 0;
    for (size_t i = 0; result == 0 && i < sizeof variables / sizeof variables[0]; i++)
        result = variable_add(config, variables[i].name, variables[i].value, err);
    if (result == 0 && access(JAVA, R_OK) == 0)
        result = variable_add(config, JAVA_OPTIONS, "-Djavax.net.ssl.trustStore=" JAVA, err);
    return result;
}
