/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * clock: a program's monotonic clock, set forward from outside, so that tests of time-outs need not wait, or stopped, so that no time passes
 * but what the test lets pass. Loaded into the program under test by LD_PRELOAD (clock.py); STOPPER_TEST_CLOCK names the file that holds
 * how far, which stays mapped when the program has given up its files.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static const volatile int64_t *ahead; /* seconds; behind it when it was stopped, in ns, or 0 */
static int (*real)(clockid_t id, struct timespec *now);

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("STOPPER_TEST_CLOCK");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *page = fd >= 0 ? mmap(NULL, 2 * sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (page == MAP_FAILED || real == NULL)
        abort();
    ahead = page;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    if (real == NULL) /* before begin(): another library's constructor */
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(id, now);
    if (status != 0 || ahead == NULL || (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE))
        return status;
    if (ahead[1] != 0)
        *now = (struct timespec){ahead[1] / 1000000000, ahead[1] % 1000000000};
    now->tv_sec += ahead[0];
    return 0;
}
