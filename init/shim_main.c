/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stopper-shim: PID 1 of the agent's namespaces, and the door for every later entry (`exec`).
 *
 *   PID 1      configuration -> routes, IPv6, resolver -> trust, git -> saved for `exec` -> drop, tried out -> NSS ->
 *              terminal -> the command as a child -> wait
 *   exec       saved configuration -> overlay from the peer -> drop, tried out -> terminal -> the command in
 *              its own place
 *   contained  PID 1 of a container: the configuration comes through a door (shim_door.h); a sealed one says
 *              that another container with the right to do so (route) has set the routes: they are verified
 *   route      PID 1 of that other container, in the agent's network namespace
 *   trust      a container of the agent's image that lives for this one step: prints what is to be put into the
 *              agent's own, which may not write there itself
 *
 * It must never touch a route unless it is PID 1, and never execute anything after a step that failed.
 * Nothing about the bottle comes from argv or the environment; those belong to whoever started it, and
 * neither reaches the agent.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/privdrop.h"
#include "init/shim_config.h"
#include "init/shim_connect.h"
#include "init/shim_door.h"
#include "init/shim_exec.h"
#include "init/shim_git.h"
#include "init/shim_net.h"
#include "init/shim_peer.h"
#include "init/shim_probe.h"
#include "init/shim_trust.h"
#include "init/shim_user.h"
#include "init/shim_wait.h"
#include "init/trust_nss.h"

#define GONE_MS 2000 /* that a caller may take to hand an answer on */

static const char help[] =
    "usage: stopper-shim [--] COMMAND [ARGUMENT…]\n"
    "       stopper-shim exec [--over JSON] [--as NAME] -- COMMAND [ARGUMENT…]\n"
    "       stopper-shim contained -- COMMAND [ARGUMENT…]\n"
    "       stopper-shim configure | pause | program | own DIR UID GID | signal NAME NUMBER\n"
    "       stopper-shim route INTERFACE GATEWAY [CLOSED…]\n"
    "       stopper-shim trust HASH CERTIFICATE [PLACE…]\n"
    "       stopper-shim exec -- /proc/self/exe connect | probe\n"
    "\n"
    "As PID 1 of an agent's namespaces: reads its configuration from descriptor 3, leads every route to the "
    "sidecar,\n"
    "gives up all privileges for good, and runs COMMAND as its child.\n"
    "exec: enters a bottle that runs already; gives up all privileges the same way and becomes COMMAND.\n"
    "contained: the same as PID 1 of a container, whose configuration `configure` brings on its stdin.\n"
    "route: leads every route of a container to come to GATEWAY, and the addresses CLOSED nowhere.\n"
    "trust: writes a tar archive of the image's roots with CERTIFICATE added to stdout, nothing below "
    "PLACE.\n"
    "own: gives a new volume to the agent.  pause: keeps a network namespace.  signal: to a command that was "
    "started by exec --as NAME.\n"
    "program: writes this program to stdout.\n"
    "connect: carries one TCP connection to a port of the bottle over stdin and stdout, for hostctl "
    "forward.\n"
    "probe: tries whether every wall stands, for hostctl doctor.\n"
    "\n"
    "  --help     this text\n"
    "  --version  the version\n"
    "\n"
    "Exit status: COMMAND's; 128 + N when signal N killed it; 127 when it was not found, 126 when it could "
    "not be\n"
    "executed; 1 when the bottle could not be made, and then nothing was executed.\n";

static int usage(const char *what)
{
    fprintf(stderr, "stopper-shim: %s; see stopper-shim --help\n", what);
    return 2;
}

static int refuse(const struct shim_peer *peer, const struct err *err)
{
    fprintf(stderr, "stopper-shim: %s\n", err->text);
    shim_peer_error(peer, err->text);
    return 1;
}

/* A sealed container's user is known to its engine only, which looks HOME up in the image's passwd(5). */
static int home_default(struct shim_config *config, struct err *err)
{
    const char *home = getenv("HOME");

    if (!config->sealed || json_object_get(config->env, "HOME"))
        return 0;
    return json_object_set_new(config->env, "HOME", json_string(home && home[0] == '/' ? home : "/")) == 0
               ? 0
               : err_set(err, "out of memory");
}

/* Without root there is nothing to give up, whatever the configuration says; then it is looked for. */
static int drop(const struct shim_config *config, struct err *err)
{
    return config->sealed || geteuid() != 0 ? privdrop_sealed(config, err) : privdrop(config, err);
}

/* The part with privileges, from the configuration's text to a dropped process in the command's directory;
 * and the one thing that is prepared without them. */
static int agent_prepare(struct str text, bool contained, struct shim_config *config, struct err *err)
{
    if (shim_config_parse(text, config, err) != 0)
        return -1;
    if (config->sealed && geteuid() == 0)
        return err_set(err, "sealed: the process is root");
    if ((!config->sealed && (shim_net_setup(config, err) != 0 ||
                             shim_net_unreachable(config->closed, config->closed_count, err) != 0)) ||
        (contained && shim_net_verify(config, err) != 0) || shim_net_resolver(config, err) != 0 ||
        shim_trust_setup(config, contained, err) != 0 || shim_trust_environment(config, err) != 0 ||
        shim_git_setup(config, err) != 0 || home_default(config, err) != 0 ||
        shim_config_save(text, err) != 0 || drop(config, err) != 0)
        return -1;
    if (chdir(config->cwd) != 0)
        return err_set_errno(err, "cwd: %s", config->cwd);
    trust_nss_setup(config);
    return 0;
}

static int agent_run(const struct shim_config *config, struct shim_peer *peer, int signals, char *argv[],
                     struct err *err)
{
    struct shim_terminal terminal;
    struct shim_wait wait = {.signals = signals, .peer = peer, .die_with_parent = config->die_with_parent};

    if (config->terminal && !peer->speaks)
        return err_set(err, "a terminal needs a socket on descriptor %d to hand it over", SHIM_PEER_FD);
    if (shim_terminal_open(config, &terminal, err) != 0)
        return -1;
    if (shim_peer_ok(peer, terminal.master) != 0)
        return err_set_errno(err, "answer");
    if (terminal.master >= 0)
        close(terminal.master); /* the peer's now: when it closes it the terminal hangs up */
    wait.terminal = terminal.slave;
    wait.command = fork();
    if (wait.command == 0)
        _exit(shim_exec(config, &terminal, argv));
    if (wait.command < 0)
        return err_set_errno(err, "fork");
    return shim_wait(&wait);
}

/* The engine's terminal becomes the command's: it can be that of one session only. */
static bool terminal_engine(struct shim_terminal *terminal)
{
    if (!isatty(STDIN_FILENO))
        return false;
    ioctl(STDIN_FILENO, TIOCNOTTY);
    *terminal = (struct shim_terminal){.master = -1, .slave = STDIN_FILENO};
    return true;
}

/* The end of PID 1 is that of whoever brings the answer out, and a command may be short: until it has gone,
 * or does not go. */
static void gone_wait(const struct shim_peer *peer)
{
    struct pollfd wait = {.fd = peer->fd, .events = POLLIN};

    if (peer->fd >= 0)
        poll(&wait, 1, GONE_MS);
}

static int contained_refuse(const struct shim_peer *peer, const struct err *err)
{
    refuse(peer, err);
    gone_wait(peer);
    return 1;
}

static int contained_run(const struct shim_config *config, struct shim_peer *peer, int signals, char *argv[],
                         struct err *err)
{
    struct shim_wait wait = {.signals = signals, .terminal = -1, .peer = peer};
    struct shim_terminal terminal = {.master = -1, .slave = -1};
    struct signalfd_siginfo stale;

    terminal_engine(&terminal);
    while (read(signals, &stale, sizeof stale) == sizeof stale)
        ; /* what giving the terminal up has sent */
    if (shim_peer_ok(peer, -1) != 0)
        return err_set_errno(err, "answer");
    gone_wait(peer);
    shim_peer_close(peer);
    wait.command = fork();
    if (wait.command == 0)
        _exit(shim_exec(config, &terminal, argv));
    return wait.command < 0 ? err_set_errno(err, "fork") : shim_wait(&wait);
}

static int contained_main(char *argv[])
{
    struct shim_config config;
    struct shim_peer peer = {.fd = -1};
    struct err err;
    struct str text;
    int signals, status;
    char *resolved;

    if (getpid() != 1) {
        fprintf(stderr, "stopper-shim: contained: is not PID 1 of a container\n");
        return 1;
    }
    if (close_range(SHIM_PEER_FD, ~0U, 0) != 0 || (signals = shim_wait_signals()) < 0) {
        err_set_errno(&err, "set-up");
        return contained_refuse(&peer, &err);
    }
    if (shim_door_wait(&peer, signals, &err) != 0 || shim_wait_line(&peer, signals, &text, &err) != 0 ||
        shim_user_resolve(&text, &resolved, &err) != 0 || agent_prepare(text, true, &config, &err) != 0)
        return contained_refuse(&peer, &err);
    status = contained_run(&config, &peer, signals, argv, &err);
    return status < 0 ? contained_refuse(&peer, &err) : status;
}

/* ---- beside a container ---- */

static int route_main(int argc, char *argv[])
{
    struct shim_config config = {.sealed = true};
    const struct shim_peer nobody = {.fd = -1};
    struct ip closed[SHIM_CLOSED_MAX];
    size_t count = 0;
    struct err err;

    if (argc < 2 || argc - 2 > SHIM_CLOSED_MAX || strlen(argv[0]) >= sizeof config.interface)
        return usage("an interface and a gateway are wanted behind route");
    memcpy(config.interface, argv[0], strlen(argv[0]) + 1);
    if (ip_parse(str_of(argv[1]), &config.gateway) != 0 || config.gateway.family != 4)
        return usage("the gateway is no IPv4 address");
    for (int i = 2; i < argc; i++)
        if (ip_parse(str_of(argv[i]), &closed[count++]) != 0 || closed[count - 1].family != 4)
            return usage("an address to be closed is no IPv4 address");
    config.resolver = config.gateway;
    if (shim_net_setup(&config, &err) != 0 || shim_net_unreachable(closed, count, &err) != 0)
        return refuse(&nobody, &err);
    return 0;
}

/* A volume that is new belongs to root; its agent is to have it. One that somebody has already stays theirs.
 */
static int own_verb(int argc, char *argv[])
{
    const struct shim_peer nobody = {.fd = -1};
    struct stat status;
    struct err err;

    if (argc != 3)
        return usage("a directory, a user and a group are wanted behind own");
    unsigned long uid = strtoul(argv[1], NULL, 10), gid = strtoul(argv[2], NULL, 10);
    if (lstat(argv[0], &status) != 0 || !S_ISDIR(status.st_mode) || uid == 0 || gid == 0) {
        err_set(&err, "%s: is no directory, or is to be root's", argv[0]);
        return refuse(&nobody, &err);
    }
    if (status.st_uid == 0 && lchown(argv[0], (uid_t)uid, (gid_t)gid) != 0) {
        err_set_errno(&err, "%s", argv[0]);
        return refuse(&nobody, &err);
    }
    return 0;
}

/* In the agent's image, before there is an agent; it is read only. */
static int trust_verb(int argc, char *argv[])
{
    static const char digits[] = "0123456789abcdef";
    const struct shim_peer nobody = {.fd = -1};
    struct buf tar;
    struct err err;

    if (argc < 2 || (argv[0][0] != '\0' && (strlen(argv[0]) != 8 || strspn(argv[0], digits) != 8)))
        return usage("a hash and a certificate are wanted behind trust");
    int result = shim_trust_archive(argv[1], argv[0], argv + 2, (size_t)(argc - 2), &tar, &err);
    struct str bytes = buf_str(&tar);
    if (result == 0 && (fwrite(bytes.ptr, 1, bytes.len, stdout) != bytes.len || fflush(stdout) != 0))
        result = err_set_errno(&err, "trust");
    buf_fini(&tar);
    return result == 0 ? 0 : refuse(&nobody, &err);
}

/* For a host that is to bring it to an agent's container by a mount of its own. */
static int program_verb(int argc, char *argv[])
{
    const struct shim_peer nobody = {.fd = -1};
    static char bytes[65536];
    ssize_t got = 0;
    struct err err;
    int fd;

    (void)argv;
    if (argc != 0)
        return usage("nothing is wanted behind program");
    fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && (got = read(fd, bytes, sizeof bytes)) > 0) {
        if (fwrite(bytes, 1, (size_t)got, stdout) != (size_t)got)
            break;
    }
    if (fd >= 0 && got == 0 && fflush(stdout) == 0)
        return 0;
    err_set_errno(&err, "program");
    return refuse(&nobody, &err);
}

static int pause_main(void)
{
    sigset_t ends;
    int number;

    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    return sigwait(&ends, &number);
}

static int pid1_main(char *argv[])
{
    struct shim_config config;
    struct shim_peer peer;
    struct err err;
    struct str text;
    int signals, status;

    if (getpid() != 1) {
        fprintf(stderr, "stopper-shim: is not PID 1 of a namespace, so it changes nothing; \"stopper-shim "
                        "exec\" enters a "
                        "bottle that runs\n");
        return 1;
    }
    if (shim_peer_open(&peer, SHIM_PEER_FD, &err) != 0)
        return refuse(&peer, &err);
    if (close_range(SHIM_PEER_FD + 1, ~0U, 0) != 0 || (signals = shim_wait_signals()) < 0) {
        err_set_errno(&err, "set-up");
        return refuse(&peer, &err);
    }
    setsid(); /* off the terminal of whoever started it; fails for a session's leader only */
    if (shim_wait_line(&peer, signals, &text, &err) != 0 || agent_prepare(text, false, &config, &err) != 0)
        return refuse(&peer, &err);
    status = agent_run(&config, &peer, signals, argv, &err);
    return status < 0 ? refuse(&peer, &err) : status;
}

/* ---- exec ---- */

static int exec_overlay(struct shim_peer *peer, struct shim_config *config, struct err *err)
{
    struct str line;
    int got;

    /* What was the first command's does not count here. */
    config->terminal = false;
    while (peer->speaks && !shim_peer_line(peer, &line)) {
        got = shim_peer_read(peer);
        if (got < 0)
            return err_set_errno(err, "overlay");
        if (got == 0)
            return err_set(err, "the overlay did not arrive");
    }
    return peer->speaks ? shim_config_overlay(line, config, err) : 0;
}

static int exec_main(const char *over, const char *name, char *argv[])
{
    struct shim_terminal terminal;
    struct shim_config config;
    struct shim_peer peer;
    struct err err;

    shim_peer_open(&peer, SHIM_PEER_FD, &err); /* without a socket: nothing over it, and nobody to answer */
    if (shim_config_load(&config, &err) != 0 || exec_overlay(&peer, &config, &err) != 0 ||
        (over && shim_config_overlay(str_of(over), &config, &err) != 0) ||
        (name && shim_door_name(name, &err) != 0) || shim_trust_environment(&config, &err) != 0 ||
        shim_git_environment(&config, &err) != 0 || home_default(&config, &err) != 0 ||
        drop(&config, &err) != 0)
        return refuse(&peer, &err);
    if (chdir(config.cwd) != 0) {
        err_set_errno(&err, "cwd: %s", config.cwd);
        return refuse(&peer, &err);
    }
    if (shim_terminal_open(&config, &terminal, &err) != 0)
        return refuse(&peer, &err);
    if (shim_peer_ok(&peer, terminal.master) != 0) {
        err_set_errno(&err, "answer");
        return refuse(&peer, &err);
    }
    return shim_exec(&config, &terminal, argv);
}

/* ---- verbs: each gets what stands behind it ---- */

static int exec_verb(int argc, char *argv[])
{
    const char *over = NULL, *name = NULL;

    for (; argc >= 2 && argv[0][0] == '-' && strcmp(argv[0], "--") != 0; argc -= 2, argv += 2) {
        if (strcmp(argv[0], "--over") == 0)
            over = argv[1];
        else if (strcmp(argv[0], "--as") == 0)
            name = argv[1];
        else
            return usage("unknown option");
    }
    if (argc < 1 || strcmp(argv[0], "--") != 0)
        return usage("-- is wanted behind exec");
    return argv[1] ? exec_main(over, name, argv + 1) : usage("a command is wanted behind exec --");
}

static int contained_verb(int argc, char *argv[])
{
    if (argc < 2 || strcmp(argv[0], "--") != 0)
        return usage("-- and a command are wanted behind contained");
    return contained_main(argv + 1);
}

static int configure_verb(int argc, char *argv[])
{
    (void)argv;
    return argc == 0 ? shim_door_configure() : usage("nothing is wanted behind configure");
}

static int pause_verb(int argc, char *argv[])
{
    (void)argv;
    return argc == 0 ? pause_main() : usage("nothing is wanted behind pause");
}

static int signal_verb(int argc, char *argv[])
{
    const struct shim_peer nobody = {.fd = -1};
    struct err err;

    if (argc != 2)
        return usage("a name and a number are wanted behind signal");
    return shim_door_signal(argv[0], argv[1], &err) == 0 ? 0 : refuse(&nobody, &err);
}

static int connect_verb(int argc, char *argv[])
{
    (void)argv;
    return argc == 0 ? shim_connect() : usage("nothing is wanted behind connect");
}

static int probe_verb(int argc, char *argv[])
{
    (void)argv;
    return argc == 0 ? shim_probe() : usage("nothing is wanted behind probe");
}

static const struct {
    const char *name;
    int (*run)(int argc, char *argv[]);
} verbs[] = {
    {"exec", exec_verb},
    {"contained", contained_verb},
    {"configure", configure_verb},
    {"route", route_main},
    {"own", own_verb},
    {"signal", signal_verb},
    {"pause", pause_verb},
    {"program", program_verb},
    {"trust", trust_verb},
    {"connect", connect_verb},
    {"probe", probe_verb},
};

int main(int argc, char *argv[])
{
    char **command = argv + 1;

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return fputs(help, stdout) < 0;
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return printf("stopper-shim %s\n", STOPPER_VERSION) < 0;
    for (size_t i = 0; *command && i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(*command, verbs[i].name) == 0)
            return verbs[i].run(argc - 2, command + 1);
    if (*command && strcmp(*command, "--") == 0)
        command++;
    else if (*command && (*command)[0] == '-')
        return usage("unknown option");
    return *command ? pid1_main(command) : usage("a command is wanted");
}
