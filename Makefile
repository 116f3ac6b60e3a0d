# SPDX-License-Identifier: GPL-3.0-or-later
# The one make of this tree: how things are built. What a folder holds is said in its module.mk:
#   LAYERS += L     with L.src, L.pkg (pkg-config names), L.std, L.static-deps, L.libs  -> build/VARIANT/libL.a
#   PROGRAMS += P   with P.src, and if need be P.layers (of dlp sys core), P.pkg, P.static-deps (wolfssl llhttp),
#                   P.static (=1: static-pie in release and debug), P.cflags, P.libs    -> build/VARIANT/P
#   TOOLS += T      a program that tests run                                            -> build/VARIANT/tests/T
# A file tests/unit/test_X.c is a Check program of all layers. If it needs more, the module.mk of what it tests says
# test_X.with (sources), test_X.pkg, test_X.static-deps, test_X.layers.
VERSION := 0.1.0
# The sidecar's image that hostctl takes unless it is told another: a build for others names the published one by its digest.
SIDECAR_IMAGE ?= localhost/stopper-sidecar:$(VERSION)
VARIANT ?= release
native := $(shell dpkg --print-architecture)
ARCH ?= $(native)
triplet := $(patsubst amd64,x86_64,$(patsubst arm64,aarch64,$(ARCH)))-linux-gnu
cross := $(if $(filter-out $(native),$(ARCH)),$(triplet)-)
DEPS := $(shell ARCH=$(ARCH) image/deps/deps.sh --where)
SYSROOT := $(if $(cross),$(DEPS)/sysroot)
ifeq ($(origin CC),default)
CC := $(cross)gcc$(SYSROOT:%= --sysroot=%)
endif
clang := $(findstring clang,$(CC))
B := build/$(VARIANT)$(if $(clang),-clang)$(if $(cross),-$(ARCH))
PYTHON := env PYTHONPYCACHEPREFIX=$(CURDIR)/build/pycache /usr/bin/python3
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)
Q := $(if $(V),,@)
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help deps all tests demo image image-all image-root bench bench-quick bench-dlp bench-gate bench-push bench-up bench-denials check check-unit check-dlp check-image check-arm64 check-net check-e2e run-unit run-foreign run-net lint headers format clean FORCE
ifeq ($(MAKELEVEL)$(filter -j% --jobs%,$(MAKEFLAGS)),0)
MAKEFLAGS += --jobs=$(shell nproc)
endif
MAKEFLAGS += --no-print-directory

include $(wildcard appliance/*/module.mk init/module.mk dns/module.mk gate/module.mk hostctl/module.mk tests/*/module.mk)
TESTS := $(basename $(notdir $(wildcard tests/unit/test_*.c)))
$(foreach t,$(TESTS),$(eval $t.src := tests/unit/$t.c $($t.with)) $(eval $t.pkg += check) \
	$(if $(filter undefined,$(origin $t.layers)),$(eval $t.layers := $(filter $(LAYERS),dlp sys core))))

warn := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wformat=2 -Wvla \
	-Wundef -Wpointer-arith -Wwrite-strings -Wdate-time -Wno-unused-parameter -Werror \
	$(if $(clang),,-Wlogical-op -Wduplicated-cond -Wjump-misses-init)
hard := -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
	-ftrivial-auto-var-init=zero $(if $(filter arm64,$(ARCH)),-mbranch-protection=standard,-fcf-protection) \
	$(if $(clang),-enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang)
release := $(hard)
debug := -O0 -g3
asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
cov := -O0 --coverage
gnu := -std=gnu17 -D_GNU_SOURCE=
ALL_CFLAGS = -g $(or $($(VARIANT)),$(error VARIANT is one of release debug asan cov)) $(warn) -pthread -fPIE \
	-ffunction-sections -fdata-sections -ffile-prefix-map=$(CURDIR)/= -iquote appliance -iquote . -DSTOPPER_VERSION='"$(VERSION)"' $(CFLAGS)
ALL_LDFLAGS = -pthread -Wl,-z,relro,-z,now,-z,noexecstack,--gc-sections,--as-needed $(LDFLAGS)

# $(call pkg,cflags|libs|static,NAMES): asked once, and only when first needed, so that deps may come first in the same run.
pkg = $(foreach p,$2,$(if $(filter undefined,$(origin $1.$p)),$(eval $1.$p := $$(shell $(pkg-config) $(pkg.$1) $p)) \
	$(if $(filter-out 0,$(.SHELLSTATUS)),$(error $p is not known to pkg-config: run `make deps`)))$($1.$p))
pkg-config := $(if $(cross),PKG_CONFIG_SYSROOT_DIR=$(SYSROOT) PKG_CONFIG_LIBDIR=$(SYSROOT)/usr/lib/$(triplet)/pkgconfig) pkg-config
pkg.cflags := --cflags
pkg.libs := --libs
pkg.static := --libs --static
obj = $(patsubst %.c,$B/obj/%.o,$1)
pkgs = $(sort $($1.pkg) $(foreach l,$($1.layers),$($l.pkg)))
static = $(if $(filter release debug,$(VARIANT)),$($1.static))
libs = $(if $(call static,$1),$(call pkg,static,$(patsubst libuv,libuv-static,$(call pkgs,$1))),$(call pkg,libs,$(call pkgs,$1)))
deps.cflags = $(if $1,-isystem $(DEPS)/include $(if $(filter wolfssl,$1),-DWOLFSSL_USER_SETTINGS))
recipe := $(MAKEFILE_LIST) image/deps/pins.txt image/deps/wolfssl/user_settings.h
FLAGS =

define unit
$(call obj,$($1.src)): FLAGS += $(or $($1.std),$(gnu)) $($1.cflags) $$(call pkg,cflags,$(call pkgs,$1)) \
	$(call deps.cflags,$($1.static-deps))
objects += $(call obj,$($1.src))
endef
define layer
$(call unit,$1)
$B/lib$1.a: $(call obj,$($1.src)) $(dir $($1.src)); $$(Q)rm -f $$@; $(cross)ar rcs $$@ $$(filter %.o,$$^)
endef
define program
$(call unit,$1)
$2: $(call obj,$($1.src) $3) $(foreach l,$(filter $($1.layers),dlp sys core),$B/lib$l.a)
	@echo "  LD   $$@"; mkdir -p $$(@D)
	$$(Q)$$(CC) $$($$(VARIANT)) $(if $(call static,$1),-static-pie -L$(DEPS)/lib,-pie) $$(ALL_LDFLAGS) -o $$@ $$^ \
		$(patsubst %,$(DEPS)/lib/lib%.a,$(sort $($1.static-deps) $(foreach l,$($1.layers),$($l.static-deps)))) $$(call libs,$1) $($1.libs) $(foreach l,$($1.layers),$($l.libs))
endef
$(foreach l,$(LAYERS),$(eval $(call layer,$l)))
$(foreach p,$(PROGRAMS),$(eval $(call program,$p,$B/$p,$(if $(filter asan,$(VARIANT)),tests/asan_options.c))))
$(foreach t,$(TESTS) $(TOOLS),$(eval $(call program,$t,$B/tests/$t)))

$(call obj,tests/asan_options.c): FLAGS += $(gnu)
$B/obj/%.o: %.c $(recipe) | $(DEPS)/ready
	@echo "  CC   $<"; mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
IMAGE_EPOCH = $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct))
IMAGE_REVISION = $(shell git describe --always --dirty --abbrev=40 --exclude='*')
image.build = $(PYTHON) image/build.py --programs $(B:build/$(VARIANT)%=build/release%) --deps $(DEPS) --out build/image --version $(VERSION) \
	--epoch $(IMAGE_EPOCH) --revision $(IMAGE_REVISION) --arch $(ARCH) --strip $(cross)strip $(SYSROOT:%=--sysroot %)
HEADERS := $(wildcard $(patsubst %,%/*.h,appliance/* init dns gate hostctl))
$B/headers/%.h.ok: %.h $(recipe) | $(DEPS)/ready
	@echo "  H    $<"; mkdir -p $(@D)
	$(Q)$(CC) $(if $(filter appliance/core/%,$<),$(core.std),$(gnu)) $(call pkg,cflags,$(sort $(foreach p,$(LAYERS) $(PROGRAMS),$($p.pkg)))) \
		$(call deps.cflags,wolfssl) $(ALL_CFLAGS) -Wno-unused -MMD -MP -MF $@.d -MT $@ -fsyntax-only -x c -include $< /dev/null && touch $@
-include $(patsubst %.o,%.d,$(objects)) $(patsubst %,$B/headers/%.ok.d,$(HEADERS))
$(DEPS)/ready: image/deps/packages.txt; $(Q)ARCH=$(ARCH) image/deps/deps.sh

# What is searched for, compiled as far as it is the same everywhere.
$B/stopper-dlp.db: $B/stopper-dlpc
	@echo "  DB   $@"
	$(Q)$(if $(cross),qemu-aarch64-static -L $(SYSROOT)) $< --base >$@

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## */  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20
deps: ## install the Debian packages, build wolfSSL, llhttp and libmnl, fetch the lab's npm registry (cached in the user's cache folder)
	$(Q)ARCH=$(ARCH) image/deps/deps.sh
	$(Q)image/deps/registry.sh
all: $(PROGRAMS:%=$B/%) $B/stopper-dlp.db ## build the programs (VARIANT=release|debug|asan|cov, CC=gcc|clang)
tests: $(patsubst %,$B/tests/%,$(TESTS) $(TOOLS))
demo: ## show on this machine, in under a minute, what the appliance does
	$(Q)image/deps/deps.sh
	$(Q)$(MAKE) all
	$(Q)$(SUDO) env STOPPER_BUILD=$(CURDIR)/$B $(PYTHON) tests/net/demo.py
image: ## the sidecar's image without a registry: build/image/ARCH/ (archives for podman and docker, ID, list of materials)
	$(Q)$(MAKE) VARIANT=release all
	$(Q)$(image.build)
image-all: ## the same for amd64 and arm64, and both in one: build/image/stopper-sidecar.oci.tar
	$(Q)$(MAKE) ARCH=amd64 image
	$(Q)$(MAKE) ARCH=arm64 image
	$(Q)$(PYTHON) image/index.py build/image/stopper-sidecar.oci.tar $(patsubst %,build/image/%/stopper-sidecar.oci.tar,amd64 arm64)
image-root: ## only the files of that image: build/image/root (for image/Containerfile)
	$(Q)$(MAKE) VARIANT=release all
	$(Q)$(image.build) --root-only
bench-quick: deps ## what a request, a connection and a byte cost, beside haproxy in the same run (two cores, two minutes)
	$(Q)$(MAKE) all
	$(Q)$(SUDO) env STOPPER_BUILD=$(CURDIR)/$B $(PYTHON) tests/bench/quick.py $(BENCH)
bench: ## the same with more rounds
	$(Q)$(MAKE) bench-quick BENCH='--rounds 9 --seconds 5'
bench-dlp: deps ## what looking through messages for secrets costs, beside PCRE2's JIT with the same expressions
	$(Q)$(MAKE) $B/tests/bench_dlp
	$(Q)$B/tests/bench_dlp
bench-gate: deps ## what clones, fetches and pushes through the git-gate cost, beside the same git directly (minutes)
	$(Q)$(MAKE) all
	$(Q)$(SUDO) env STOPPER_BUILD=$(CURDIR)/$B $(PYTHON) tests/bench/gate.py $(BENCH)
bench-up: deps ## what `hostctl up` takes with every runtime, and how much of it is hostctl's own (two minutes)
	$(Q)$(MAKE) image
	$(Q)$(SUDO) env STOPPER_IMAGE=$(CURDIR)/build/image STOPPER_BUILD=$(CURDIR)/build/release $(PYTHON) tests/bench/up.py $(BENCH)
bench-push: deps ## what looking through a push of 10,000 commits costs, beside `git log -p` of them (a minute)
	$(Q)$(MAKE) $B/tests/check_push
	$(Q)env STOPPER_BUILD=$(CURDIR)/$B $(PYTHON) tests/bench/push.py
bench-denials: deps ## ten million denied attempts as fast as an agent can: what becomes of audit, memory and others' traffic (minutes)
	$(Q)$(MAKE) all
	$(Q)$(SUDO) env STOPPER_BUILD=$(CURDIR)/$B STOPPER_FLOOD=$(or $(DENIALS),10000000) $(PYTHON) -m pytest -q \
		-o cache_dir=$(CURDIR)/build/pytest tests/net/test_audit.py -k flood_of_denials
check: deps ## everything: lint, unit tests, image, arm64, net lab on the asan and release builds, runtimes
	$(Q)$(MAKE) lint
	$(Q)$(MAKE) check-unit
	$(Q)$(MAKE) check-dlp
	$(Q)$(MAKE) check-image
	$(Q)$(MAKE) check-arm64
	$(Q)$(MAKE) check-net
	$(Q)$(MAKE) check-e2e
check-unit: ## unit tests with address and undefined-behaviour sanitizers
	$(Q)$(MAKE) VARIANT=asan run-unit
check-dlp: deps ## what the detectors find of made-up credentials, and how many ordinary files fire (STOPPER_CORPUS=all: of all)
	$(Q)$(MAKE) $B/tests/scan_file
	$(Q)env STOPPER_BUILD=$(CURDIR)/$B STOPPER_REGISTRY=$$(image/deps/registry.sh --where) \
		$(PYTHON) -m pytest -q -o cache_dir=$(CURDIR)/build/pytest tests/dlp
check-image: image ## the image: that it is reproducible, what is in it, that it starts
	$(Q)$(SUDO) env STOPPER_IMAGE=$(CURDIR)/build/image STOPPER_BUILD=$(CURDIR)/build/release $(PYTHON) -m pytest -q -o cache_dir=$(CURDIR)/build/pytest tests/image
check-e2e: image ## bottles by every runtime that there is: namespaces, podman, docker (each in a host of its own)
	$(Q)$(MAKE) all
	$(Q)$(SUDO) env STOPPER_IMAGE=$(CURDIR)/build/image STOPPER_BUILD=$(CURDIR)/build/release $(PYTHON) -m pytest -q \
		-o cache_dir=$(CURDIR)/build/pytest -n $(or $(NET_JOBS),3) --dist loadgroup tests/e2e
check-arm64: deps ## arm64, cross-compiled: hardening, unit tests under qemu-user, the image
	$(Q)$(MAKE) ARCH=arm64 deps
	$(Q)$(MAKE) image-all
	$(Q)$(MAKE) ARCH=arm64 run-foreign
run-foreign: tests
	$(Q)tests/lint/hardening.sh $(PROGRAMS:%=$B/%)
	$(Q)$(SUDO) env RUNNER="$(if $(cross),qemu-aarch64-static -L $(SYSROOT))" tests/unit/run.sh $(patsubst %,$B/tests/%,$(filter-out $(if $(cross),$(qemu.cannot)),$(TESTS)))
	$(Q)env STOPPER_IMAGE=$(CURDIR)/build/image STOPPER_ARCH=$(ARCH) STOPPER_SYSROOT=$(SYSROOT) STOPPER_BUILD=$(CURDIR)/$B \
		$(PYTHON) -m pytest -q -o cache_dir=$(CURDIR)/build/pytest tests/image/test_contents.py tests/image/foreign.py
check-net: ## the net lab (namespaces, real servers), on the asan and release builds
	$(Q)$(MAKE) VARIANT=asan run-net
	$(Q)$(MAKE) VARIANT=release run-net
# What qemu-user cannot do: seccomp filters (jail, jails, seccomp, privdrop, push_outside), the flags of a mapping (secret), /proc/self as the kernel has it
# (mount), signal 32 (spawn), setns, because it has threads of its own (netns_proc), more descriptors in a message than there is
# room for: it keeps some open (leg_request), what the kernel knows of a connection (gate_run).
qemu.cannot := $(addprefix test_,jail jails seccomp privdrop push_outside secret mount spawn netns_proc leg_request gate_run)
run-unit: tests
	$(Q)$(SUDO) env STOPPER_GITLEAKS=$(DEPS)/bin/gitleaks tests/unit/run.sh $(TESTS:%=$B/tests/%)
run-net: all
	$(Q)$(SUDO) env STOPPER_BUILD=$(CURDIR)/$B STOPPER_REGISTRY=$$(image/deps/registry.sh --where) STOPPER_GITLEAKS=$(DEPS)/bin/gitleaks \
		$(PYTHON) -m pytest -o cache_dir=$(CURDIR)/build/pytest -n $(or $(NET_JOBS),3) tests/net
lint: headers ## format, layers, headers, licences, sizes, scripts, man pages, a clang build without warnings, hardening of the programs
	$(Q)tests/lint/lint.sh
	$(Q)$(PYTHON) -m pytest -q -o cache_dir=$(CURDIR)/build/pytest --basetemp=$(CURDIR)/build/lint tests/lint
	$(Q)$(MAKE) CC=clang VARIANT=release all tests
	$(Q)$(MAKE) VARIANT=release all
	$(Q)tests/lint/hardening.sh $(PROGRAMS:%=build/release/%) $(PROGRAMS:%=build/release-clang/%)
headers: $(HEADERS:%=$B/headers/%.ok)
format: ## let clang-format rewrite the sources
	$(Q)git ls-files -co --exclude-standard '*.[ch]' | xargs -r clang-format -i
compile_commands.json: FORCE ## for editors and analysers
	$(Q)$(MAKE) -Bn V=1 VARIANT=debug all tests | sed -n -e 's/["\\]/\\&/g' \
		-e 's|^$(CC) .* -c -o [^ ]* \([^ ]*\.c\)$$|{"directory": "$(CURDIR)", "file": "\1", "command": "&"},|p' | sed '1s/^/[/; $$s/,$$/]/' >$@
clean: ## remove build/
	$(Q)rm -rf build compile_commands.json
