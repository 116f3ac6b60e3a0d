/* SPDX-License-Identifier: GPL-3.0-or-later */
/* terminal: see terminal.h. Whatever happens between, the terminal is given back as it was found: by its user
 * in order, by atexit otherwise. */
#include "hostctl/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios before;
static bool raw;

bool terminal_wanted(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

bool terminal_asks(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* Not by stdio, which would read ahead. */
bool terminal_yes(void)
{
    char answer[8] = "", c = 0;
    size_t len = 0;

    while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
        if (len < sizeof answer - 1)
            answer[len++] = c;
    return strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0;
}

void terminal_size(unsigned *rows, unsigned *columns)
{
    struct winsize size = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0)
        size = (struct winsize){0};
    *rows = size.ws_row;
    *columns = size.ws_col;
}

int terminal_set_size(int master, unsigned rows, unsigned columns)
{
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};

    return ioctl(master, TIOCSWINSZ, &size);
}

int terminal_raw(struct err *err)
{
    static bool registered;
    struct termios made;

    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return err_set_errno(err, "terminal");
    if (!registered && atexit(terminal_restore) != 0)
        return err_set(err, "terminal: atexit");
    registered = true;
    made = before; /* as cfmakeraw(3), which POSIX has not */
    made.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    made.c_oflag &= ~(tcflag_t)OPOST;
    made.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    made.c_cflag = (made.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    made.c_cc[VMIN] = 1;
    made.c_cc[VTIME] = 0;
    raw = true;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &made) == 0)
        return 0;
    raw = false;
    return err_set_errno(err, "terminal");
}

void terminal_restore(void)
{
    while (raw && tcsetattr(STDIN_FILENO, TCSADRAIN, &before) != 0 && errno == EINTR)
        ;
    raw = false;
}
