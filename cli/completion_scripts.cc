#include "cli/completion_scripts.h"

namespace dfs::cli {

namespace {

// bash takes '=' and ':' for ends of words, which names may hold: what stands before the last of
// them is taken off again.
constexpr const char* kBash =
    R"script(# Completion of dfsctl for bash. Where it is wanted, as in ~/.bashrc:
#   eval "$(dfsctl completion bash)"
_dfsctl() {
  local line=${COMP_LINE:0:COMP_POINT} current=${COMP_WORDS[COMP_CWORD]} word i
  local IFS=$'\n'
  local found=($("${COMP_WORDS[0]}" complete --line -- "$line" 2>/dev/null))
  COMPREPLY=("${found[@]}")
  compopt -o nospace 2>/dev/null
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} != */ && $current != [\'\"]* ]]; then
    COMPREPLY[0]+=' '
  fi
  if [[ $current != *[\'\"\\]* && $line =~ ([^[:blank:]]*[:=])[^[:blank:]:=]*$ ]]; then
    local before=${BASH_REMATCH[1]}
    for i in "${!COMPREPLY[@]}"; do
      COMPREPLY[i]=${COMPREPLY[i]#"$before"}
    done
  fi
}
complete -F _dfsctl dfsctl
)script";

constexpr const char* kZsh = R"script(#compdef dfsctl
# Completion of dfsctl for zsh. As a file _dfsctl in a directory of $fpath, or in ~/.zshrc:
#   eval "$(dfsctl completion zsh)"
_dfsctl() {
  local -a words_found ends_found
  local line word
  local -a typed=("${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}")
  while IFS= read -r line; do
    word=${line%%$'\t'*}
    if [[ $word == */ ]]; then
      words_found+=("$word")
    else
      ends_found+=("$word")
    fi
  done < <("${words[1]}" complete -- "${typed[@]}" 2>/dev/null)
  (( ${#words_found} )) && compadd -S '' -- "${words_found[@]}"
  (( ${#ends_found} )) && compadd -- "${ends_found[@]}"
}
if [[ $funcstack[1] == _dfsctl ]]; then
  _dfsctl "$@"
else
  compdef _dfsctl dfsctl
fi
)script";

constexpr const char* kFish =
    R"script(# Completion of dfsctl for fish. As ~/.config/fish/completions/dfsctl.fish, or:
#   dfsctl completion fish | source
function __dfsctl_complete
  set -l typed (commandline -opc)
  set -l current (commandline -ct)
  command $typed[1] complete -- $typed[2..-1] "$current" 2>/dev/null
end
complete -c dfsctl -f -a '(__dfsctl_complete)'
)script";

}  // namespace

std::string completion_script(const std::string& shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  return {};
}

}  // namespace dfs::cli
