/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * privdrop: see the header. The steps are sys/privs.h's; here is their order. The bounding set and the
 * securebits go first, because they need SETPCAP; the user next, because that needs SETUID and SETGID; then
 * the capabilities; then it is tried whether anything comes back. The filter is last: it needs no_new_privs,
 * and the probes must not depend on it.
 */
#include "init/privdrop.h"

#include <sys/prctl.h>
#include <unistd.h>

#include "init/shim_filter.h"
#include "init/shim_net.h"
#include "sys/privs.h"

int privdrop(const struct shim_config *config, struct err *err)
{
    if (privs_bound(0, err) != 0 || privs_lock(err) != 0 ||
        privs_become(config->uid, config->gid, config->groups, config->group_count, err) != 0 ||
        privs_keep(0, err) != 0 || privs_seal(err) != 0)
        return err_prefix(err, "drop");
    if (privs_probe(config->uid, err) != 0 || shim_net_probe(config, err) != 0)
        return err_prefix(err, "drop");
    return shim_filter_load(config->user_namespaces, err);
}

int privdrop_sealed(const struct shim_config *config, struct err *err)
{
    if (getuid() == 0 || geteuid() == 0)
        return err_set(err, "sealed: the process is root");
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return err_set(err, "sealed: the container was made without no-new-privileges");
    /* Without SETPCAP the first fails where the bounding set is not empty already. */
    if (privs_bound(0, err) != 0 || privs_keep(0, err) != 0 || privs_seal(err) != 0 ||
        privs_probe(getuid(), err) != 0 || shim_net_probe(config, err) != 0)
        return err_prefix(err, "sealed");
    return shim_filter_load(config->user_namespaces, err);
}
