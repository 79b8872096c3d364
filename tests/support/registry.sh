#!/bin/bash
# A registry of our own on the loopback address, for tests and the quick start.
#	registry.sh start DIR              starts it with its files in DIR, prints 127.0.0.1:PORT
#	registry.sh push ADDRESS SRC NAME  pushes a .tar archive or an OCI layout directory as ADDRESS/NAME
#	registry.sh stop DIR               ends that one, and no other
set -eu

say() { echo "registry.sh: $*" >&2; }

answers() { # HOST PORT
	local status
	exec 3<>"/dev/tcp/$1/$2" || return 1
	printf 'GET /v2/ HTTP/1.0\r\nHost: %s\r\n\r\n' "$1" >&3
	read -r -t 2 status <&3 || status=
	exec 3<&-
	[[ $status == *" 200 "* ]]
}

start() { # DIR
	local dir=$1 port try
	command -v docker-registry >/dev/null || { say "no docker-registry here: apt-get install docker-registry"; exit 1; }
	mkdir -p "$dir/data"
	# A port that somebody else has makes the registry end at once: then the next.
	for try in 1 2 3 4 5 6 7 8; do
		port=$((20000 + (RANDOM * 32768 + RANDOM) % 30000))
		cat >"$dir/config.yml" <<-END
			version: 0.1
			log: {level: warn, accesslog: {disabled: true}}
			storage:
			  filesystem: {rootdirectory: $dir/data}
			  delete: {enabled: true}
			http: {addr: "127.0.0.1:$port"}
		END
		docker-registry serve "$dir/config.yml" >"$dir/log" 2>&1 </dev/null &
		echo $! >"$dir/pid"
		for _ in $(seq 100); do
			if ! kill -0 "$(cat "$dir/pid")" 2>/dev/null; then
				break
			fi
			if answers 127.0.0.1 "$port" 2>/dev/null && kill -0 "$(cat "$dir/pid")" 2>/dev/null; then
				echo "127.0.0.1:$port" | tee "$dir/address"
				exit 0
			fi
			sleep 0.05
		done
		kill "$(cat "$dir/pid")" 2>/dev/null || true
	done
	say "it does not start after $try tries: $(tail -n 1 "$dir/log")"
	exit 1
}

push() { # ADDRESS SRC NAME
	local source
	command -v skopeo >/dev/null || { say "no skopeo here: apt-get install skopeo"; exit 1; }
	if [[ -d $2 ]]; then
		source=oci:$2
	else
		source=docker-archive:$2
	fi
	# Any policy file of the host is about images from elsewhere; these are ours.
	skopeo --insecure-policy copy --quiet --dest-tls-verify=false "$source" "docker://$1/$3"
}

stop() { # DIR
	local pid
	[[ -f $1/pid ]] || return 0
	pid=$(cat "$1/pid")
	# A number may have become somebody else's since.
	if [[ -r /proc/$pid/cmdline ]] && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF "$1/config.yml"; then
		kill "$pid"
		for _ in $(seq 100); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.05
		done
	fi
	rm -f "$1/pid"
}

case ${1:-} in
start | push | stop) "$@" ;;
*) say "usage: registry.sh start DIR | push ADDRESS SRC NAME | stop DIR"; exit 2 ;;
esac
