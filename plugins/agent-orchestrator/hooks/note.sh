#!/bin/sh
# Notes the transcript of this session in the state directory, and starts `ao-import --noted`, which
# follows it, unless an import runs already. It never fails, prints nothing and waits for nothing.
# At the end of a session ("end") the import is always started: it ends at once if another one runs,
# and the process ids below can be those of other programs after a crash.
exec 2>/dev/null
input=$(head -c 8192; cat >/dev/null)
[ -z "$AGENT_ORCHESTRATOR_RUN" ] || exit 0 # a run of our own records itself

id=${input#*\"session_id\":\"}
id=${id%%\"*}
case $id in '' | *[!0-9A-Za-z-]*) exit 0 ;; esac
rest=${input#*\"transcript_path\":\"}
[ "$rest" != "$input" ] || exit 0
path=
while :; do # the text of a JSON string, with its escapes
  part=${rest%%\"*}
  [ "$part" != "$rest" ] || exit 0
  rest=${rest#*\"}
  path=$path$part
  case $part in *\\) path=$path\" ;; *) break ;; esac
done

state=$AGENT_ORCHESTRATOR_STATE_DIR
if [ -z "$state" ]; then
  case $XDG_STATE_HOME in /*) base=$XDG_STATE_HOME ;; *) base=$HOME/.local/state ;; esac
  state=$base/agent-orchestrator
fi
case $state in '~/'*) state=$HOME/${state#'~/'} ;; esac
case $state in /*) ;; *) exit 0 ;; esac
notes=$state/notes
umask 077
[ -d "$state" ] || mkdir -p "$state" || exit 0
[ -O "$state" ] || exit 0
case $(ls -ld "$state") in d???--[-S]--[-T]*) ;; *) exit 0 ;; esac # others may not even list it
[ -d "$notes" ] || mkdir "$notes" || [ -d "$notes" ] || exit 0
rm -f "$notes/.$id"
set -C # never written through a link
printf '"%s"\n' "$path" >"$notes/.$id" && mv -f "$notes/.$id" "$notes/$id" || exit 0

if [ "$1" != end ]; then
  for lock in "$state/import.lock" "$state/notes.lock"; do
    pid=
    read -r pid <"$lock"
    kill -0 "$pid" && exit 0
  done
fi
if command -v ao-import; then
  set -- ao-import
elif command -v uv; then
  set -- "${0%/*}/../skills/agent-orchestrator/commands/ao-import"
else
  exit 0
fi >/dev/null
command -v setsid >/dev/null && set -- setsid "$@"
(trap '' HUP; exec "$@" --noted) </dev/null >/dev/null &
exit 0
