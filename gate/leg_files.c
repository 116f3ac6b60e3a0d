/* SPDX-License-Identifier: GPL-3.0-or-later */
/* leg_files: see the header. Called with the umask that lets nobody else in, and after the jail. */
#include "gate/leg_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Overwrites a file's bytes before it goes: an earlier life's, which nobody has mapped. */
static void wipe(int folder, const char *name)
{
    static const char zeros[1024];
    struct stat found;
    int fd = openat(folder, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd >= 0 && fstat(fd, &found) == 0 && S_ISREG(found.st_mode))
        for (off_t at = 0; at < found.st_size; at += (off_t)sizeof zeros)
            if (pwrite(fd, zeros, sizeof zeros, at) < 0)
                break;
    if (fd >= 0)
        close(fd);
    unlinkat(folder, name, 0);
}

int leg_files_sweep(struct err *err)
{
    struct statfs where;
    struct dirent *entry;
    struct stat found;
    DIR *folder = opendir(LEG_FOLDER);

    if (folder == NULL)
        return err_set_errno(err, "the folder for keys");
    if (fstatfs(dirfd(folder), &where) < 0 || fstat(dirfd(folder), &found) < 0) {
        err_set_errno(err, "the folder for keys");
        closedir(folder);
        return -1;
    }
    if (where.f_type != TMPFS_MAGIC || (found.st_uid != 0 && found.st_uid != geteuid()) ||
        (found.st_gid != getegid() && (found.st_mode & 070) != 0) || (found.st_mode & 07) != 0) {
        closedir(folder);
        return err_set(err, where.f_type != TMPFS_MAGIC
                                ? "keys are kept in memory only, and /run is on a disk: mount a tmpfs there"
                                : "the folder for keys is open to others");
    }
    while ((entry = readdir(folder)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            wipe(dirfd(folder), entry->d_name);
    closedir(folder);
    return 0;
}

void leg_files_path(unsigned number, const char *what, char path[LEG_PATH_SIZE])
{
    snprintf(path, LEG_PATH_SIZE, LEG_FOLDER "/%u.%s", number, what);
}

/* A new file of this length. Returns its descriptor, or -1 with errno. */
static int file_new(struct leg_file *file, unsigned number, const char *what, size_t len)
{
    *file = (struct leg_file){.number = number, .len = len};
    leg_files_path(number, what, file->path);
    int fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && ftruncate(fd, (off_t)len) == 0)
        return fd;
    int reason = errno;
    if (fd >= 0) {
        close(fd);
        unlink(file->path);
    }
    *file = (struct leg_file){0};
    errno = reason;
    return -1;
}

/* By a mapping, which stays: write(2) would leave pages that can be swapped out. */
int leg_files_key(struct leg_file *file, unsigned number, const struct secret *key, struct err *err)
{
    struct str text = secret_expose(key);
    int fd = file_new(file, number, "key", text.len);

    if (fd < 0)
        return err_set_errno(err, "the key cannot be put where ssh reads it");
    void *mapped = mmap(NULL, text.len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED) {
        err_set_errno(err, "the key cannot be put where ssh reads it");
        leg_files_end(file);
        return -1;
    }
    file->mapped = mapped;
    if (madvise(mapped, text.len, MADV_DONTDUMP) != 0 || madvise(mapped, text.len, MADV_DONTFORK) != 0 ||
        mlock(mapped, text.len) != 0) {
        err_set(err, "no locked memory is left for the key (RLIMIT_MEMLOCK)");
        leg_files_end(file);
        return -1;
    }
    memcpy(file->mapped, text.ptr, text.len);
    return 0;
}

bool leg_files_same(const struct leg_file *file, const struct secret *key)
{
    struct str text = secret_expose(key);

    return file->mapped != NULL && file->len == text.len && memcmp(file->mapped, text.ptr, text.len) == 0;
}

int leg_files_plain(struct leg_file *file, unsigned number, const char *what, struct str text,
                    struct err *err)
{
    int fd = file_new(file, number, what, 0);
    ssize_t written = fd < 0 ? -1 : write(fd, text.ptr, text.len);

    if (fd >= 0)
        close(fd);
    if (written == (ssize_t)text.len)
        return 0;
    err_set_errno(err, "a file for ssh");
    leg_files_end(file);
    return -1;
}

void leg_files_end(struct leg_file *file)
{
    if (file->mapped != NULL) {
        secret_wipe(file->mapped, file->len);
        munmap(file->mapped, file->len);
    }
    if (file->path[0] != '\0')
        unlink(file->path);
    *file = (struct leg_file){0};
}
