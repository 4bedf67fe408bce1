# SPDX-License-Identifier: GPL-2.0-only
# ---- play: type a command at a console, and compare its output ----
#
# Each shell announces its prompts by escape sequences: ESC ] 133 ; C ... BEL before the output of
# a command, ESC ] 133 ; D ; STATUS ; NONCE ; PID ; PROMPT BEL after it.

at='' typed='' wanted='' piece='' tail=''
declare -A to from prompts numbers shapes
out='' status='' failed=''
notice='^\[[0-9]+\][+-]?[[:space:]]+(Running|Done|Exit|Stopped|Terminated|Killed|Hangup|Interrupt)'

end() { # STATUS TEXT
	echo "$2"
	exit "$1"
}

read_until() { # CONSOLE OPTION DELIMITER-OR-COUNT
	IFS= read -r "$2" "$3" -t "$TIMEOUT" -u "${from[$1]}" piece ||
		end 1 "mismatch: ${at}no answer for $TIMEOUT s"
}

await() { # CONSOLE
	local text='' is_output='' line
	while read_until "$1" -d $'\a'; do
		case $piece in
		*$'\e]133;C;'*) [ -n "$is_output" ] && text+=${piece%$'\e]133;C;'*}; is_output=1 ;;
		*$'\e]133;D;'*) text+=${piece%%$'\e]133;D;'*} && break ;;
		*$'\e]133;E;'*) end 1 "mismatch: $at the shell of the console ended" ;;
		*) text+=$piece$'\a' ;;
		esac
	done
	IFS=';' read -r status _ _ line <<<"${piece##*$'\e]133;D;'}"
	line=${line//[$'\001\002']/}
	prompts[$1]=$line
	while [[ $tail != *"$line" ]]; do # notices of ended jobs come before the prompt
		read_until "$1" -N 1
		tail+=$piece
	done
	tail=
	while [[ $text =~ $'\e'(\[[0-?]*[ -/]*[@-~]|[ -/]*[0-Z\\^-~]) ]]; do
		text=${text//"${BASH_REMATCH[0]}"/}
	done
	text=${text//$'\r'/}
	out=
	while IFS= read -r line; do
		[[ $line =~ $notice ]] || out+=${line%"${line##*[![:space:]]}"}$'\n'
	done < <(printf '%s' "$text${text:+$'\n'}")
	while [[ $out == $'\n' || $out == *$'\n\n' ]]; do out=${out%$'\n'}; done
}

insert() { # TEXT: numbers that an output has shown, in place of their marks
	text=$1
	local token
	for token in "${!numbers[@]}"; do text=${text//"@{$token}"/${numbers[$token]}}; done
}

step() { # LINE CONSOLE PROMPT COMMAND
	local token
	at="line $1: "
	[ "${prompts[$2]%"${prompts[$2]##*[! ]}"}" = "${3%"${3##*[! ]}"}" ] ||
		end 1 "mismatch: ${at}the prompt is '${prompts[$2]}', not '$3'"
	insert "$4"
	for token in "${!shapes[@]}"; do
		[[ $text != *"@{$token}"* ]] || end 1 "mismatch: ${at}no output has shown $token"
	done
	typed=$text wanted=''
	printf '%s%s\n' "$3" "$text" | show
	printf '%s\n' "$text" >&"${to[$2]}"
	await "$2"
	printf '%s' "$out" | show
}

expect() { # EXPRESSION [TOKEN...]: whether the output matches; then its groups are these numbers
	insert "$1"
	wanted+=${wanted:+$'\nor\n'}$text
	shift
	local token group=0
	for token in "${!shapes[@]}"; do text=${text//"@{$token}"/${shapes[$token]}}; done
	[[ $out =~ $text ]] || return 1
	for token; do
		group=$((group + 1))
		[ "$token" != - ] || continue
		: "${numbers[$token]:=${BASH_REMATCH[group]}}"
		[ "${numbers[$token]}" = "${BASH_REMATCH[group]}" ] || return 1
	done
}

show() {
	cat
}

plan() { # NUMBER OF STEPS
	:
}

passed() {
	:
}

differ() {
	printf '>>> mismatch: %sexpected\n%s\n' "$at" "${wanted:-a value that the profile has}"
	failed=1
}
