/* SPDX-License-Identifier: GPL-3.0-or-later */
/* runtimes_linux: what a hostctl for Linux can run bottles with. */
#include "hostctl/rt_netns.h"
#include "hostctl/rt_oci.h"
#include "hostctl/runtime.h"

const struct runtime *const runtimes[] = {&runtime_netns, &runtime_podman, &runtime_docker, &runtime_apple,
                                          NULL};
