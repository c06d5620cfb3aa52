# bash completion of diga-api: source <(diga-api completion bash)
_diga_api() {
	local IFS=$'\n'
	COMPREPLY=($(diga-api complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f 1))
}
complete -o default -F _diga_api diga-api
