/* SPDX-License-Identifier: GPL-3.0-or-later */
/* complete_script: what shells read. The scripts know nothing of hostctl's commands: at each request they ask the hostctl on PATH,
 * never one that the command line names by a path, for a key must not start a program of the current folder. */
#include "hostctl/complete.h"

#include <string.h>

#define SPDX "# SPDX-License-Identifier: GPL-3.0-or-later\n"

/* Bash parts "--name=value" in three words, and wants the last part back alone. */
static const char bash[] =
    SPDX "# Completion of hostctl for bash. Put it where bash-completion looks, or: source <(hostctl "
         "completions bash)\n"
         "_hostctl() {\n"
         "    local words=() count=0 i word line current=${COMP_WORDS[COMP_CWORD]} head=''\n"
         "    COMPREPLY=()\n"
         "    for ((i = 1; i <= COMP_CWORD; i++)); do\n"
         "        word=${COMP_WORDS[i]}\n"
         "        if ((count > 0)) && [[ ${words[count - 1]} == --* && ( $word == = || ${COMP_WORDS[i - 1]} "
         "== = ) ]]; then\n"
         "            words[count - 1]+=$word\n"
         "        else\n"
         "            words[count++]=$word\n"
         "        fi\n"
         "    done\n"
         "    [[ $current == = ]] && current=''\n"
         "    [[ ${words[count - 1]} == --*=* ]] && head=${words[count - 1]%%=*}=\n"
         "    while IFS= read -r line; do\n"
         "        case $line in\n"
         "            :files)\n"
         "                compopt -o filenames 2>/dev/null\n"
         "                while IFS= read -r word; do COMPREPLY+=(\"$word\"); done < <(compgen -f -- "
         "\"$current\") ;;\n"
         "            :*) ;;\n"
         "            *)\n"
         "                word=${line%%$'\\t'*}\n"
         "                COMPREPLY+=(\"${word#\"$head\"}\") ;;\n"
         "        esac\n"
         "    done < <(command hostctl completions words -- \"${words[@]}\" 2>/dev/null)\n"
         "}\n"
         "complete -F _hostctl hostctl\n";

static const char zsh[] =
    "#compdef hostctl\n" SPDX "# Completion of hostctl for zsh. As _hostctl in a folder of fpath, or, behind "
    "compinit: source <(hostctl completions zsh)\n"
    "_hostctl() {\n"
    "    local line word files=0\n"
    "    local -a found\n"
    "    for line in ${(f)\"$(command hostctl completions words -- \"${(@Q)words[2,CURRENT]}\" "
    "2>/dev/null)\"}; do\n"
    "        case $line in\n"
    "            :files) files=1 ;;\n"
    "            :*) ;;\n"
    "            *)\n"
    "                word=${line%%$'\\t'*}\n"
    "                if [[ $line == *$'\\t'* ]]; then\n"
    "                    found+=(\"${word//:/\\\\:}:${line#*$'\\t'}\")\n"
    "                else\n"
    "                    found+=(\"${word//:/\\\\:}\")\n"
    "                fi ;;\n"
    "        esac\n"
    "    done\n"
    "    local none=1\n"
    "    (( $#found )) && _describe -t hostctl hostctl found && none=0\n"
    "    if (( files )); then\n"
    "        [[ ${words[CURRENT]} == --*=* ]] && compset -P '*='\n"
    "        _files && none=0\n"
    "    fi\n"
    "    return none\n"
    "}\n"
    "if [[ $funcstack[1] == _hostctl ]]; then _hostctl \"$@\"; else compdef _hostctl hostctl; fi\n";

/* What fish wants of a candidate, and of what it is, is what hostctl says. */
static const char fish[] =
    SPDX "# Completion of hostctl for fish. In ~/.config/fish/completions/hostctl.fish, or: hostctl "
         "completions fish | source\n"
         "function __hostctl_complete\n"
         "    set -l words (commandline -opc) (commandline -ct)\n"
         "    for line in (command hostctl completions words -- $words[2..-1] 2>/dev/null)\n"
         "        switch $line\n"
         "            case ':files'\n"
         "                __fish_complete_path (string replace -r -- '^--[a-z-]+=' '' (commandline -ct))\n"
         "            case ':*'\n"
         "            case '*'\n"
         "                echo $line\n"
         "        end\n"
         "    end\n"
         "end\n"
         "complete -c hostctl -f -a '(__hostctl_complete)'\n";

const char *complete_script(const char *shell)
{
    static const struct {
        const char *shell, *script;
    } scripts[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++)
        if (strcmp(scripts[i].shell, shell) == 0)
            return scripts[i].script;
    return NULL;
}
