#compdef diga-api
# zsh completion of diga-api, after compinit: source <(diga-api completion zsh)
_diga_api() {
	local -a candidates
	candidates=(${(f)"$(diga-api complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
	if (( ${#candidates} )); then
		candidates=("${(@)candidates/$'\t'/:}")
		_describe diga-api candidates
	else
		_files
	fi
}
compdef _diga_api diga-api
