/* SPDX-License-Identifier: GPL-3.0-or-later */
/* runtimes_macos: what a hostctl for macOS can run bottles with: engines whose containers are in a virtual machine. */
#include "hostctl/rt_oci.h"
#include "hostctl/runtime.h"

const struct runtime *const runtimes[] = {&runtime_apple, &runtime_docker, &runtime_podman, NULL};
