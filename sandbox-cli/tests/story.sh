#!/bin/sh
# A session's whole life, by nothing but the command line: each step is checked, and the first that
# is not as it should be ends the story with status 1.
#
#   story.sh copied REPOSITORY   on a copy of it, with everything that sessions can do
#   story.sh plain REPOSITORY    on the repository itself, with what the Landlock tier can do
#
# REPOSITORY is a git repository without changes, with a file src/main.txt that says "one"; every
# path is without links. `sandbox` and git are found by PATH, and so is python3, for the server of
# the copied story; without it that part is left out, with a note. Nothing else may use the sessions'
# folder meanwhile.
set -eu

fail() {
    printf 'story: %s\n' "$*" >&2
    exit 1
}

# equal WHAT GOT EXPECTED
equal() {
    [ "$2" = "$3" ] || fail "$1: \"$2\" and not \"$3\""
}

# has WHAT GOT PART
has() {
    case $2 in *"$3"*) ;; *) fail "$1: no \"$3\" in \"$2\"" ;; esac
}

session() {
    sandbox session "$@"
}

# refused CODE PART COMMAND...: fails with a code, and says why
refused() {
    code=$1 part=$2 status=0
    shift 2
    said=$(session "$@" 2>&1 >/dev/null) || status=$?
    equal "status of $*" "$status" "$code"
    has "$*" "$said" "$part"
}

# soon WHAT COMMAND...: succeeds at last
soon() {
    what=$1 tries=0
    shift
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 150 ] || fail "$what: it did not happen"
        sleep 0.1
    done
}

# The last line of a task's log.
last() {
    session logs "$1" "$2" | tail -n 1
}

goes_on() {
    now=$(last "$1" "$2")
    [ "${now:-0}" -gt "$3" ]
}

stands_still() {
    before=$(last "$1" "$2")
    sleep 0.3
    [ "$before" = "$(last "$1" "$2")" ]
}

status() {
    session exec "$1" -- git --no-optional-locks status --short
}

states() {
    session list --json | tr '{' '\n' | sed -n 's/.*"id":"\([^"]*\)","state":"\([^"]*\)".*/\1 \2/p'
}

# A task that counts, suspended and resumed.
suspension() {
    counter=$(session spawn "$1" -- sh -c 'i=0; while :; do echo $((i += 1)); sleep 0.02; done')
    soon "the counter" goes_on "$1" "$counter" 2
    session suspend "$1"
    has "a suspended session" "$(states)" "$1 suspended"
    soon "a counter that stands still" stands_still "$1" "$counter"
    refused 125 suspended exec "$1" -- true
    stood=$(last "$1" "$counter")
    session resume "$1"
    soon "the counter after all" goes_on "$1" "$counter" "$stood"
    session exec "$1" -- true
    session kill "$1" "$counter"
    refused 137 "" wait "$1" "$counter"
    has "a killed task" "$(session tasks "$1")" "killed"
}

fetched() {
    python3 -c 'import sys, urllib.request as u
sys.stdout.write(u.urlopen(sys.argv[1], timeout=10).read().decode())' "http://$1/src/main.txt"
}

# A server in the session, seen from this machine.
publication() {
    server=$(session spawn "$1" -- \
        python3 -u -m http.server 8000 --bind 127.0.0.1 --directory "$repository")
    serves() { case $(session logs "$1" "$server" 2>&1) in *Serving*) ;; *) return 1 ;; esac; }
    soon "the server" serves "$1"
    address=$(session port "$1" publish 8000)
    has "the address" "$address" "127.0.0.1:"
    has "the published ports" "$(session port "$1")" "$address"
    equal "what the server sends" "$(fetched "$address")" "one"
    logged() { case $(session logs "$1" "$server" 2>&1) in *"GET /src/main.txt"*) ;; *) return 1 ;; esac; }
    soon "the server's log" logged "$1"
}

copies() {
    outside=$(mktemp -d)
    trap 'rm -rf "$outside"' EXIT
    mkdir -p "$outside/from/deep"
    echo flat >"$outside/from/flat"
    echo deep >"$outside/from/deep/file"
    session cp "$outside/from/flat" "$1:/tmp/flat"
    refused 125 "" cp "$outside/from" "$1:/tmp/from"
    session cp -r "$outside/from" "$1:/tmp/from"
    equal "what came in" "$(session exec "$1" -- cat /tmp/flat /tmp/from/deep/file)" "flat
deep"
    session exec "$1" -- sh -c 'echo back >/tmp/from/deep/more'
    session cp "$1:/tmp/from/deep/more" "$outside/more"
    session cp -r "$1:/tmp/from" "$outside/back"
    equal "what came out" "$(cat "$outside/more" "$outside/back/deep/file")" "back
deep"
    equal "all that came out" "$(cd "$outside/back" && find . -type f | sort | tr '\n' ' ')" \
        "./deep/file ./deep/more ./flat "
}

# Two forks of a session, changed apart; the second one's change comes to the host.
forks() {
    forked=$(session fork "$1" --count 2)
    first=${forked%%
*}
    second=${forked#*
}
    equal "the forks" "$(printf '%s\n' "$forked" | wc -l | tr -d ' ')" 2
    session exec "$first" -- sh -c 'echo first >src/main.txt'
    session exec "$second" -- sh -c 'echo second >src/new.txt'
    equal "the first fork" "$(session diff "$first")" "changed  $repository/src/main.txt"
    equal "the second fork" "$(session diff "$second")" "added    $repository/src/new.txt"
    json=$(session diff "$second" --json)
    has "the difference" "$json" "\"target\":\"$repository\""
    has "the difference" "$json" '"path":"src/new.txt","kind":"added"'
    has "no difference" "$(session diff "$1" --json)" '"changes":[]'
    equal "the host before" "$(git -C "$repository" status --short -uall)" ""
    has "what is applied" "$(session apply "$second")" "added    src/new.txt"
    equal "the host's change" "$(git -C "$repository" status --short -uall)" "?? src/new.txt"
    equal "the host's new file" "$(cat "$repository/src/new.txt")" "second"
    equal "the host's old file" "$(cat "$repository/src/main.txt")" "one"
    git -C "$repository" fsck --full --strict >/dev/null 2>&1 || fail "the repository is broken"
    equal "the difference after" "$(session diff "$second")" ""
}

ends() {
    has "what was used" "$(session stats "$1" --json)" '"cpu'
    session rm "$1"
    refused 125 "no session $1" show "$1"
    equal "what is left to reap" "$(session reap)" 0
}

copied() {
    id=$(session create --workspace "$repository" --overlay --label story=copied)
    has "the list" "$(session list --label story=copied)" "$id"
    equal "the tree" "$(status "$id")" ""
    if command -v python3 >/dev/null; then
        publication "$id"
    else
        echo "story: no python3, no server" >&2
    fi
    session snapshot "$id" before
    has "the snapshots" "$(session snapshots "$id")" before
    session exec "$id" -- sh -c 'rm -rf src; echo garbage >.git/HEAD'
    refused 128 "not a git repository" exec "$id" -- git status
    session restore "$id" before
    equal "the tree after all" "$(status "$id")" ""
    forks "$id"
    suspension "$id"
    copies "$id"
    session rm "$first" "$second"
    ends "$id"
}

plain() {
    id=$(session create --workspace "$repository" --backend landlock)
    has "the session" "$(session show "$id")" landlock
    equal "the tree" "$(status "$id")" ""
    session exec "$id" -- sh -c 'echo two >src/main.txt; echo lost >"$TMPDIR/lost"'
    equal "the host's file" "$(cat "$repository/src/main.txt")" "two"
    task=$(session spawn "$id" -- sh -c 'echo out; echo err >&2; exit 3')
    refused 3 "" wait "$id" "$task"
    equal "what the task wrote" "$(session logs "$id" "$task" 2>/dev/null)" "out"
    suspension "$id"
    refused 125 "copied on write" apply "$id"
    ends "$id"
}

[ "$#" -eq 2 ] || fail "usage: story.sh copied|plain REPOSITORY"
repository=$2
equal "the repository before" "$(git -C "$repository" status --short)" ""
case $1 in
copied | plain) "$1" ;;
*) fail "no story $1" ;;
esac
equal "the list in the end" "$(session list --json)" "[]"
