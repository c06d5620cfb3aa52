# fish completion of diga-api: diga-api completion fish | source
function __diga_api_complete
	set -l words (commandline -opc) (commandline -ct)
	set -l found (diga-api complete -- $words[2..-1] 2>/dev/null)
	if test (count $found) -gt 0
		printf '%s\n' $found
	else
		__fish_complete_path (commandline -ct)
	end
end
complete -c diga-api -f -a '(__diga_api_complete)'
