# SPDX-License-Identifier: GPL-3.0-or-later
# All but rt_netns* is strict POSIX: it has to build on macOS too, of the files hostctl.macos, and with -D_DARWIN_C_SOURCE.
PROGRAMS += hostctl
hostctl.std := -std=c17 -D_XOPEN_SOURCE=700
hostctl.src := $(filter-out %_macos.c,$(wildcard hostctl/*.c))
hostctl.macos := $(filter-out hostctl/rt_netns% %_linux.c,$(wildcard hostctl/*.c))
hostctl.layers := sys core
hostctl.pkg := yaml-0.1 libpsl libmd libnftnl libmnl libcap
$B/obj/hostctl/cmd_up.o $B/obj/hostctl/cmd_doctor.o: FLAGS += -DSIDECAR_IMAGE='"$(SIDECAR_IMAGE)"'
$(patsubst %.c,$B/obj/%.o,$(wildcard hostctl/rt_netns*.c)): FLAGS += -D_GNU_SOURCE=
hostctl.manifest := $(patsubst %,hostctl/%.c,frontmatter node manifest manifest_keys manifest_words manifest_bottle manifest_gate \
	manifest_push manifest_forge gate_remotes host_key manifest_match presets suffix overlay placeholder random templates layers places sha256 report)
define hostctl.test
test_$1.std := $(hostctl.std)
test_$1.pkg := yaml-0.1 libpsl libmd
test_$1.with := $2
endef
$(eval $(call hostctl.test,frontmatter,hostctl/frontmatter.c hostctl/report.c))
$(eval $(call hostctl.test,manifest,$(hostctl.manifest)))
$(eval $(call hostctl.test,manual,$(hostctl.manifest)))
$(eval $(call hostctl.test,presets,$(hostctl.manifest)))
$(eval $(call hostctl.test,compile,$(hostctl.manifest) hostctl/compile.c hostctl/compile_gate.c))
$(eval $(call hostctl.test,secrets,$(hostctl.manifest) hostctl/secrets.c))
$(eval $(call hostctl.test,key_files,$(hostctl.manifest) hostctl/key_files.c))
$(eval $(call hostctl.test,known_hosts,hostctl/known_hosts.c hostctl/host_key.c hostctl/sha256.c hostctl/state.c hostctl/random.c))
$(eval $(call hostctl.test,host_keys,$(hostctl.manifest) $(addprefix hostctl/,host_keys.c known_hosts.c state.c rt_oci_run.c terminal.c)))
$(eval $(call hostctl.test,layers,$(hostctl.manifest)))
$(eval $(call hostctl.test,placeholder,$(hostctl.manifest)))
$(eval $(call hostctl.test,sha256,hostctl/sha256.c))
$(eval $(call hostctl.test,random,hostctl/random.c))
$(eval $(call hostctl.test,host_key,hostctl/host_key.c hostctl/sha256.c))
$(eval $(call hostctl.test,starter,$(addprefix hostctl/,starter.c starter_url.c starter_tools.c rt_oci_run.c gate_remotes.c)))
$(eval $(call hostctl.test,fuzz_starter,tests/fuzz/fuzz_starter.c $(hostctl.manifest) $(addprefix hostctl/,starter.c starter_url.c starter_tools.c starter_write.c rt_oci_run.c)))
$(eval $(call hostctl.test,resolvconf,hostctl/resolvconf.c))
$(eval $(call hostctl.test,state,hostctl/state.c hostctl/random.c))
$(eval $(call hostctl.test,mount,hostctl/mount.c))
$(eval $(call hostctl.test,options,hostctl/options.c))
$(eval $(call hostctl.test,guard,hostctl/guard.c hostctl/mount.c hostctl/state.c hostctl/random.c))
$(eval $(call hostctl.test,oci_image,$(addprefix hostctl/,rt_oci_image.c rt_oci_engine.c rt_oci_run.c state.c random.c)))
$(eval $(call hostctl.test,forge,$(hostctl.manifest) $(addprefix hostctl/,forge.c deploy_key.c gitea.c rt_oci_run.c state.c sidecar.c secrets.c)))
$(eval $(call hostctl.test,gitea,hostctl/gitea.c hostctl/places.c hostctl/rt_oci_run.c))
$(eval $(call hostctl.test,fuzz_gitea,tests/fuzz/fuzz_gitea.c hostctl/gitea.c hostctl/places.c hostctl/rt_oci_run.c))
$(eval $(call hostctl.test,oci_run,hostctl/rt_oci_run.c))
$(eval $(call hostctl.test,fixed,$(hostctl.manifest) hostctl/fixed.c hostctl/state.c))
$(eval $(call hostctl.test,gate_remotes,$(hostctl.manifest)))
$(eval $(call hostctl.test,explain_git,$(hostctl.manifest) hostctl/explain_git.c))
$(eval $(call hostctl.test,forward_port,hostctl/forward_port.c))
$(eval $(call hostctl.test,session,hostctl/session.c hostctl/signals.c hostctl/terminal.c))
$(eval $(call hostctl.test,audit_show,hostctl/audit_show.c hostctl/escape.c))
$(eval $(call hostctl.test,held_show,hostctl/held_show.c hostctl/escape.c))
$(eval $(call hostctl.test,audit_verify,hostctl/audit_verify.c))
$(eval $(call hostctl.test,audit_kept,hostctl/audit_kept.c hostctl/state.c hostctl/random.c))
$(eval $(call hostctl.test,runtimes_macos,$(filter-out hostctl/main.c,$(hostctl.macos))))
test_runtimes_macos.layers := core
test_netns_proc.with := hostctl/rt_netns_proc.c
test_netns_proc.pkg := libcap
